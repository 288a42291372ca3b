package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Names of the table options that weir acts on, in Paimon's words. All others
// are kept as they are.
const (
	OptBucket                    = "bucket"
	OptBucketKey                 = "bucket-key"
	OptBucketFunction            = "bucket-function.type"
	OptMergeEngine               = "merge-engine"
	OptChangelogProducer         = "changelog-producer"
	OptSequenceField             = "sequence.field"
	OptSequenceSortOrder         = "sequence.field.sort-order"
	OptIgnoreDelete              = "ignore-delete"
	OptRowKindField              = "rowkind.field"
	OptFileFormat                = "file.format"
	OptFileCompression           = "file.compression"
	OptZstdLevel                 = "file.compression.zstd-level"
	OptTargetFileSize            = "target-file-size"
	OptThinMode                  = "data-file.thin-mode"
	OptDataFilePrefix            = "data-file.prefix"
	OptChangelogFilePrefix       = "changelog-file.prefix"
	OptDataFilePathDirectory     = "data-file.path-directory"
	OptSuffixCompression         = "file.suffix.include.compression"
	OptPartitionDefaultName      = "partition.default-name"
	OptPartitionLegacyName       = "partition.legacy-name"
	OptStatsMode                 = "metadata.stats-mode"
	OptStatsDenseStore           = "metadata.stats-dense-store"
	OptDeletionVectors           = "deletion-vectors.enabled"
	OptRowTracking               = "row-tracking.enabled"
	OptDataEvolution             = "data-evolution.enabled"
	OptWriteOnly                 = "write-only"
	OptSortedRunTrigger          = "num-sorted-run.compaction-trigger"
	OptSortedRunStop             = "num-sorted-run.stop-trigger"
	OptNumLevels                 = "num-levels"
	OptSizeAmplification         = "compaction.max-size-amplification-percent"
	OptSizeRatio                 = "compaction.size-ratio"
	OptMinFileNum                = "compaction.min.file-num"
	OptManifestTargetSize        = "manifest.target-file-size"
	OptManifestMergeMinCount     = "manifest.merge-min-count"
	OptManifestFullSize          = "manifest.full-compaction-threshold-size"
	OptManifestCompression       = "manifest.compression"
	OptCommitMaxRetries          = "commit.max-retries"
	OptCommitMinRetryWait        = "commit.min-retry-wait"
	OptCommitMaxRetryWait        = "commit.max-retry-wait"
	OptCommitTimeout             = "commit.timeout"
	OptDynamicPartitionOverwrite = "dynamic-partition-overwrite"
	OptRetainedMin               = "snapshot.num-retained.min"
	OptRetainedMax               = "snapshot.num-retained.max"
	OptTimeRetained              = "snapshot.time-retained"
	OptExpireLimit               = "snapshot.expire.limit"
	OptChangelogRetainedMin      = "changelog.num-retained.min"
	OptChangelogRetainedMax      = "changelog.num-retained.max"
	OptChangelogTimeRetained     = "changelog.time-retained"
	OptConsumerExpiration        = "consumer.expiration-time"
	OptTagRetained               = "tag.default-time-retained"
	OptConnector                 = "connector"
	OptType                      = "type"
)

// BucketUnaware is the bucket option of append tables without buckets, and the
// total buckets that their entries carry.
const BucketUnaware = -1

// Options are the typed table options, with Paimon's defaults where unset.
type Options struct {
	Bucket             int    // fixed count >= 1; -1 unaware (append) or dynamic (primary key); -2 postpone
	BucketFunction     string // default, mod, hive
	MergeEngine        string // deduplicate, partial-update, aggregation, first-row
	ChangelogProducer  string // none, input, lookup, full-compaction
	SequenceFields     []string
	SequenceDescending bool
	IgnoreDelete       bool
	RowKindField       string

	FileFormat           string // parquet, orc, avro
	FileCompression      string
	ZstdLevel            int
	TargetFileSize       int64 // bytes
	ThinMode             bool
	DataFilePrefix       string
	ChangelogFilePrefix  string
	SuffixCompression    bool
	PartitionDefaultName string
	PartitionLegacyName  bool
	StatsMode            string
	StatsDenseStore      bool
	DeletionVectors      bool
	RowTracking          bool
	DataEvolution        bool
	WriteOnly            bool

	SortedRunTrigger  int
	SortedRunStop     int
	NumLevels         int
	SizeAmplification int // percent
	SizeRatio         int // percent
	MinFileNum        int

	ManifestTargetSize        int64 // bytes
	ManifestMergeMinCount     int
	ManifestFullSize          int64 // bytes
	ManifestCompression       string
	CommitMaxRetries          int
	CommitMinRetryWait        time.Duration
	CommitMaxRetryWait        time.Duration
	CommitTimeout             time.Duration // 0: none
	DynamicPartitionOverwrite bool

	RetainedMin  int
	RetainedMax  int
	TimeRetained time.Duration
	ExpireLimit  int // snapshots expired at once
	// Changelog retention; equal to the snapshots' unless set higher.
	ChangelogRetainedMin  int
	ChangelogRetainedMax  int
	ChangelogTimeRetained time.Duration
	ConsumerExpiration    time.Duration // 0: consumers never expire
	TagRetained           time.Duration // 0: tags are kept until deleted
}

// TableOptions parses the schema's options.
func (s *Schema) TableOptions() (Options, error) { return ParseOptions(s.Options, s.HasPrimaryKey()) }

// ParseOptions reads the known options; primaryKey picks the defaults that
// differ between the two kinds of tables. Unknown options are not looked at.
func ParseOptions(kv map[string]string, primaryKey bool) (Options, error) {
	p := optionParser{kv: kv}
	const mib = 1 << 20
	targetSize := int64(256 * mib)
	if primaryKey {
		targetSize = 128 * mib
	}
	o := Options{
		Bucket:             p.integer(OptBucket, -1),
		BucketFunction:     p.word(OptBucketFunction, "default", "mod", "hive"),
		MergeEngine:        p.word(OptMergeEngine, "deduplicate", "partial-update", "aggregation", "first-row"),
		ChangelogProducer:  p.word(OptChangelogProducer, "none", "input", "lookup", "full-compaction"),
		SequenceFields:     splitList(kv[OptSequenceField]),
		SequenceDescending: p.word(OptSequenceSortOrder, "ascending", "descending") == "descending",
		IgnoreDelete:       p.boolean(OptIgnoreDelete, false),
		RowKindField:       kv[OptRowKindField],

		FileFormat:           p.word(OptFileFormat, "parquet", "orc", "avro", "row", "csv", "json", "text"),
		FileCompression:      p.text(OptFileCompression, "zstd"),
		ZstdLevel:            p.integer(OptZstdLevel, 1),
		TargetFileSize:       p.size(OptTargetFileSize, targetSize),
		ThinMode:             p.boolean(OptThinMode, false),
		DataFilePrefix:       p.text(OptDataFilePrefix, "data-"),
		ChangelogFilePrefix:  p.text(OptChangelogFilePrefix, "changelog-"),
		SuffixCompression:    p.boolean(OptSuffixCompression, false),
		PartitionDefaultName: p.text(OptPartitionDefaultName, "__DEFAULT_PARTITION__"),
		PartitionLegacyName:  p.boolean(OptPartitionLegacyName, true),
		StatsMode:            p.text(OptStatsMode, "truncate(16)"),
		StatsDenseStore:      p.boolean(OptStatsDenseStore, true),
		DeletionVectors:      p.boolean(OptDeletionVectors, false),
		RowTracking:          p.boolean(OptRowTracking, false),
		DataEvolution:        p.boolean(OptDataEvolution, false),
		WriteOnly:            p.boolean(OptWriteOnly, false),

		SizeAmplification: p.integer(OptSizeAmplification, 200),
		SizeRatio:         p.integer(OptSizeRatio, 1),
		MinFileNum:        p.integer(OptMinFileNum, 5),
		SortedRunTrigger:  p.integer(OptSortedRunTrigger, 5),

		ManifestTargetSize:        p.size(OptManifestTargetSize, 8*mib),
		ManifestMergeMinCount:     p.integer(OptManifestMergeMinCount, 30),
		ManifestFullSize:          p.size(OptManifestFullSize, 16*mib),
		ManifestCompression:       p.text(OptManifestCompression, "zstd"),
		CommitMaxRetries:          p.integer(OptCommitMaxRetries, 10),
		CommitMinRetryWait:        p.duration(OptCommitMinRetryWait, 10*time.Millisecond),
		CommitMaxRetryWait:        p.duration(OptCommitMaxRetryWait, 10*time.Second),
		CommitTimeout:             p.duration(OptCommitTimeout, 0),
		DynamicPartitionOverwrite: p.boolean(OptDynamicPartitionOverwrite, true),

		RetainedMin:        p.integer(OptRetainedMin, 10),
		RetainedMax:        p.integer(OptRetainedMax, maxInt32),
		TimeRetained:       p.duration(OptTimeRetained, time.Hour),
		ExpireLimit:        p.integer(OptExpireLimit, 50),
		ConsumerExpiration: p.duration(OptConsumerExpiration, 0),
		TagRetained:        p.duration(OptTagRetained, 0),
	}
	o.SortedRunStop = p.integer(OptSortedRunStop, o.SortedRunTrigger+3)
	o.NumLevels = p.integer(OptNumLevels, o.SortedRunTrigger+1)
	o.ChangelogRetainedMin = p.integer(OptChangelogRetainedMin, o.RetainedMin)
	o.ChangelogRetainedMax = p.integer(OptChangelogRetainedMax, o.RetainedMax)
	o.ChangelogTimeRetained = p.duration(OptChangelogTimeRetained, o.TimeRetained)
	p.check(o.RetainedMin >= 1, OptRetainedMin, "at least 1")
	p.check(o.RetainedMax >= o.RetainedMin, OptRetainedMax, "at least "+OptRetainedMin)
	p.check(o.CommitMaxRetries >= 0, OptCommitMaxRetries, "at least 0")
	p.check(o.SortedRunTrigger >= 1, OptSortedRunTrigger, "at least 1")
	p.check(o.NumLevels >= 2, OptNumLevels, "at least 2")
	p.check(o.TargetFileSize > 0, OptTargetFileSize, "above 0")
	p.check(o.ManifestTargetSize > 0, OptManifestTargetSize, "above 0")
	return o, p.err
}

const maxInt32 = 1<<31 - 1

// optionParser reads values and keeps the first error.
type optionParser struct {
	kv  map[string]string
	err error
}

func (p *optionParser) fail(name, want string) {
	if p.err == nil {
		p.err = errkind.Errorf(errkind.Invalid, "table option '%s' = '%s': it must be %s", name, p.kv[name], want)
	}
}

func (p *optionParser) check(ok bool, name, want string) {
	if !ok {
		p.fail(name, want)
	}
}

func (p *optionParser) text(name, def string) string {
	if v := strings.TrimSpace(p.kv[name]); v != "" {
		return v
	}
	return def
}

// word takes one of the words, the first being the default.
func (p *optionParser) word(name string, words ...string) string {
	v := strings.ToLower(p.text(name, words[0]))
	if !slices.Contains(words, v) {
		p.fail(name, "one of "+strings.Join(words, ", "))
	}
	return v
}

func (p *optionParser) integer(name string, def int) int {
	v := p.text(name, "")
	if v == "" {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil || n > maxInt32 || n < -maxInt32 {
		p.fail(name, "a whole number of 32 bits")
	}
	return n
}

func (p *optionParser) boolean(name string, def bool) bool {
	switch strings.ToLower(p.text(name, strconv.FormatBool(def))) {
	case "true":
		return true
	case "false":
		return false
	}
	p.fail(name, "true or false")
	return def
}

func (p *optionParser) size(name string, def int64) int64 {
	v := p.text(name, "")
	if v == "" {
		return def
	}
	n, err := ParseBytes(v)
	if err != nil {
		p.fail(name, "a size such as '128 mb'")
	}
	return n
}

func (p *optionParser) duration(name string, def time.Duration) time.Duration {
	v := p.text(name, "")
	if v == "" {
		return def
	}
	d, err := ParseDuration(v)
	if err != nil {
		p.fail(name, "a time such as '1 h'")
	}
	return d
}

func splitList(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// ParseBytes reads a size as Paimon writes it: a number and b, kb, mb, gb or tb.
func ParseBytes(s string) (int64, error) {
	n, unit, err := numberAndUnit(s)
	if err != nil {
		return 0, err
	}
	shift := map[string]uint{
		"": 0, "b": 0, "bytes": 0, "k": 10, "kb": 10, "kibibytes": 10, "m": 20, "mb": 20, "mebibytes": 20,
		"g": 30, "gb": 30, "gibibytes": 30, "t": 40, "tb": 40, "tebibytes": 40,
	}
	bits, ok := shift[unit]
	if !ok || n > (1<<62)>>bits {
		return 0, fmt.Errorf("size %q: want a number and b, kb, mb, gb or tb", s)
	}
	return n << bits, nil
}

// ParseDuration reads a time as Paimon writes it: a number and ns, us, ms, s,
// min, h or d; without unit milliseconds.
func ParseDuration(s string) (time.Duration, error) {
	n, unit, err := numberAndUnit(s)
	if err != nil {
		return 0, err
	}
	var d time.Duration
	switch strings.TrimSuffix(unit, "s") {
	case "n", "nano", "nanosecond":
		d = time.Nanosecond
	case "u", "µ", "micro", "microsecond":
		d = time.Microsecond
	case "m", "milli", "millisecond":
		d = time.Millisecond
		if unit == "m" {
			d = time.Minute
		}
	case "", "sec", "second":
		d = time.Second
		if unit == "" {
			d = time.Millisecond
		}
	case "min", "minute":
		d = time.Minute
	case "h", "hour":
		d = time.Hour
	case "d", "day":
		d = 24 * time.Hour
	default:
		return 0, fmt.Errorf("time %q: want a number and ns, us, ms, s, min, h or d", s)
	}
	if n > int64(1<<62)/int64(d) {
		return 0, fmt.Errorf("time %q is too long", s)
	}
	return time.Duration(n) * d, nil
}

func numberAndUnit(s string) (int64, string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(s)
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("%q does not start with a whole number", s)
	}
	return n, strings.TrimSpace(s[end:]), nil
}

package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

const hashSeed = 42 // Paimon's, after Flink's

// Hash is Murmur3_32 over a row's bytes without arity, whose length is a
// multiple of 8, read as little-endian 4-byte words.
func Hash(row []byte) int32 {
	h := uint32(hashSeed)
	for i := 0; i+4 <= len(row); i += 4 {
		k := binary.LittleEndian.Uint32(row[i:])
		k *= 0xcc9e2d51
		k = bits.RotateLeft32(k, 15)
		k *= 0x1b873593
		h ^= k
		h = bits.RotateLeft32(h, 13)
		h = h*5 + 0xe6546b64
	}
	h ^= uint32(len(row))
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return int32(h)
}

// Bucket is the default bucket function: |hash % n| with Java's remainder.
func Bucket(hash int32, n int) int {
	b := int(hash) % n
	if b < 0 {
		return -b
	}
	return b
}

// Bucketer gives the bucket of rows of one table. It is not safe for concurrent use.
type Bucketer struct {
	names   []string
	types   []schema.Type
	buckets int
	mod     bool
	enc     *schema.RowEncoder
	cols    []arrow.Array
	buf     []byte
}

// NewBucketer makes the bucket function of s with the given number of buckets,
// which is the partition's total buckets. Below 1 (an unaware append table)
// every row is in bucket 0.
func NewBucketer(s *schema.Schema, buckets int) (*Bucketer, error) {
	opts, err := s.TableOptions()
	if err != nil {
		return nil, err
	}
	b := &Bucketer{buckets: buckets}
	if buckets < 1 {
		if s.HasPrimaryKey() {
			return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = '%d': rows of such a primary-key table have no computed bucket; weir writes fixed buckets only", schema.OptBucket, buckets)
		}
		return b, nil
	}
	b.names = s.BucketKeyNames()
	fields, err := s.Select(b.names)
	if err != nil {
		return nil, fmt.Errorf("bucket key: %w", err)
	}
	b.types = schema.TypesOf(fields)
	switch opts.BucketFunction {
	case "mod":
		b.mod = true
		if len(b.types) != 1 || b.types[0].Kind != schema.Int && b.types[0].Kind != schema.BigInt {
			return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = 'mod' needs one bucket key of type INT or BIGINT, not %v", schema.OptBucketFunction, b.types)
		}
	case "hive":
		return nil, errkind.Errorf(errkind.Invalid, "table option '%s' = 'hive' is not supported: use 'default' or 'mod'", schema.OptBucketFunction)
	}
	if len(b.types) == 0 {
		return nil, errkind.Errorf(errkind.Invalid, "a table with %d buckets needs option '%s'", buckets, schema.OptBucketKey)
	}
	b.enc, err = schema.NewRowEncoder(b.types)
	return b, err
}

// Bind sets the batch whose rows Bucket is asked about; it has at least the
// bucket key's columns.
func (b *Bucketer) Bind(rec arrow.RecordBatch) error {
	if b.buckets < 1 {
		return nil
	}
	b.cols = b.cols[:0]
	for _, n := range b.names {
		idx := rec.Schema().FieldIndices(n)
		if len(idx) != 1 {
			return fmt.Errorf("bucket key column %q: %d columns of that name in the batch", n, len(idx))
		}
		b.cols = append(b.cols, rec.Column(idx[0]))
	}
	return b.enc.Bind(b.cols)
}

// Bucket of a row of the bound batch.
func (b *Bucketer) Bucket(row int) int {
	if b.buckets < 1 {
		return 0
	}
	b.buf = b.enc.Append(b.buf[:0], row)
	return b.ofRow(b.buf)
}

// Of is the bucket of a bucket key given as Go forms in key order.
func (b *Bucketer) Of(key []any) (int, error) {
	if b.buckets < 1 {
		return 0, nil
	}
	stored, err := schema.EncodeRow(b.types, key)
	if err != nil {
		return 0, fmt.Errorf("bucket key: %w", err)
	}
	return b.ofRow(schema.RowBytes(stored)), nil
}

// KeyNames are the columns of the bucket key; none when every row is in bucket 0.
func (b *Bucketer) KeyNames() []string { return b.names }

func (b *Bucketer) ofRow(row []byte) int {
	if !b.mod {
		return Bucket(Hash(row), b.buckets)
	}
	v := int64(binary.LittleEndian.Uint64(row[8:])) // the one slot behind the null bits
	if b.types[0].Kind == schema.Int {
		v = int64(int32(v))
	}
	m := v % int64(b.buckets)
	if m < 0 {
		m += int64(b.buckets)
	}
	return int(m)
}

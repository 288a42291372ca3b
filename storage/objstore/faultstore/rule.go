package faultstore

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weir-lake/weir/internal/errkind"
)

// Op is an operation of a store or of a writer it made.
type Op string

// The operations, as rules and the log spell them.
const (
	OpGet       Op = "get"
	OpStat      Op = "stat"
	OpList      Op = "list"
	OpListDirs  Op = "listdirs"
	OpDelete    Op = "delete"
	OpCreate    Op = "create"
	OpWrite     Op = "write"
	OpClose     Op = "close"
	OpOverwrite Op = "overwrite" // Put
	OpAbsent    Op = "absent"    // PutIfAbsent
)

// opsOf returns the operations a rule's first word means; nil if it means none.
func opsOf(word string) []Op {
	all := []Op{OpGet, OpStat, OpList, OpListDirs, OpDelete, OpCreate, OpWrite, OpClose, OpOverwrite, OpAbsent}
	switch word {
	case "any":
		return all
	case "put":
		return []Op{OpOverwrite, OpAbsent, OpClose}
	case "write-any":
		return []Op{OpDelete, OpCreate, OpWrite, OpClose, OpOverwrite, OpAbsent}
	}
	if slices.Contains(all, Op(word)) {
		return []Op{Op(word)}
	}
	return nil
}

type fault uint8

const (
	faultNone fault = iota
	faultError
	faultLostReply
	faultDenied
	faultNotFound
	faultNoSpace
	faultDelay
	faultTruncate
	faultCut
	faultCorrupt
	faultCrash
	faultCrashAfter
)

var faultNames = map[string]fault{
	"error": faultError, "lost-reply": faultLostReply, "denied": faultDenied, "not-found": faultNotFound,
	"enospc": faultNoSpace, "delay": faultDelay, "truncate": faultTruncate, "cut": faultCut,
	"corrupt": faultCorrupt, "crash": faultCrash, "crash-after": faultCrashAfter,
}

// onlyReads are faults that change what a get delivers.
func (f fault) onlyReads() bool { return f == faultTruncate || f == faultCut || f == faultCorrupt }

// when says at which matches a rule applies. The zero value is each.
type when struct {
	nth     int64   // 0: not by count
	later   bool    // and at all later ones
	every   bool    // at all multiples of nth
	percent float64 // 0: not by share
	global  bool    // nth counts the store's operations
}

type rule struct {
	text  string // as written, for the log
	ops   []Op
	glob  *regexp.Regexp
	when  when
	fault fault
	bytes int64         // of truncate and cut
	delay time.Duration // of delay
}

// parseRules reads rules, one a line. Errors name the line.
func parseRules(text string) ([]*rule, error) {
	var rules []*rule
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r, err := parseRule(line)
		if err != nil {
			return nil, errkind.Errorf(errkind.Invalid, "faultstore: rule in line %d, %q: %w", n, line, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(line string) (*rule, error) {
	head, tail, ok := strings.Cut(line, ": ")
	words := strings.Fields(head)
	if !ok || len(words) < 2 {
		return nil, fmt.Errorf("want OP GLOB [WHEN]: FAULT")
	}
	r := &rule{text: line, ops: opsOf(words[0])}
	if r.ops == nil {
		return nil, fmt.Errorf("no operation %q", words[0])
	}
	var err error
	if r.glob, err = compileGlob(words[1]); err != nil {
		return nil, err
	}
	if r.when, err = parseWhen(words[2:]); err != nil {
		return nil, err
	}
	return r, r.parseFault(strings.Fields(tail))
}

func compileGlob(glob string) (*regexp.Regexp, error) {
	q := regexp.QuoteMeta(glob)
	q = strings.ReplaceAll(q, `\*\*`, `.*`)
	q = strings.ReplaceAll(q, `\*`, `[^/]*`)
	q = strings.ReplaceAll(q, `\?`, `[^/]`)
	return regexp.Compile(`(?s)^` + q + `$`)
}

func parseWhen(words []string) (when, error) {
	var w when
	if len(words) == 2 && words[0] == "every" {
		w.every, words = true, words[1:]
	}
	if len(words) == 0 {
		return w, nil
	}
	if len(words) > 1 {
		return w, fmt.Errorf("cannot read %q", strings.Join(words, " "))
	}
	word := words[0]
	if share, ok := strings.CutSuffix(word, "%"); ok && !w.every {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || !(p > 0 && p <= 100) { // also refuses NaN
			return w, fmt.Errorf("share %q: want more than 0%% and at most 100%%", word)
		}
		w.percent = p
		return w, nil
	}
	if !w.every {
		word, w.later = strings.CutSuffix(word, "+")
		word, w.global = strings.CutPrefix(word, "@")
	}
	digits := word
	if !w.global {
		digits = strings.TrimRight(word, "stndrh")
		if digits == word {
			return w, fmt.Errorf("cannot read %q: want 3rd, 3rd+, every 3rd, 5%%, @17 or @17+", word)
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 {
		return w, fmt.Errorf("%q: want a count from 1", word)
	}
	w.nth = n
	return w, nil
}

func (r *rule) parseFault(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("no fault named")
	}
	var ok bool
	if r.fault, ok = faultNames[words[0]]; !ok {
		return fmt.Errorf("no fault %q", words[0])
	}
	if r.fault.onlyReads() && !slices.Contains(r.ops, OpGet) {
		return fmt.Errorf("%s applies to get", words[0])
	}
	args := 0
	var err error
	switch r.fault {
	case faultDelay:
		if args = 1; len(words) == 2 {
			r.delay, err = time.ParseDuration(words[1])
		}
	case faultTruncate, faultCut:
		if args = 1; len(words) == 2 {
			r.bytes, err = strconv.ParseInt(words[1], 10, 64)
		}
	}
	if err != nil || len(words) != 1+args || r.bytes < 0 || r.delay < 0 {
		return fmt.Errorf("%q: %s takes %d argument(s): see the package comment", strings.Join(words, " "), words[0], args)
	}
	return nil
}

// applies decides for the rule's nth match, which is the store's operation op.
func (r *rule) applies(nth, op int64, draw uint64) bool {
	w := r.when
	count := nth
	if w.global {
		count = op
	}
	switch {
	case w.percent > 0:
		return float64(draw)/math.MaxUint64*100 < w.percent
	case w.nth == 0:
		return true
	case w.every:
		return count%w.nth == 0
	case w.later:
		return count >= w.nth
	}
	return count == w.nth
}

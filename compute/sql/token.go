package sql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF    tokenKind = iota
	tokWord             // unquoted identifier or keyword
	tokQuoted           // `identifier`
	tokNumber           // 12, 1.5
	tokApprox           // 1e3
	tokString           // 'x'
	tokBytes            // X'00'
	tokParam            // ? or :name
	tokHint             // the inside of /*+ */
	tokSymbol           // operators and punctuation
)

// token is one lexeme. text is the word as written, the string without quotes, or
// the symbol; upper is the upper-case form of a word.
type token struct {
	kind  tokenKind
	text  string
	upper string
	at    Pos
	end   int // byte offset after the token
}

// is reports whether the token is the keyword or symbol.
func (t token) is(s string) bool {
	switch t.kind {
	case tokWord:
		return t.upper == s
	case tokSymbol:
		return t.text == s
	default:
		return false
	}
}

// describe is the token as an error message names it.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of statement"
	case tokString:
		return "string '" + shorten(t.text) + "'"
	case tokBytes:
		return "binary string X'" + shorten(t.text) + "'"
	case tokNumber, tokApprox:
		return "number " + shorten(t.text)
	case tokQuoted:
		return "identifier `" + shorten(t.text) + "`"
	case tokHint:
		return "hint /*+ .. */"
	case tokParam:
		if t.text == "" {
			return "parameter ?"
		}
		return "parameter :" + t.text
	default:
		return "'" + shorten(t.text) + "'"
	}
}

// maxShown bounds quoted text in messages, in characters.
const maxShown = 40

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxShown {
		return s
	}
	return string([]rune(s)[:maxShown]) + "…"
}

// reserved words cannot be names or aliases unless quoted. The list is the part of
// Flink's reserved words that the grammar needs, so that ordinary column names such
// as `value`, `year` or `count` that people write unquoted still work where they are
// no ambiguity; Flink asks for quotes on some of them, which we accept as well.
var reserved = words(`
ALL AND ANY ARRAY AS BETWEEN BOTH BY CASE CAST CREATE CROSS CUBE CURRENT_DATE
CURRENT_TIME CURRENT_TIMESTAMP CURRENT_ROW_TIMESTAMP DELETE DESCRIBE DISTINCT DROP ELSE END
ESCAPE EXCEPT EXISTS EXTRACT FALSE FETCH FILTER FOR FROM FULL GROUP GROUPING HAVING IN INNER
INSERT INTERSECT INTERVAL INTO IS JOIN LATERAL LEADING LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP
MINUS NATURAL NOT NULL OFFSET ON OR ORDER OUTER OVER OVERLAPS PARTITION QUALIFY RIGHT ROLLUP
SELECT SIMILAR SOME TABLE THEN TRAILING TRUE TRY_CAST UNION UNKNOWN UNNEST UPDATE
USING VALUES WHEN WHERE WINDOW WITH WITHIN OF`)

func words(s string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// printQuoted are words which the grammar looks at without reserving them. They are
// quoted in printed text, so that no printed name is taken for syntax.
var printQuoted = words(`
ADD AFTER ASC AT CALL CEIL CHAR CHARACTER COLUMN COMMENT CONSTRAINT CUMULATE DATABASE
DATE DAY DESC DESCRIPTOR DISTRIBUTED ENFORCED EPOCH EXECUTE EXPLAIN FIRST FLOOR FRESHNESS HOP HOUR IF
IGNORE ILIKE KEY LAST MAP MATERIALIZED METADATA MINUTE MODIFY MONTH MULTISET NEXT NULLS ONLY OPTIONS
OVERLAY OVERWRITE PARTITIONED PERCENT POSITION PRECEDING PRIMARY RANGE REFRESH_MODE RENAME RESET
RESPECT ROW ROWS SECOND SESSION SET SETS SHOW SNAPSHOT SUBSTRING SYMMETRIC SYSTEM_TIME TAG TEMPORARY TIME
TIMESTAMP TO TRIM TUMBLE UNBOUNDED UNIQUE USE VIEW VIRTUAL WATERMARK YEAR`)

// quoteIdent is the name, in backquotes unless it reads the same without.
func quoteIdent(s string) string {
	if isPlainWord(s) {
		if up := strings.ToUpper(s); !reserved[up] && !printQuoted[up] {
			return s
		}
	}
	return "`" + strings.ReplaceAll(s, "`", "``") + "`"
}

func isPlainWord(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isWordStart(c) && (i == 0 || !isDigit(c)) || c >= utf8.RuneSelf {
			return false
		}
	}
	return s != ""
}

func quoteParts(n Name) string {
	var b strings.Builder
	for i, p := range n {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(quoteIdent(p.Text))
	}
	return b.String()
}

func quoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWordStart takes letters, underscore and every byte of a non-ASCII character:
// whether such a character is a letter is checked once the word is whole.
func isWordStart(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

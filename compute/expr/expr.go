package expr

import (
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/table/schema"
)

// Expr is a typed expression over the columns of one input batch. Trees are immutable.
type Expr interface {
	Type() schema.Type
	// String is stable text for EXPLAIN and golden files.
	String() string
}

// Column is the input's column at Index.
type Column struct {
	Index int
	Name  string // for people; Index decides
	T     schema.Type
}

// Literal is a constant. Value is nil for NULL, else: bool; int64 for integers,
// DATE (days), TIME (ms), TIMESTAMP (in the Arrow unit of its precision) and
// intervals (months or ms); float64 for FLOAT and DOUBLE; decimal128.Num; string; []byte.
type Literal struct {
	Value any
	T     schema.Type
}

// Call applies a function of the registry. Fn is the canonical upper-case name;
// operators and special forms are functions too:
//
//   - - * / % NEG  = <> < <= > >=  AND OR NOT
//     IS_NULL IS_NOT_NULL IS_TRUE IS_NOT_TRUE IS_FALSE IS_NOT_FALSE
//     IS_DISTINCT_FROM IS_NOT_DISTINCT_FROM  IN (first arg against the rest)
//     BETWEEN is expanded; LIKE(value, pattern[, escape])  SIMILAR_TO
//     CAST TRY_CAST (to T)   CASE (when1, then1, ..., else; else is always there)
//     COALESCE IF NULLIF   || CONCAT   EXTRACT(unit literal, x)  FLOOR/CEIL(x[, unit literal])
//     ROW ARRAY MAP  ITEM(collection, key)  FIELD(row, literal int index)
//     NOW CURRENT_TIMESTAMP LOCALTIMESTAMP CURRENT_DATE PROCTIME CURRENT_WATERMARK RAND UUID
//
// The binder inserts CASTs so that arguments have the types the signature asks for.
type Call struct {
	Fn   string
	Args []Expr
	T    schema.Type
}

func (c *Column) Type() schema.Type  { return c.T }
func (l *Literal) Type() schema.Type { return l.T }
func (c *Call) Type() schema.Type    { return c.T }

func (c *Column) String() string { return fmt.Sprintf("%s#%d", c.Name, c.Index) }

func (l *Literal) String() string {
	switch v := l.Value.(type) {
	case nil:
		return "NULL"
	case string:
		return "'" + strings.ReplaceAll(v, "'", "''") + "'"
	case []byte:
		return fmt.Sprintf("X'%X'", v)
	case decimal128.Num:
		return FormatDecimal(v, l.T.Scale) + ":" + l.T.WithNotNull(false).String()
	default:
		return fmt.Sprintf("%v:%s", v, l.T.WithNotNull(false))
	}
}

func (c *Call) String() string {
	args := make([]string, len(c.Args))
	for i, a := range c.Args {
		args[i] = a.String()
	}
	if c.Fn == "CAST" || c.Fn == "TRY_CAST" {
		return fmt.Sprintf("%s(%s AS %s)", c.Fn, args[0], c.T.WithNotNull(false))
	}
	return c.Fn + "(" + strings.Join(args, ", ") + ")"
}

// Env is what an evaluation may depend on besides its input: recorded data, never
// the machine's clock (docs/semantics.md, "Clocks are data").
type Env struct {
	Clock     time.Time      // the epoch's wall clock: NOW(), CURRENT_TIMESTAMP, PROCTIME()
	Watermark *time.Time     // CURRENT_WATERMARK; nil means none yet (NULL)
	Zone      *time.Location // session time zone; nil means UTC
	Seed      int64          // RAND and UUID
}

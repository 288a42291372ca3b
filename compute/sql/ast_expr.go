package sql

// Expr is an expression.
type Expr interface {
	Pos() Pos
	expr()
}

// ColumnRef is a possibly qualified name: column, table.column, column.field.
type ColumnRef struct{ Name Name }

// Star is * or t.*.
type Star struct {
	At        Pos
	Qualifier Name
}

// LiteralKind is the kind of a literal.
type LiteralKind uint8

// The kinds of literals.
const (
	LitNull      LiteralKind = iota
	LitTrue                  // TRUE
	LitFalse                 // FALSE
	LitUnknown               // UNKNOWN
	LitNumber                // 12, 1.5: INT, BIGINT or DECIMAL
	LitApprox                // 1e3: DOUBLE
	LitString                // 'x'
	LitBytes                 // X'00FF': Text is the hex digits
	LitDate                  // DATE '2020-01-01'
	LitTime                  // TIME '12:00:00'
	LitTimestamp             // TIMESTAMP '2020-01-01 12:00:00'
)

// Literal is a constant. Text has no quotes and no prefix.
type Literal struct {
	At   Pos
	Kind LiteralKind
	Text string
}

// Interval is INTERVAL 'value' from[(p)] [TO to[(p)]].
type Interval struct {
	At            Pos
	Negative      bool
	Value         string
	From, To      string // units, singular and upper case; To empty: one unit
	Precision     int    // leading precision; 0: not given
	FracPrecision int    // digits of SECOND's fraction; 0: not given
}

// Param is ? (Name empty, Index from 0 in order of appearance) or :name.
type Param struct {
	At    Pos
	Name  string
	Index int
}

// Unary is op x: "-", "+", "NOT".
type Unary struct {
	At Pos
	Op string
	X  Expr
}

// Binary is l op r: + - * / % || = <> < <= > >= AND OR, "IS DISTINCT FROM",
// "IS NOT DISTINCT FROM", "OVERLAPS".
type Binary struct {
	At   Pos // of the operator
	Op   string
	L, R Expr
}

// Is is x IS [NOT] what: NULL, TRUE, FALSE, UNKNOWN, "JSON", "JSON VALUE", ..
type Is struct {
	X    Expr
	Not  bool
	What string
}

// Between is x [NOT] BETWEEN [SYMMETRIC] lo AND hi.
type Between struct {
	X, Lo, Hi Expr
	Not       bool
	Symmetric bool
}

// In is x [NOT] IN (list) or (query); exactly one of List and Query is set.
type In struct {
	At    Pos // of IN or NOT
	X     Expr
	Not   bool
	List  []Expr
	Query *Query
}

// Like is x [NOT] LIKE|SIMILAR TO pattern [ESCAPE e].
type Like struct {
	At      Pos // of LIKE, SIMILAR or NOT
	X       Expr
	Not     bool
	Similar bool
	Pattern Expr
	Escape  Expr
}

// Exists is EXISTS (query).
type Exists struct {
	At    Pos
	Query *Query
}

// Subquery is (query) as a value.
type Subquery struct{ Query *Query }

// Quantified is x op ANY|SOME|ALL (query).
type Quantified struct {
	At    Pos // of the operator
	X     Expr
	Op    string
	All   bool
	Query *Query
}

// Case is CASE [operand] WHEN .. THEN .. ELSE .. END.
type Case struct {
	At      Pos
	Operand Expr
	Whens   []When
	Else    Expr
}

// When is one branch of a CASE.
type When struct{ Cond, Then Expr }

// Cast is CAST|TRY_CAST(x AS type).
type Cast struct {
	At   Pos
	X    Expr
	Type DataType
	Try  bool
}

// Arg is an argument; Name is set for name => value.
type Arg struct {
	Name  *Ident
	Value Expr
}

// Call is a function or aggregate. Special syntax is brought to plain arguments:
// EXTRACT(YEAR FROM x) is EXTRACT(Symbol YEAR, x); CEIL(x TO DAY) is CEIL(x, Symbol DAY);
// POSITION(a IN b) is POSITION(a, b); TRIM(BOTH a FROM b) is TRIM(Symbol BOTH, a, b)
// with a nil Value where no characters are given; SUBSTRING(a FROM b FOR c) and
// OVERLAY(a PLACING b FROM c FOR d) are their plain forms. CURRENT_TIMESTAMP and its
// like without parentheses have NoParens.
type Call struct {
	Name        Name
	Args        []Arg
	Star        bool // f(*)
	Distinct    bool
	NoParens    bool
	OrderBy     []OrderItem // inside the parentheses
	WithinGroup []OrderItem
	Filter      Expr
	IgnoreNulls bool
	// RespectNulls is written out, though it is the default.
	RespectNulls bool
	Over         *WindowSpec
}

// WindowSpec is OVER name or OVER ([base] PARTITION BY .. ORDER BY .. frame).
type WindowSpec struct {
	At          Pos
	Name        *Ident // OVER name; nothing else is set then
	Base        *Ident
	PartitionBy []Expr
	OrderBy     []OrderItem
	Frame       *Frame
}

// Frame is ROWS|RANGE BETWEEN start AND end.
type Frame struct {
	Rows       bool // else RANGE
	Start, End FrameBound
}

// BoundKind is the kind of a FrameBound.
type BoundKind uint8

// The bounds.
const (
	UnboundedPreceding BoundKind = iota
	Preceding                    // Offset PRECEDING
	CurrentRow
	Following // Offset FOLLOWING
	UnboundedFollowing
)

// FrameBound is one end of a frame.
type FrameBound struct {
	Kind   BoundKind
	Offset Expr
}

// Row is ROW(a, b) or (a, b).
type Row struct {
	At       Pos
	Explicit bool // the word ROW is written
	Items    []Expr
}

// Array is ARRAY[..] or ARRAY(query).
type Array struct {
	At    Pos
	Items []Expr
	Query *Query
}

// Map is MAP[k, v, ..].
type Map struct {
	At    Pos
	Items []Expr
}

// Index is x[i].
type Index struct{ X, I Expr }

// Field is (x).name where x is not a plain name.
type Field struct {
	X    Expr
	Name Ident
}

// Symbol is a keyword used as an argument: YEAR, BOTH, ..
type Symbol struct {
	At   Pos
	Text string
}

// Descriptor is DESCRIPTOR(cols).
type Descriptor struct {
	At      Pos
	Columns []Ident
}

// TableArg is TABLE name or TABLE (query) as an argument, with PARTITION BY.
type TableArg struct {
	At          Pos
	Table       Name
	Query       *Query
	PartitionBy []Expr
}

// Pos of each expression: its first character or, where the type says so, its operator.
func (e *ColumnRef) Pos() Pos  { return e.Name.Pos() }
func (e *Star) Pos() Pos       { return e.At }
func (e *Literal) Pos() Pos    { return e.At }
func (e *Interval) Pos() Pos   { return e.At }
func (e *Param) Pos() Pos      { return e.At }
func (e *Unary) Pos() Pos      { return e.At }
func (e *Binary) Pos() Pos     { return e.At }
func (e *Is) Pos() Pos         { return e.X.Pos() }
func (e *Between) Pos() Pos    { return e.X.Pos() }
func (e *In) Pos() Pos         { return e.At }
func (e *Like) Pos() Pos       { return e.At }
func (e *Exists) Pos() Pos     { return e.At }
func (e *Subquery) Pos() Pos   { return e.Query.At }
func (e *Quantified) Pos() Pos { return e.At }
func (e *Case) Pos() Pos       { return e.At }
func (e *Cast) Pos() Pos       { return e.At }
func (e *Call) Pos() Pos       { return e.Name.Pos() }
func (e *Row) Pos() Pos        { return e.At }
func (e *Array) Pos() Pos      { return e.At }
func (e *Map) Pos() Pos        { return e.At }
func (e *Index) Pos() Pos      { return e.X.Pos() }
func (e *Field) Pos() Pos      { return e.Name.At }
func (e *Symbol) Pos() Pos     { return e.At }
func (e *Descriptor) Pos() Pos { return e.At }
func (e *TableArg) Pos() Pos   { return e.At }

func (*ColumnRef) expr()  {}
func (*Star) expr()       {}
func (*Literal) expr()    {}
func (*Interval) expr()   {}
func (*Param) expr()      {}
func (*Unary) expr()      {}
func (*Binary) expr()     {}
func (*Is) expr()         {}
func (*Between) expr()    {}
func (*In) expr()         {}
func (*Like) expr()       {}
func (*Exists) expr()     {}
func (*Subquery) expr()   {}
func (*Quantified) expr() {}
func (*Case) expr()       {}
func (*Cast) expr()       {}
func (*Call) expr()       {}
func (*Row) expr()        {}
func (*Array) expr()      {}
func (*Map) expr()        {}
func (*Index) expr()      {}
func (*Field) expr()      {}
func (*Symbol) expr()     {}
func (*Descriptor) expr() {}
func (*TableArg) expr()   {}

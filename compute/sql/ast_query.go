package sql

// Query is [WITH ..] body [ORDER BY ..] [LIMIT ..] [OFFSET ..]. As a QueryBody it
// is a query in parentheses.
type Query struct {
	At      Pos
	End     Pos // just after the last token; text[At.Offset:End.Offset] is the query's text
	With    []CTE
	Body    QueryBody
	OrderBy []OrderItem
	Limit   Expr // also FETCH FIRST; nil: none
	Offset  Expr
}

// CTE is name [(cols)] AS (query).
type CTE struct {
	Name    Ident
	Columns []Ident
	Query   *Query
}

// QueryBody is a *Select, *SetOp, *Values or *Query.
type QueryBody interface {
	Pos() Pos
	queryBody()
}

// Select is one SELECT block.
type Select struct {
	At       Pos
	Hints    []Hint
	Distinct bool
	Items    []SelectItem
	From     TableRef // nil: one row without columns
	Where    Expr
	GroupBy  *GroupBy
	Having   Expr
	Windows  []NamedWindow
	Qualify  Expr
}

// SelectItem is expr [AS alias]; the expr may be a *Star.
type SelectItem struct {
	Expr  Expr
	Alias *Ident
}

// NamedWindow is one definition of the WINDOW clause.
type NamedWindow struct {
	Name Ident
	Spec *WindowSpec
}

// GroupBy is GROUP BY items.
type GroupBy struct {
	At    Pos
	Items []GroupItem
}

// GroupKind tells the forms of GROUP BY items apart.
type GroupKind uint8

// The forms.
const (
	GroupExpr   GroupKind = iota // one expression in Exprs
	GroupTuple                   // (a, b), () : Exprs
	GroupRollup                  // ROLLUP(Items)
	GroupCube                    // CUBE(Items)
	GroupSets                    // GROUPING SETS(Items)
)

// GroupItem is one item of GROUP BY, or of ROLLUP, CUBE, GROUPING SETS.
type GroupItem struct {
	Kind  GroupKind
	Exprs []Expr
	Items []GroupItem
}

// SetOpKind is UNION, INTERSECT or EXCEPT (also spelt MINUS).
type SetOpKind string

// The set operations.
const (
	Union     SetOpKind = "UNION"
	Intersect SetOpKind = "INTERSECT"
	Except    SetOpKind = "EXCEPT"
)

// SetOp is left op [ALL] right.
type SetOp struct {
	At          Pos // of the operator
	Op          SetOpKind
	All         bool
	Left, Right QueryBody
}

// Values is VALUES (..), (..).
type Values struct {
	At   Pos
	Rows [][]Expr
}

// OrderItem is expr [ASC|DESC] [NULLS FIRST|LAST].
type OrderItem struct {
	Expr  Expr
	Desc  bool
	Nulls NullsOrder
}

// NullsOrder places NULLs. Flink's default is first when ascending, last when descending.
type NullsOrder uint8

// The places.
const (
	NullsDefault NullsOrder = iota
	NullsFirst
	NullsLast
)

// TableRef is a *TableName, *Derived, *TableFunc, *Unnest or *Join.
type TableRef interface {
	Pos() Pos
	tableRef()
}

// Alias is [AS] name [(cols)].
type Alias struct {
	Name    Ident
	Columns []Ident
}

// AsOf is a version: FOR SYSTEM_TIME AS OF expr, or AS OF kind expr.
type AsOf struct {
	Kind  string // "SYSTEM_TIME", "EPOCH", "SNAPSHOT", "TAG", "TIMESTAMP", "WATERMARK"
	Value Expr
}

// TableName is a table, view or CTE by name.
type TableName struct {
	Name  Name
	Hints []Hint
	AsOf  *AsOf
	Alias *Alias
}

// Derived is [LATERAL] (query) alias.
type Derived struct {
	At      Pos
	Lateral bool
	Query   *Query
	Alias   *Alias
}

// TableFunc is [LATERAL] TABLE(f(..)) or f(..) in FROM. Table arguments are
// *TableArg, columns *Descriptor expressions.
type TableFunc struct {
	At      Pos
	Lateral bool
	Call    *Call
	Alias   *Alias
}

// Unnest is UNNEST(exprs) [WITH ORDINALITY].
type Unnest struct {
	At         Pos
	Exprs      []Expr
	Ordinality bool
	Alias      *Alias
}

// JoinKind is the kind of a join.
type JoinKind string

// The joins. JoinComma is FROM a, b.
const (
	JoinInner JoinKind = "INNER"
	JoinLeft  JoinKind = "LEFT"
	JoinRight JoinKind = "RIGHT"
	JoinFull  JoinKind = "FULL"
	JoinCross JoinKind = "CROSS"
	JoinComma JoinKind = ","
)

// Join is left [NATURAL] kind JOIN right [ON ..|USING ..].
type Join struct {
	At          Pos // of the join's first word
	Kind        JoinKind
	Natural     bool
	Left, Right TableRef
	On          Expr
	Using       []Ident
}

// Hint is one hint of /*+ .. */: OPTIONS('k'='v') has Options, others Args.
type Hint struct {
	Name    string // upper case
	Options []Option
	Args    []string
}

// Pos of the parts of a query.
func (q *Query) Pos() Pos     { return q.At }
func (s *Select) Pos() Pos    { return s.At }
func (s *SetOp) Pos() Pos     { return s.At }
func (v *Values) Pos() Pos    { return v.At }
func (t *TableName) Pos() Pos { return t.Name.Pos() }
func (d *Derived) Pos() Pos   { return d.At }
func (f *TableFunc) Pos() Pos { return f.At }
func (u *Unnest) Pos() Pos    { return u.At }
func (j *Join) Pos() Pos      { return j.At }

func (*Query) queryBody()    {}
func (*Select) queryBody()   {}
func (*SetOp) queryBody()    {}
func (*Values) queryBody()   {}
func (*TableName) tableRef() {}
func (*Derived) tableRef()   {}
func (*TableFunc) tableRef() {}
func (*Unnest) tableRef()    {}
func (*Join) tableRef()      {}

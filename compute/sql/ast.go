package sql

import "github.com/weir-lake/weir/table/schema"

// Pos is a place in the text. The zero Pos is unknown.
type Pos struct {
	Offset int // bytes from the start of the text
	Line   int // from 1
	Col    int // from 1, in characters
}

// Ident is one part of a name, without quotes.
type Ident struct {
	Text string
	At   Pos
}

// Name is a qualified name: [catalog.][database.]object.
type Name []Ident

// String is the name as people write it, quoted where it must be.
func (n Name) String() string { return quoteParts(n) }

// Last is the object's own name; empty for an empty name.
func (n Name) Last() string {
	if len(n) == 0 {
		return ""
	}
	return n[len(n)-1].Text
}

// Pos is the place of the first part.
func (n Name) Pos() Pos {
	if len(n) == 0 {
		return Pos{}
	}
	return n[0].At
}

// Statement is one statement of a script.
type Statement interface {
	Pos() Pos
	statement()
}

// Option is one 'key' = 'value' of WITH, SET, OPTIONS hints.
type Option struct {
	Key, Value string
	At         Pos
}

// DataType is a type as written. Types are nullable unless NOT NULL is written.
type DataType struct {
	At   Pos
	Type schema.Type
}

// CreateTable is CREATE [TEMPORARY] TABLE, with a column list, LIKE, AS query.
type CreateTable struct {
	At          Pos
	Temporary   bool
	IfNotExists bool
	Name        Name
	Columns     []ColumnDef
	Watermark   *Watermark
	PrimaryKey  []Ident // NOT ENFORCED; includes a column's own PRIMARY KEY
	Comment     string
	PartitionBy []Ident
	Distributed *Distribution
	Options     []Option
	Like        *LikeClause
	As          *Query
}

// ColumnDef is one column of a CREATE or ALTER TABLE.
type ColumnDef struct {
	Name     Ident
	Type     *DataType // nil for a computed column, and for names alone in CREATE TABLE (..) AS
	Computed Expr      // c AS expr
	Metadata bool      // METADATA [FROM 'key'] [VIRTUAL]
	MetaKey  string    // empty: the column's own name
	Virtual  bool
	Default  Expr
	Comment  string
	After    *Ident // ALTER TABLE only
	First    bool   // ALTER TABLE only
}

// Watermark is WATERMARK FOR column AS expr. Column is a path for nested fields.
type Watermark struct {
	Column Name
	Expr   Expr
}

// Distribution is DISTRIBUTED BY [HASH|RANGE] (cols) INTO n BUCKETS.
type Distribution struct {
	At      Pos
	Kind    string // "HASH", "RANGE" or empty
	Columns []Ident
	Buckets int // 0: not given
}

// LikeClause is LIKE table (INCLUDING|EXCLUDING|OVERWRITING what ..).
type LikeClause struct {
	Table   Name
	Options []LikeOption
}

// LikeOption is one line of a LikeClause, such as EXCLUDING WATERMARKS.
type LikeOption struct{ Mode, What string }

// CreateMaterializedTable is CREATE MATERIALIZED TABLE .. FRESHNESS .. AS query.
type CreateMaterializedTable struct {
	At          Pos
	IfNotExists bool
	OrAlter     bool // CREATE OR ALTER
	Name        Name
	Columns     []ColumnDef
	Watermark   *Watermark
	PrimaryKey  []Ident
	Comment     string
	PartitionBy []Ident
	Distributed *Distribution
	Options     []Option
	Freshness   *Interval // nil: the service's default
	RefreshMode string    // "FULL", "CONTINUOUS" or empty
	As          *Query
}

// CreateView is CREATE [TEMPORARY] VIEW.
type CreateView struct {
	At          Pos
	Temporary   bool
	IfNotExists bool
	Name        Name
	Columns     []Ident
	Comment     string
	As          *Query
}

// CreateDatabase is CREATE DATABASE.
type CreateDatabase struct {
	At          Pos
	IfNotExists bool
	Name        Name
	Comment     string
	Options     []Option
}

// ObjectKind says what a DROP, SHOW CREATE or DESCRIBE is about.
type ObjectKind string

// The kinds of objects.
const (
	KindTable             ObjectKind = "TABLE"
	KindView              ObjectKind = "VIEW"
	KindDatabase          ObjectKind = "DATABASE"
	KindMaterializedTable ObjectKind = "MATERIALIZED TABLE"
	KindFunction          ObjectKind = "FUNCTION"
	KindJob               ObjectKind = "JOB"
	KindCatalog           ObjectKind = "CATALOG"
)

// Drop is DROP TABLE|VIEW|DATABASE|MATERIALIZED TABLE.
type Drop struct {
	At        Pos
	Kind      ObjectKind
	Temporary bool
	IfExists  bool
	Name      Name
	Cascade   bool // DATABASE only; RESTRICT is the default
}

// AlterAction says what an AlterTable does.
type AlterAction string

// The actions. Each names the fields of AlterTable it uses.
const (
	AlterSet            AlterAction = "SET"       // Options
	AlterReset          AlterAction = "RESET"     // Keys
	AlterRenameTo       AlterAction = "RENAME TO" // NewName
	AlterRenameColumn   AlterAction = "RENAME"    // From, To
	AlterAdd            AlterAction = "ADD"       // Columns, PrimaryKey, Watermark
	AlterModify         AlterAction = "MODIFY"    // Columns, PrimaryKey, Watermark
	AlterDropColumns    AlterAction = "DROP"      // Drops
	AlterDropPrimaryKey AlterAction = "DROP PRIMARY KEY"
	AlterDropWatermark  AlterAction = "DROP WATERMARK"
	AlterAddPartition   AlterAction = "ADD PARTITION"    // Partitions
	AlterDropPartition  AlterAction = "DROP PARTITION"   // Partitions
	AlterSuspend        AlterAction = "SUSPEND"          // materialized tables
	AlterResume         AlterAction = "RESUME"           // materialized tables; Options
	AlterRefresh        AlterAction = "REFRESH"          // materialized tables; Partitions (none or one)
	AlterAs             AlterAction = "AS"               // materialized tables and views; As
	AlterFreshness      AlterAction = "SET FRESHNESS"    // materialized tables; Freshness
	AlterRefreshMode    AlterAction = "SET REFRESH_MODE" // materialized tables; RefreshMode
)

// Alter is ALTER TABLE|MATERIALIZED TABLE|VIEW|DATABASE.
type Alter struct {
	At          Pos
	Kind        ObjectKind
	IfExists    bool
	Name        Name
	Action      AlterAction
	Options     []Option
	Keys        []string
	NewName     Name
	From, To    Ident
	Columns     []ColumnDef
	PrimaryKey  []Ident
	Watermark   *Watermark
	Drops       []Ident
	Partitions  [][]PartitionValue
	As          *Query
	Freshness   *Interval
	RefreshMode string
}

// PartitionValue is one column = value of a PARTITION (..) clause. Value nil: dynamic.
type PartitionValue struct {
	Column Ident
	Value  Expr
}

// Use is USE [CATALOG] name.
type Use struct {
	At      Pos
	Catalog bool
	Name    Name
}

// Show is SHOW what, with its filters.
type Show struct {
	At      Pos
	What    string // "TABLES", "DATABASES", "VIEWS", "JOBS", "FUNCTIONS", "COLUMNS", "PARTITIONS", "CREATE TABLE", "CREATE VIEW", "CREATE MATERIALIZED TABLE", "CATALOGS", "CURRENT DATABASE", "CURRENT CATALOG", "MATERIALIZED TABLES", "PROCEDURES"
	Name    Name   // FROM|IN name, or the object of CREATE, PARTITIONS
	NotLike bool
	Like    *string
	ILike   bool
}

// Describe is DESCRIBE|DESC [kind] [EXTENDED] name.
type Describe struct {
	At       Pos
	Kind     ObjectKind // TABLE by default; JOB takes its id as name
	Extended bool
	Name     Name
}

// Explain is EXPLAIN [details] [PLAN FOR] statement.
type Explain struct {
	At        Pos
	Details   []string // "ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"
	Statement Statement
}

// Set is SET ['key' = 'value']. An empty Key lists all.
type Set struct {
	At         Pos
	Key, Value string
}

// Reset is RESET ['key']. An empty Key resets all.
type Reset struct {
	At  Pos
	Key string
}

// Insert is INSERT INTO|OVERWRITE table [PARTITION ..] [(cols)] query.
type Insert struct {
	At        Pos
	Overwrite bool
	Table     Name
	Hints     []Hint
	Partition []PartitionValue
	Columns   []Ident
	Query     *Query
}

// StatementSet is EXECUTE STATEMENT SET BEGIN inserts END.
type StatementSet struct {
	At      Pos
	Inserts []*Insert
}

// CallProcedure is CALL name(args).
type CallProcedure struct {
	At   Pos
	Name Name
	Args []Arg
}

// Delete is DELETE FROM table [WHERE ..].
type Delete struct {
	At    Pos
	Table Name
	Where Expr
}

// Update is UPDATE table SET c = e, .. [WHERE ..].
type Update struct {
	At    Pos
	Table Name
	Sets  []Assignment
	Where Expr
}

// Assignment is one column = expr of an UPDATE.
type Assignment struct {
	Column Ident
	Value  Expr
}

// Truncate is TRUNCATE TABLE name.
type Truncate struct {
	At    Pos
	Table Name
}

// StopJob is STOP JOB 'id' [WITH SAVEPOINT] [WITH DRAIN].
type StopJob struct {
	At        Pos
	ID        string
	Savepoint bool
	Drain     bool
}

// QueryStatement is a query that stands alone.
type QueryStatement struct{ Query *Query }

// Pos of each statement is its first word.
func (s *CreateTable) Pos() Pos             { return s.At }
func (s *CreateMaterializedTable) Pos() Pos { return s.At }
func (s *CreateView) Pos() Pos              { return s.At }
func (s *CreateDatabase) Pos() Pos          { return s.At }
func (s *Drop) Pos() Pos                    { return s.At }
func (s *Alter) Pos() Pos                   { return s.At }
func (s *Use) Pos() Pos                     { return s.At }
func (s *Show) Pos() Pos                    { return s.At }
func (s *Describe) Pos() Pos                { return s.At }
func (s *Explain) Pos() Pos                 { return s.At }
func (s *Set) Pos() Pos                     { return s.At }
func (s *Reset) Pos() Pos                   { return s.At }
func (s *Insert) Pos() Pos                  { return s.At }
func (s *StatementSet) Pos() Pos            { return s.At }
func (s *CallProcedure) Pos() Pos           { return s.At }
func (s *Delete) Pos() Pos                  { return s.At }
func (s *Update) Pos() Pos                  { return s.At }
func (s *Truncate) Pos() Pos                { return s.At }
func (s *StopJob) Pos() Pos                 { return s.At }
func (s *QueryStatement) Pos() Pos          { return s.Query.At }

func (*CreateTable) statement()             {}
func (*CreateMaterializedTable) statement() {}
func (*CreateView) statement()              {}
func (*CreateDatabase) statement()          {}
func (*Drop) statement()                    {}
func (*Alter) statement()                   {}
func (*Use) statement()                     {}
func (*Show) statement()                    {}
func (*Describe) statement()                {}
func (*Explain) statement()                 {}
func (*Set) statement()                     {}
func (*Reset) statement()                   {}
func (*Insert) statement()                  {}
func (*StatementSet) statement()            {}
func (*CallProcedure) statement()           {}
func (*Delete) statement()                  {}
func (*Update) statement()                  {}
func (*Truncate) statement()                {}
func (*StopJob) statement()                 {}
func (*QueryStatement) statement()          {}

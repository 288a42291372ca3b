package lineage

import (
	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/internal/layout"
)

// Directions of a question.
const (
	Up   = "up"   // what it is made from
	Down = "down" // what is made from it
	Both = "both"
)

// Ask is a question to the index. The zero value asks for everything.
type Ask struct {
	// Name is a table or a column: "table", "db.table", "table.column" or "db.table.column". Empty: all tables.
	Name string
	// Column of the table that Name then is.
	Column    string
	Direction string // Up, Down or Both; empty: Both
	Depth     int    // steps; 0: all
	// Snapshot of the table to explain with the versions that it was made from and went into. 0: how tables are made now.
	Snapshot int64
}

// Graph is an answer: tables, how they are made from each other, and where to draw them.
type Graph struct {
	Table     string       `json:"table,omitempty" doc:"what was asked for"`
	Column    string       `json:"column,omitempty"`
	Snapshot  int64        `json:"snapshot,omitempty"`
	Direction string       `json:"direction"`
	Tables    []string     `json:"tables" nullable:"false" doc:"names of the nodes, sorted"`
	Nodes     []TableNode  `json:"nodes" nullable:"false"`
	Edges     []TableEdge  `json:"edges" nullable:"false"`
	Columns   []ColumnEdge `json:"columns" nullable:"false" doc:"edges between columns; only where a column was asked for"`
	Width     float64      `json:"width" doc:"of the drawing"`
	Height    float64      `json:"height"`
	// Truncated: there is more than nodesMax tables; those farthest away are left out.
	Truncated bool `json:"truncated,omitempty" doc:"tables farthest away are left out"`
}

// TableNode is a table in a Graph.
type TableNode struct {
	ID        string   `json:"id" doc:"database.table"`
	Kind      string   `json:"kind" doc:"table, source (behind a connector) or missing"`
	Connector string   `json:"connector,omitempty"`
	Writers   []Writer `json:"writers,omitempty" doc:"who wrote its retained snapshots"`
	Columns   []string `json:"columns,omitempty" doc:"those on the way, where a column was asked for"`
	Snapshot  int64    `json:"snapshot,omitempty" doc:"the newest, or the one that was read"`
	Committed int64    `json:"committed_ms,omitempty" doc:"when it was committed, Unix milliseconds"`
	Distance  int      `json:"distance" doc:"steps from what was asked for; up is negative"`
	Layer     int      `json:"layer"`
	X         float64  `json:"x"`
	Y         float64  `json:"y"`
}

// TableEdge says that one table is made from another.
type TableEdge struct {
	From string     `json:"from"` // database.table
	To   string     `json:"to"`
	Job  string     `json:"job" doc:"name of the job, or of who else made it"`
	Kind WriterKind `json:"kind"`
	// State of the job; empty for other writers.
	State string `json:"state,omitempty"`
	// Snapshot of To is the writer's newest, made from Version of From.
	Snapshot  int64          `json:"snapshot,omitempty"`
	Version   string         `json:"version,omitempty" doc:"snapshot id, or positions of a connector by split"`
	VersionOf int64          `json:"from_version,omitempty" doc:"of a snapshot that was asked for: it took what came after this one"`
	Delay     *HopDelay      `json:"delay,omitempty"`
	Bends     []layout.Point `json:"bends,omitempty" doc:"points that its line passes"`
}

// HopDelay is how long after a snapshot of the input the snapshot made from it was committed, over the newest retained
// ones, in milliseconds.
type HopDelay struct {
	Last int64 `json:"last_ms"`
	P50  int64 `json:"p50_ms"`
	P99  int64 `json:"p99_ms"`
	N    int   `json:"snapshots"`
}

// ColumnRef names a column of a table.
type ColumnRef struct {
	Table string `json:"table"` // database.table
	Name  string `json:"column"`
}

// ColumnEdge says that one column is made from another, or that another decides about its rows.
type ColumnEdge struct {
	From ColumnRef `json:"from"`
	To   ColumnRef `json:"to"`
	// Kind is identity, transformation or aggregation where From makes the value; filter, join, group, order, partition
	// or distinct where it decides which rows there are.
	Kind   plan.Kind `json:"kind" doc:"identity, transformation, aggregation; or filter, join, group, order, partition, distinct"`
	Direct bool      `json:"direct" doc:"it makes the value"`
	Job    string    `json:"job"`
}

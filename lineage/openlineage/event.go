package openlineage

import "time"

// SchemaURL names the version of the event that this package writes.
const SchemaURL = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"

// producer is who made an event or a facet.
const producer = "https://github.com/weir-lake/weir"

// EventType is what happened to a run.
type EventType string

// The types of events that weir sends.
const (
	Start    EventType = "START"
	Running  EventType = "RUNNING"
	Complete EventType = "COMPLETE"
	Fail     EventType = "FAIL"
)

// Event is a RunEvent.
type Event struct {
	EventType EventType `json:"eventType"`
	EventTime time.Time `json:"eventTime"`
	Producer  string    `json:"producer"`
	SchemaURL string    `json:"schemaURL"`
	Run       Run       `json:"run"`
	Job       Job       `json:"job"`
	Inputs    []Input   `json:"inputs"`
	Outputs   []Output  `json:"outputs"`
}

// Run is one run of a job.
type Run struct {
	RunID  string    `json:"runId"` // UUID
	Facets RunFacets `json:"facets"`
}

// Job names a job.
type Job struct {
	Namespace string    `json:"namespace"`
	Name      string    `json:"name"`
	Facets    JobFacets `json:"facets"`
}

// Input is a table that was read.
type Input struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Facets    DatasetFacets `json:"facets"`
}

// Output is a table that was written.
type Output struct {
	Namespace string        `json:"namespace"`
	Name      string        `json:"name"`
	Facets    DatasetFacets `json:"facets"`
}

// Facet is what every facet begins with.
type Facet struct {
	Producer  string `json:"_producer"`
	SchemaURL string `json:"_schemaURL"`
}

// facet begins the facet of that name, as its version of the specification defines it.
func facet(version, name string) Facet {
	return Facet{producer, "https://openlineage.io/spec/facets/" + version + "/" + name + ".json#/$defs/" + name}
}

// RunFacets describe a run.
type RunFacets struct {
	ProcessingEngine *ProcessingEngine `json:"processing_engine,omitempty"`
	ErrorMessage     *ErrorMessage     `json:"errorMessage,omitempty"`
}

// ProcessingEngine says which weir it was.
type ProcessingEngine struct {
	Facet
	Version string `json:"version"`
	Name    string `json:"name"`
}

// ErrorMessage is why a run failed.
type ErrorMessage struct {
	Facet
	Message             string `json:"message"`
	ProgrammingLanguage string `json:"programmingLanguage"`
}

// JobFacets describe a job.
type JobFacets struct {
	JobType *JobType `json:"jobType,omitempty"`
	SQL     *SQL     `json:"sql,omitempty"`
}

// JobType says whether a job ends.
type JobType struct {
	Facet
	ProcessingType string `json:"processingType"` // STREAMING or BATCH
	Integration    string `json:"integration"`
	JobType        string `json:"jobType"`
}

// SQL is the statement.
type SQL struct {
	Facet
	Query   string `json:"query"`
	Dialect string `json:"dialect"`
}

// DatasetFacets describe a table.
type DatasetFacets struct {
	Schema        *Schema        `json:"schema,omitempty"`
	Version       *Version       `json:"version,omitempty"`
	Symlinks      *Symlinks      `json:"symlinks,omitempty"`
	ColumnLineage *ColumnLineage `json:"columnLineage,omitempty"`
}

// Schema is the columns of a table.
type Schema struct {
	Facet
	Fields []Field `json:"fields"`
}

// Field is a column.
type Field struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
}

// Version is the version that was read or written: the id of a snapshot, or the positions of a connector.
type Version struct {
	Facet
	DatasetVersion string `json:"datasetVersion"`
}

// Symlinks are other names of a table.
type Symlinks struct {
	Facet
	Identifiers []Identifier `json:"identifiers"`
}

// Identifier is another name.
type Identifier struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Type      string `json:"type"`
}

// ColumnLineage says of each column of an output which columns it comes from, and of all which decide about its rows.
type ColumnLineage struct {
	Facet
	Fields  map[string]ColumnInputs `json:"fields"`
	Dataset []InputField            `json:"dataset,omitempty"`
}

// ColumnInputs are the columns that one comes from.
type ColumnInputs struct {
	InputFields []InputField `json:"inputFields"`
}

// InputField is a column of an input, with how it matters.
type InputField struct {
	Namespace       string           `json:"namespace"`
	Name            string           `json:"name"`
	Field           string           `json:"field"`
	Transformations []Transformation `json:"transformations,omitempty"`
}

// Transformation is one way in which a column matters.
type Transformation struct {
	Type    string `json:"type"` // DIRECT or INDIRECT
	Subtype string `json:"subtype"`
}

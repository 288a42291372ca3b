package lineage

import (
	"github.com/weir-lake/weir/compute/job"
)

// WriterKind says what kind of writer made a snapshot.
type WriterKind string

// The kinds of writers.
const (
	WriterJob      WriterKind = "job"      // a statement that keeps going
	WriterBatch    WriterKind = "batch"    // an INSERT that ended
	WriterPush     WriterKind = "push"     // rows sent over HTTP
	WriterBackfill WriterKind = "backfill" // a slice of a scheduled backfill
	WriterRevision WriterKind = "revision" // a planned repair
	WriterUpkeep   WriterKind = "upkeep"   // compactions and statistics, which change no row
	WriterService  WriterKind = "service"  // the service's books in database sys
	WriterReplay   WriterKind = "replay"   // a source that plays the rows of a query
	WriterForeign  WriterKind = "foreign"  // another engine, or weir without a service
)

// Properties of snapshots that a revision and a backfill write beside those of every commit.
const (
	propRevision = "weir.revision"
	propBackfill = "weir.backfill"
)

// Writer is who made a snapshot.
type Writer struct {
	Kind WriterKind `json:"kind" doc:"job, batch, push, backfill, revision, upkeep, service, replay or foreign"`
	// Name is the job's name, the user of a batch statement, or the engine.
	Name string `json:"name,omitempty"`
	ID   string `json:"id,omitempty" doc:"of a job or revision, or the commit user"`
}

// String is the writer in one word: foreign ones by engine, or by commit user where nothing says which it is.
func (w Writer) String() string {
	switch {
	case w.Kind == WriterForeign && w.Name != "":
		return w.Name
	case w.Kind == WriterForeign:
		return string(w.Kind) + ":" + w.ID
	case w.Name != "":
		return w.Name
	}
	return string(w.Kind)
}

// writers knows the jobs by id, to name who made a snapshot.
type writers map[string]job.Status

func writersOf(jobs []job.Status) writers {
	out := writers{}
	for _, j := range jobs {
		out[j.ID] = j
	}
	return out
}

// of names who made a snapshot. Properties are believed only from the job's own commit user: rollbacks and repairs by
// other tools copy them.
func (ws writers) of(f *fact) Writer {
	if !f.moves() {
		return Writer{Kind: WriterUpkeep, ID: f.user}
	}
	j, known := ws[f.Job]
	switch {
	case f.own:
		return Writer{Kind: WriterService, ID: f.user}
	case f.Epoch == 0, known && j.CommitUser != f.user:
		return Writer{Kind: WriterForeign, Name: f.engine, ID: f.user}
	case known:
		return Writer{Kind: WriterJob, Name: j.Name, ID: j.ID}
	case f.Job != "":
		return Writer{Kind: WriterJob, Name: f.Job, ID: f.Job} // dropped since
	case f.Pushed:
		return Writer{Kind: WriterPush, Name: f.User, ID: f.user}
	case f.properties[propRevision] != "":
		return Writer{Kind: WriterRevision, Name: f.User, ID: f.properties[propRevision]}
	case f.properties[propBackfill] != "":
		return Writer{Kind: WriterBackfill, Name: f.properties[propBackfill], ID: f.user}
	}
	return Writer{Kind: WriterBatch, Name: f.User, ID: f.user}
}

// inputsOf are what a fact says it was made from, unless its writer is not to be believed.
func (ws writers) inputsOf(f *fact) []input {
	if k := ws.of(f).Kind; k == WriterForeign || k == WriterUpkeep {
		return nil
	}
	out := make([]input, 0, len(f.Inputs))
	for _, in := range f.Inputs {
		out = append(out, inputOf(in))
	}
	return out
}

package openlineage

import (
	"cmp"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/lineage"
)

// builder makes events of runs.
type builder struct {
	namespace string // of jobs
	warehouse string // absolute folder, or s3://bucket/prefix
	version   string
}

// event tells of a run. why is the error of a failed one.
func (b *builder) event(r *lineage.Run, id string, what EventType, at time.Time, why string) Event {
	e := Event{EventType: what, EventTime: at.UTC(), Producer: producer, SchemaURL: SchemaURL, Run: Run{RunID: id}, Job: b.job(r),
		Inputs: []Input{}, Outputs: []Output{}}
	e.Run.Facets.ProcessingEngine = &ProcessingEngine{facet("1-1-1", "ProcessingEngineRunFacet"), b.version, "weir"}
	if what == Fail {
		e.Run.Facets.ErrorMessage = &ErrorMessage{facet("1-0-1", "ErrorMessageRunFacet"), why, "SQL"}
	}
	for _, in := range r.Inputs {
		ns, name := b.name(in)
		e.Inputs = append(e.Inputs, Input{ns, name, b.dataset(in)})
	}
	ns, name := b.name(r.Output)
	out := Output{ns, name, b.dataset(r.Output)}
	out.Facets.ColumnLineage = b.columns(r)
	e.Outputs = append(e.Outputs, out)
	return e
}

func (b *builder) job(r *lineage.Run) Job {
	j := Job{Namespace: b.namespace, Name: r.Output.Table + " by " + r.Writer.String()}
	kind := "BATCH"
	if r.Job != nil {
		j.Name, kind = r.Job.Name, "STREAMING"
	}
	j.Facets.JobType = &JobType{facet("2-0-4", "JobTypeJobFacet"), kind, "WEIR", "QUERY"}
	if r.SQL != "" {
		j.Facets.SQL = &SQL{facet("1-1-0", "SQLJobFacet"), r.SQL, "flink"}
	}
	return j
}

// name is where the data lies, as the naming conventions of OpenLineage have it, so that what other engines tell of the
// same table meets here.
func (b *builder) name(d lineage.Dataset) (namespace, name string) {
	switch {
	case d.Path != "":
		return b.place(d.Path)
	case d.Options["connector"] == "kafka" && d.Options["topic"] != "":
		server, _, _ := strings.Cut(d.Options["properties.bootstrap.servers"], ",")
		return "kafka://" + server, d.Options["topic"]
	case d.Options["connector"] == "filesystem" && d.Options["path"] != "":
		return "file", d.Options["path"]
	}
	return b.namespace, d.Table
}

// place is a path of the warehouse as a dataset.
func (b *builder) place(below string) (namespace, name string) {
	scheme, rest, remote := strings.Cut(b.warehouse, "://")
	if !remote || scheme == "file" {
		if remote {
			return "file", path.Join(rest, below)
		}
		return "file", path.Join(b.warehouse, below)
	}
	bucket, prefix, _ := strings.Cut(rest, "/")
	return scheme + "://" + bucket, path.Join(prefix, below)
}

func (b *builder) dataset(d lineage.Dataset) DatasetFacets {
	var f DatasetFacets
	if len(d.Columns) > 0 {
		f.Schema = &Schema{Facet: facet("1-2-0", "SchemaDatasetFacet"), Fields: []Field{}}
		for _, c := range d.Columns {
			f.Schema.Fields = append(f.Schema.Fields, Field{c.Name, c.Type.String(), c.Description})
		}
	}
	if d.Version != "" {
		f.Version = &Version{facet("1-0-1", "DatasetVersionDatasetFacet"), d.Version}
	}
	if ns, name := b.name(d); name != d.Table || ns != b.namespace {
		f.Symlinks = &Symlinks{facet("1-0-1", "SymlinksDatasetFacet"), []Identifier{{b.namespace, d.Table, "TABLE"}}}
	}
	return f
}

// subtypes are the kinds of edges in the words of OpenLineage.
var subtypes = map[plan.Kind]string{
	plan.Identity: "IDENTITY", plan.Transformation: "TRANSFORMATION", plan.Aggregation: "AGGREGATION",
	plan.FilterBy: "FILTER", plan.JoinBy: "JOIN", plan.GroupBy: "GROUP_BY", plan.OrderBy: "SORT", plan.PartitionBy: "WINDOW",
	plan.DistinctBy: "GROUP_BY", // what a GROUP BY over all columns does
}

// columns is the lineage of the output's columns: what decides about the rows of all of them stands once.
func (b *builder) columns(r *lineage.Run) *ColumnLineage {
	if len(r.Columns) == 0 {
		return nil
	}
	out := &ColumnLineage{Facet: facet("1-2-0", "ColumnLineageDatasetFacet"), Fields: map[string]ColumnInputs{}}
	type cause struct {
		from lineage.ColumnRef
		kind plan.Kind
	}
	targets, counts := map[string][]cause{}, map[cause]int{}
	for _, e := range r.Columns {
		c := cause{e.From, e.Kind}
		targets[e.To.Name] = append(targets[e.To.Name], c)
		counts[c]++
	}
	whole := func(c cause) bool { return !c.kind.Direct() && counts[c] == len(targets) }
	add := func(list []InputField, c cause) []InputField {
		ns, name := b.tableName(r, c.from.Table)
		t := Transformation{"INDIRECT", subtypes[c.kind]}
		if c.kind.Direct() {
			t.Type = "DIRECT"
		}
		for i := range list {
			if f := &list[i]; f.Namespace == ns && f.Name == name && f.Field == c.from.Name {
				f.Transformations = append(f.Transformations, t)
				return list
			}
		}
		return append(list, InputField{ns, name, c.from.Name, []Transformation{t}})
	}
	for name, causes := range targets {
		in := ColumnInputs{InputFields: []InputField{}}
		for _, c := range causes {
			if !whole(c) {
				in.InputFields = add(in.InputFields, c)
			}
		}
		out.Fields[name] = in
	}
	for c := range counts {
		if whole(c) {
			out.Dataset = add(out.Dataset, c)
		}
	}
	slices.SortFunc(out.Dataset, func(a, b InputField) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Field, b.Field)) })
	return out
}

// tableName is the dataset of one of a run's tables.
func (b *builder) tableName(r *lineage.Run, table string) (namespace, name string) {
	for _, in := range r.Inputs {
		if in.Table == table {
			return b.name(in)
		}
	}
	return b.namespace, table
}

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weir-lake/weir/compute/epoch"
	"github.com/weir-lake/weir/compute/session"
	"github.com/weir-lake/weir/compute/sql"
	"github.com/weir-lake/weir/examples/flights"
	"github.com/weir-lake/weir/table/catalog"
	"github.com/weir-lake/weir/table/schema"
)

// demo is the flights example on an engine: a replay of a year and the tables kept from it.
type demo struct {
	engine *engine
	data   string // where the Parquet files are unpacked
	speed  string // event seconds a second, or max
	until  string // timestamp at which the replay ends; empty: the year's end
}

// replayTable is the source whose pace the quickstart sets.
var replayTable = catalog.Identifier{Database: catalog.DefaultDatabase, Table: "flight_replay"}

// replayJob is the job that lands its events.
const replayJob = "flight_events"

// setPace writes speed and end into the replay's options, before its job opens it. It does nothing on a warehouse
// that has no replay yet.
func (d *demo) setPace(ctx context.Context) error {
	cat := d.engine.svc.Catalog
	if _, err := cat.Table(ctx, replayTable); err != nil {
		return nil // run creates it
	}
	changes := []schema.Change{schema.SetOption{Name: "replay.speed", Value: d.speed}}
	if d.until != "" {
		changes = append(changes, schema.SetOption{Name: "replay.until", Value: d.until})
	} else {
		changes = append(changes, schema.ResetOption{Name: "replay.until"})
	}
	_, err := cat.AlterTable(ctx, replayTable, changes...)
	return err
}

// run unpacks the data and runs the scripts. What is there from an earlier start stays; a replay that had reached its
// end goes on if there is more now.
func (d *demo) run(ctx context.Context, say func(format string, args ...any)) error {
	if err := d.unpack(); err != nil {
		return err
	}
	jobs := map[string]bool{}
	for _, j := range d.engine.jobs.List() {
		jobs[j.Name] = true
		if j.Name == replayJob && j.Desired == epoch.Stopped {
			if _, err := d.engine.jobs.Restart(ctx, j.ID); err != nil {
				return err
			}
		}
	}
	if jobs[replayJob] && jobs["flights"] && jobs["default.network_now"] {
		return d.summarize(ctx, say)
	}
	for _, name := range flights.Scripts() {
		say("running %s", name)
		text, err := fs.ReadFile(flights.Files, name)
		if err != nil {
			return err
		}
		if err := d.script(ctx, d.adapt(string(text)), jobs); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return d.summarize(ctx, say)
}

// summarize creates the backfill of the demo, in a process that runs backfills and does not have it yet.
func (d *demo) summarize(ctx context.Context, say func(format string, args ...any)) error {
	if !d.engine.back.Started() {
		return nil
	}
	if _, err := d.engine.back.Show(flights.Backfill); err == nil {
		return nil
	}
	say("running %s", flights.Summary)
	text, err := fs.ReadFile(flights.Files, flights.Summary)
	if err != nil {
		return err
	}
	if err := d.script(ctx, string(text), nil); err != nil {
		return fmt.Errorf("%s: %w", flights.Summary, err)
	}
	return nil
}

// adapt puts the place of the data and the pace into a script's text.
func (d *demo) adapt(text string) string {
	text = strings.ReplaceAll(text, flights.DataDir, filepath.ToSlash(filepath.Join(d.data, "flights")))
	pace := fmt.Sprintf("'replay.speed' = '%s'", d.speed)
	if d.until != "" {
		pace += fmt.Sprintf(",\n  'replay.until' = '%s'", d.until)
	}
	return strings.ReplaceAll(text, "'replay.speed' = '3600'", pace)
}

// script runs the statements, but those that start a job which is there.
func (d *demo) script(ctx context.Context, text string, jobs map[string]bool) error {
	s := session.New(d.engine.svc, session.Options{User: "quickstart"})
	parts, err := sql.Split(text)
	if err != nil {
		return err
	}
	name := ""
	for _, p := range parts {
		st, err := p.Parse()
		if err != nil {
			return err
		}
		if set, ok := st.(*sql.Set); ok && set.Key == session.VarPipelineName {
			name = set.Value
		}
		if _, ok := st.(*sql.Insert); ok && name != "" && jobs[name] {
			continue
		}
		if _, ok := st.(*sql.Insert); ok && name != "" {
			// Both of the demo's INSERTs with a name keep going, whatever they read.
			if _, err := s.Execute(ctx, text, &sql.Set{Key: session.VarRuntimeMode, Value: "streaming"}, session.Params{}); err != nil {
				return err
			}
		}
		if _, err := s.Execute(ctx, text, st, session.Params{}); err != nil {
			return err
		}
	}
	return nil
}

// unpackedAt is the files' time of change: one unpacked again must not count as another.
var unpackedAt = time.Date(2014, 1, 1, 0, 0, 0, 0, time.UTC)

// unpack writes the example's Parquet files where the scripts look for them.
func (d *demo) unpack() error {
	dir := filepath.Join(d.data, "flights")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpack the flights: %w", err)
	}
	files, err := fs.Glob(flights.Files, "data/*.parquet")
	if err != nil {
		return err
	}
	for _, f := range files {
		to := filepath.Join(dir, filepath.Base(f))
		if _, err := os.Stat(to); err == nil {
			continue // unpacked before
		}
		data, err := fs.ReadFile(flights.Files, f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+".tmp", data, 0o644); err != nil {
			return fmt.Errorf("unpack the flights: %w", err)
		}
		if err := os.Chtimes(to+".tmp", unpackedAt, unpackedAt); err != nil {
			return fmt.Errorf("unpack the flights: %w", err)
		}
		if err := os.Rename(to+".tmp", to); err != nil {
			return fmt.Errorf("unpack the flights: %w", err)
		}
	}
	return nil
}

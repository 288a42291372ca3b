package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/web/api"
)

// cutCmd are the commands about cuts.
type cutCmd struct {
	Show   cutShow   `cmd:"" help:"Show the newest versions of tables that belong together, or those of a cut with a name."`
	Tag    cutTag    `cmd:"" help:"Tag one version of each table, all at one epoch."`
	List   cutList   `cmd:"" help:"List the cuts with a name."`
	Delete cutDelete `cmd:"" help:"Delete a cut and its tags."`
}

type cutShow struct {
	serverFlags
	Tables []string `arg:"" optional:"" help:"Tables as db.table. Default: all."`
	Tag    string   `placeholder:"NAME" help:"Show the cut of this name."`
}

// Validate implements kong's check of a command line.
func (c *cutShow) Validate() error {
	if c.Tag != "" && len(c.Tables) > 0 {
		return errkind.New(errkind.Invalid, "name tables, or a cut with --tag: a cut has its own tables")
	}
	return nil
}

// Run implements the command.
func (c *cutShow) Run(env *tablecmd.Env) error {
	if c.Tag != "" {
		var cut api.NamedCut
		return inquire(env, c.serverFlags, request{path: "/v1/cuts/" + url.PathEscape(c.Tag), out: &cut}, func(w io.Writer) error {
			printCut(w, cut)
			return nil
		})
	}
	var cut api.CutInfo
	path := "/v1/cut?tables=" + url.QueryEscape(strings.Join(c.Tables, ","))
	return inquire(env, c.serverFlags, request{path: path, out: &cut}, func(w io.Writer) error {
		fmt.Fprintf(w, "epoch %d, %d ms old", cut.Epoch, cut.AgeMillis)
		if cut.HeldBy != "" {
			fmt.Fprintf(w, ", held by job %s", cut.HeldBy)
		}
		fmt.Fprintln(w)
		printVersions(w, cut.Tables)
		return nil
	})
}

func printCut(w io.Writer, c api.NamedCut) {
	fmt.Fprintf(w, "cut %s: epoch %d of %s, made %s", c.Name, c.Epoch, c.Clock.UTC().Format("2006-01-02 15:04:05Z"), c.Created.UTC().Format("2006-01-02 15:04:05Z"))
	if c.By != "" {
		fmt.Fprintf(w, " by %s", c.By)
	}
	fmt.Fprintln(w)
	printVersions(w, c.Tables)
	for _, t := range slices.Sorted(maps.Keys(c.LeftOut)) {
		fmt.Fprintf(w, "left out %s: %s\n", t, c.LeftOut[t])
	}
}

func printVersions(w io.Writer, tables map[string]int64) {
	rows := [][]string{{"table", "snapshot"}}
	for _, t := range slices.Sorted(maps.Keys(tables)) {
		rows = append(rows, []string{t, strconv.FormatInt(tables[t], 10)})
	}
	writeTable(w, rows)
}

type cutTag struct {
	serverFlags
	Name   string   `arg:"" help:"Name of the cut and of its tags."`
	Tables []string `placeholder:"DB.TABLE" help:"Tables, separated by commas. Default: all."`
	Epoch  int64    `placeholder:"N" help:"Epoch of all tables. Default: the newest that is complete for all of them."`
	Retain string   `placeholder:"TIME" help:"How long the tags are kept, like '30 d'. Default: until the cut is deleted."`
}

// Run implements the command.
func (c *cutTag) Run(env *tablecmd.Env) error {
	var cut api.NamedCut
	in := api.NewCut{Name: c.Name, Tables: c.Tables, Epoch: c.Epoch, Retain: c.Retain}
	return inquire(env, c.serverFlags, request{method: http.MethodPost, path: "/v1/cuts", in: in, out: &cut}, func(w io.Writer) error {
		printCut(w, cut)
		return nil
	})
}

type cutList struct{ serverFlags }

// Run implements the command.
func (c *cutList) Run(env *tablecmd.Env) error {
	var cuts listOf[api.NamedCut]
	return inquire(env, c.serverFlags, request{path: "/v1/cuts", out: &cuts}, func(w io.Writer) error {
		rows := [][]string{{"name", "epoch", "of", "tables", "made", "by"}}
		for _, c := range cuts.Items {
			by := c.By
			if c.Automatic {
				by = "the clock"
			}
			rows = append(rows, []string{c.Name, strconv.FormatInt(c.Epoch, 10), c.Clock.UTC().Format("2006-01-02 15:04:05Z"), strconv.Itoa(c.TableCount), c.Created.UTC().Format("2006-01-02 15:04:05Z"), by})
		}
		writeTable(w, rows)
		return nil
	})
}

type cutDelete struct {
	serverFlags
	Name string `arg:"" help:"Name of the cut."`
}

// Run implements the command.
func (c *cutDelete) Run(env *tablecmd.Env) error {
	return inquire(env, c.serverFlags, request{method: http.MethodDelete, path: "/v1/cuts/" + url.PathEscape(c.Name)}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "cut %s deleted\n", c.Name)
		return err
	})
}

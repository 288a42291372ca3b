package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"github.com/alecthomas/kong"

	"github.com/weir-lake/weir/cmd/weir/tablecmd"
)

// configCmd are the commands about settings.
type configCmd struct {
	Show configShow `cmd:"" help:"Print the settings of \"weir serve\" with where each comes from."`
}

// configShow takes the flags of serve, so that it shows what they would do.
type configShow struct{ serveFlags }

// setting is one setting and its origin.
type setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	From  string `json:"from"` // flag, environment variable or default
}

// Run implements the command. Values that may hold a secret are not shown.
func (c *configShow) Run(env *tablecmd.Env, line *kong.Context) error {
	var out []setting
	for _, f := range line.Selected().Flags {
		s := setting{Name: f.Name, Value: fmt.Sprint(f.Target.Interface()), From: "default"}
		for _, name := range f.Envs {
			if _, ok := os.LookupEnv(name); ok {
				s.From = name
			}
		}
		for _, p := range line.Path {
			if p.Flag == f {
				s.From = "--" + f.Name
			}
		}
		if (f.Name == "meta" || f.Name == "openlineage-key") && s.Value != "" {
			s.Value = "(set)" // a DSN may hold a password
		}
		if u, err := url.Parse(s.Value); err == nil && u.User != nil {
			s.Value = u.Redacted()
		}
		out = append(out, s)
	}
	if env.JSON {
		return json.NewEncoder(env.Stdout).Encode(out)
	}
	rows := [][]string{{"setting", "value", "from"}}
	for _, s := range out {
		rows = append(rows, []string{s.Name, s.Value, s.From})
	}
	writeTable(env.Stdout, rows)
	return nil
}

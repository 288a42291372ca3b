package inspect

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weir-lake/weir/table/schema"
)

// Changes tells in lines what a version of a schema changed of the one before it.
func Changes(old, now *schema.Schema) []string {
	out := []string{}
	had := map[int]schema.Field{}
	for _, f := range old.Fields {
		had[f.ID] = f
	}
	has := map[int]bool{}
	for _, f := range now.Fields {
		has[f.ID] = true
		was, ok := had[f.ID]
		if !ok {
			out = append(out, fmt.Sprintf("column %s %s added", f.Name, f.Type))
			continue
		}
		if was.Name != f.Name {
			out = append(out, fmt.Sprintf("column %s renamed to %s", was.Name, f.Name))
		}
		if !was.Type.Equal(f.Type) {
			out = append(out, fmt.Sprintf("column %s: type %s became %s", f.Name, was.Type, f.Type))
		}
		if was.Description != f.Description {
			out = append(out, fmt.Sprintf("column %s: comment changed", f.Name))
		}
	}
	for _, f := range old.Fields {
		if !has[f.ID] {
			out = append(out, fmt.Sprintf("column %s dropped", f.Name))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(now.Options)) {
		switch was, ok := old.Options[k]; {
		case !ok:
			out = append(out, fmt.Sprintf("option %s set to %s", k, now.Options[k]))
		case was != now.Options[k]:
			out = append(out, fmt.Sprintf("option %s changed from %s to %s", k, was, now.Options[k]))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(old.Options)) {
		if _, ok := now.Options[k]; !ok {
			out = append(out, fmt.Sprintf("option %s reset", k))
		}
	}
	if old.Comment != now.Comment {
		out = append(out, "comment changed")
	}
	return out
}

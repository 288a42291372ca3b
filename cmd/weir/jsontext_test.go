package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/weir-lake/weir/compute/plan"
	"github.com/weir-lake/weir/table/schema"
)

// jsonText writes a JSON row as "column=value ..", the form of the reference's rows.
func jsonText(t *testing.T, line string, cols []plan.Column) string {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader([]byte(line)))
	dec.UseNumber()
	var row map[string]any
	if err := dec.Decode(&row); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	parts := make([]string, len(cols))
	for i, c := range cols {
		v := row[c.Name]
		if n, ok := v.(json.Number); ok {
			v = n.String()
			if c.Type.Kind == schema.Double {
				f, err := n.Float64()
				if err != nil {
					t.Fatal(err)
				}
				v = f
			}
		}
		parts[i] = c.Name + "=" + plainText(v)
	}
	return strings.Join(parts, " ")
}

package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/weir-lake/weir/web/api"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// The checked-in contract is what the handlers say.
func TestContract(t *testing.T) {
	got, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.json is not what the handlers say; run go test ./web/api -run TestContract -update and look at the difference")
	}
}

func TestContractIsComplete(t *testing.T) {
	data, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string                     `json:"operationId"`
			Summary     string                     `json:"summary"`
			Responses   map[string]json.RawMessage `json:"responses"`
		} `json:"paths"`
		Security []map[string][]string `json:"security"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI[:3] != "3.1" || len(doc.Security) != 1 {
		t.Errorf("OpenAPI %s, security %v", doc.OpenAPI, doc.Security)
	}
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s %s: operation %q has no name of its own, or no summary", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
			if !bytes.Contains(op.Responses["default"], []byte("schemas/Problem")) {
				t.Errorf("%s %s: errors are not problems", method, path)
			}
		}
	}
	if len(ids) < 24 {
		t.Errorf("%d operations", len(ids))
	}
}

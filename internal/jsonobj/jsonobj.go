package jsonobj

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// Unmarshal decodes the known fields of a JSON object into v, a pointer to a
// struct with json tags, and returns the fields v has no place for.
func Unmarshal(data []byte, v any) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&all); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("bytes after the JSON object at offset %d", dec.InputOffset())
	}
	if all == nil {
		return nil, errors.New("null where an object is expected")
	}
	if err := json.Unmarshal(data, v); err != nil {
		return nil, err
	}
	for _, name := range names(v) {
		delete(all, name)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// Marshal writes v's fields in their order, then extra in name order, indented
// as Paimon's Java writer does. A name in both is v's.
func Marshal(v any, extra map[string]json.RawMessage) ([]byte, error) {
	known, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Write(bytes.TrimSuffix(known, []byte("}")))
	taken := names(v)
	keys := make([]string, 0, len(extra))
	for k := range extra {
		if !slices.Contains(taken, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		name, err := json.Marshal(k)
		if err != nil {
			return nil, err
		}
		out.Write(name)
		out.WriteByte(':')
		out.Write(extra[k])
	}
	out.WriteByte('}')
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, out.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	return pretty.Bytes(), nil
}

// names lists the JSON names of v's fields.
func names(v any) []string {
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	out := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			out = append(out, name)
		}
	}
	return out
}

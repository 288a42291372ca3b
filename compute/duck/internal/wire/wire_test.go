package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/weir-lake/weir/compute/expr"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/schema"
)

func TestFramesRoundTrip(t *testing.T) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	long := bytes.Repeat([]byte("0123456789"), 3*PieceSize/10)
	sent := []Frame{
		{Setup, 0, []byte("{}")}, {Data, 7, nil}, {Data, math.MaxUint32, long}, {Failed, 1, []byte{0}},
	}
	for _, f := range sent {
		if err := w.Write(f.Kind, f.Stream, f.Payload); err != nil {
			t.Fatal(err)
		}
	}
	r := NewReader(&buf)
	for i, want := range sent {
		got, err := r.Next()
		if err != nil || got.Kind != want.Kind || got.Stream != want.Stream || !bytes.Equal(got.Payload, want.Payload) {
			t.Fatalf("frame %d: got kind %d, stream %d, %d bytes, %v", i, got.Kind, got.Stream, len(got.Payload), err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	head := func(n uint32, rest ...byte) []byte { return append(binary.BigEndian.AppendUint32(nil, n), rest...) }
	for name, c := range map[string]struct {
		bytes []byte
		want  string
	}{
		"too long":     {head(MaxFrame+1, 1), "outside"},
		"too short":    {head(4, 1, 0, 0, 0), "outside"},
		"unknown kind": {head(5, 99, 0, 0, 0, 0), "unknown kind 99"},
		"kind 0":       {head(5, 0, 0, 0, 0, 0), "unknown kind 0"},
		"cut header":   {head(5, 1, 0), "unexpected EOF"},
		"cut payload":  {head(50, 1, 0, 0, 0, 0, 'x'), "unexpected EOF"},
		"cut length":   {[]byte{0, 0}, "unexpected EOF"},
		// A false length must not cost its memory before the bytes arrive.
		"false length": {head(MaxFrame, 3, 0, 0, 0, 0, 'x'), "unexpected EOF"},
	} {
		_, err := NewReader(bytes.NewReader(c.bytes)).Next()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestWriterRefusesLongFrames(t *testing.T) {
	var buf bytes.Buffer
	err := NewWriter(&buf).Write(Request, 0, make([]byte, MaxFrame))
	if !errkind.Is(err, errkind.Exhausted) || buf.Len() > 0 {
		t.Errorf("got %v after %d bytes", err, buf.Len())
	}
}

// Frames written at once from several goroutines do not mix.
func TestWriterIsSafe(t *testing.T) {
	pr, pw := io.Pipe()
	w := NewWriter(pw)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				if err := w.Write(Data, uint32(i), bytes.Repeat([]byte{byte(i)}, 100+i)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() { wg.Wait(); _ = pw.Close() }()
	r := NewReader(pr)
	n := 0
	for {
		f, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := bytes.Repeat([]byte{byte(f.Stream)}, 100+int(f.Stream)); !bytes.Equal(f.Payload, want) {
			t.Fatal("frames are mixed")
		}
		n++
	}
	if n != 800 {
		t.Errorf("%d frames arrived", n)
	}
}

func TestPieces(t *testing.T) {
	var buf bytes.Buffer
	p := &Pieces{W: NewWriter(&buf), Kind: Result, Stream: 3}
	data := bytes.Repeat([]byte("abc"), PieceSize)
	if n, err := p.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	if err := errors.Join(p.Flush(), p.Flush()); err != nil {
		t.Fatal(err)
	}
	r := NewReader(&buf)
	var got []byte
	for {
		f, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil || len(f.Payload) > PieceSize || len(f.Payload) == 0 {
			t.Fatalf("a piece of %d bytes, %v", len(f.Payload), err)
		}
		got = append(got, f.Payload...)
	}
	if !bytes.Equal(got, data) {
		t.Error("the pieces make other bytes")
	}
}

func exampleExprs() []expr.Expr {
	lit := func(v any, t schema.Type) expr.Expr { return &expr.Literal{Value: v, T: t} }
	return []expr.Expr{
		&expr.Column{Index: 3, Name: "a3", T: schema.TDecimal(10, 2)},
		lit(nil, schema.TNull), lit(true, schema.TBoolean), lit(int64(math.MinInt64), schema.TBigInt), lit(0.1, schema.TDouble),
		lit(decimal128.FromI64(-5), schema.TDecimal(38, 4)), lit("a\x00\xff'", schema.TString), lit([]byte{0, 255}, schema.TBytes),
		&expr.Call{Fn: "CASE", T: schema.TArray(schema.TMap(schema.TString, schema.TTimestampLTZ(6).WithNotNull(true))), Args: []expr.Expr{
			&expr.Column{Name: "a0", T: schema.TBoolean},
			&expr.Call{Fn: "ROW", Args: []expr.Expr{lit(int64(1), schema.TInt)}, T: schema.Type{Kind: schema.Row, Fields: []schema.Field{{ID: 1, Name: "x", Type: schema.TInt}}}},
		}},
	}
}

func TestExprRoundTrip(t *testing.T) {
	for _, e := range exampleExprs() {
		m, err := EncodeExpr(e)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back Expr
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		got, err := DecodeExpr(back)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s came back as %s, %v", e, got, err)
		}
	}
	nan, err := EncodeExpr(&expr.Literal{Value: math.NaN(), T: schema.TDouble})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeExpr(nan); err != nil || !math.IsNaN(got.(*expr.Literal).Value.(float64)) {
		t.Errorf("NaN came back as %v, %v", got, err)
	}
	if _, err := EncodeExpr(&expr.Literal{Value: struct{}{}}); err == nil {
		t.Error("a literal of no known form was encoded")
	}
}

func TestDecodeExprRefuses(t *testing.T) {
	minus := -1
	deep := Expr{Lit: &Lit{}}
	for range depthMax + 2 {
		deep = Expr{Fn: "NOT", Args: []Expr{deep}}
	}
	for name, m := range map[string]Expr{
		"empty": {}, "column": {Col: &minus}, "form": {Lit: &Lit{Form: "q"}}, "int": {Lit: &Lit{Form: "i", Text: "x"}},
		"decimal": {Lit: &Lit{Form: "d", Text: strings.Repeat("9", 60)}}, "inner": {Fn: "NOT", Args: []Expr{{}}}, "deep": deep,
	} {
		if _, err := DecodeExpr(m); !errkind.Is(err, errkind.Corrupt) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// FuzzReader: any bytes end in frames and an error, never in a panic or much memory.
func FuzzReader(f *testing.F) {
	var buf bytes.Buffer
	w := NewWriter(&buf)
	_ = w.WriteJSON(Request, 0, RequestMsg{SQL: "SELECT 1"})
	_ = w.Write(Data, 5, []byte("abc"))
	f.Add(buf.Bytes())
	f.Add([]byte{0, 0, 0, 5, 3, 0, 0, 0, 1})
	f.Add([]byte{3, 255, 255, 255, 3, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		for {
			fr, err := r.Next()
			if err != nil {
				return
			}
			var again bytes.Buffer
			if err := NewWriter(&again).Write(fr.Kind, fr.Stream, fr.Payload); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b, again.Bytes()) {
				t.Fatal("a frame is written differently from how it was read")
			}
		}
	})
}

// FuzzDecodeExpr: what decodes encodes to the same again.
func FuzzDecodeExpr(f *testing.F) {
	for _, e := range exampleExprs() {
		m, _ := EncodeExpr(e)
		b, _ := json.Marshal(m)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Expr
		if json.Unmarshal(b, &m) != nil {
			return
		}
		e, err := DecodeExpr(m)
		if err != nil {
			return
		}
		again, err := EncodeExpr(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeExpr(again)
		if err != nil || back.String() != e.String() {
			t.Fatalf("%s came back as %v, %v", e, back, err)
		}
	})
}

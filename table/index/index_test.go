package index_test

import (
	"encoding/binary"
	"encoding/hex"
	"os"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/table/index"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/schema"
)

// Keys, row bytes, hashes and buckets of 8 as Java Paimon computes them.
func TestBucketOfKeys(t *testing.T) {
	for _, c := range []struct {
		types  []schema.Type
		key    []any
		row    string
		hash   int32
		bucket int
	}{
		{[]schema.Type{schema.TInt}, []any{int64(1)}, "0000000000000000" + "0100000000000000", 1465514398, 6},
		{[]schema.Type{schema.TBigInt}, []any{int64(1000)}, "0000000000000000" + "e803000000000000", 18631685, 5},
		{[]schema.Type{schema.TString}, []any{"hello world"}, "0000000000000000" + "0b00000010000000" + "68656c6c6f20776f726c640000000000", 161593394, 2},
		{[]schema.Type{schema.TDecimal(30, 4)}, []any{decimal128.FromI64(123456)}, "0000000000000000" + "0300000010000000" + "01e24000000000000000000000000000", -2052491411, 3},
		{[]schema.Type{schema.TTimestamp(6)}, []any{int64(1735689600123456)}, "0000000000000000" + "40f5060010000000" + "7b7c291f94010000", -437131690, 2},
		{[]schema.Type{schema.TInt, schema.TString}, []any{int64(7), "eu"}, "0000000000000000" + "0700000000000000" + "6575000000000082", -274105467, 3},
		{[]schema.Type{schema.TDecimal(9, 2)}, []any{decimal128.FromI64(1234)}, "", -1096042293, 5},
		{[]schema.Type{schema.TDate}, []any{int64(20089)}, "", 1701644445, 5},
	} {
		stored, err := schema.EncodeRow(c.types, c.key)
		if err != nil {
			t.Fatal(err)
		}
		row := schema.RowBytes(stored)
		if got := hex.EncodeToString(row); c.row != "" && got != c.row {
			t.Errorf("%v: row %s, want %s", c.key, got, c.row)
		}
		if got := index.Hash(row); got != c.hash {
			t.Errorf("%v: hash %d, want %d", c.key, got, c.hash)
		}
		if got := index.Bucket(index.Hash(row), 8); got != c.bucket {
			t.Errorf("%v: bucket %d, want %d", c.key, got, c.bucket)
		}
	}
}

func table(t *testing.T, keyType schema.Type, options map[string]string) *schema.Schema {
	t.Helper()
	s, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "v", Type: schema.TString}, {Name: "k", Type: keyType}}, Options: options}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func batch(t *testing.T, keys ...int64) arrow.RecordBatch {
	t.Helper()
	s := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.BinaryTypes.String}, {Name: "k", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	for _, k := range keys {
		b.Field(0).AppendNull()
		b.Field(1).(*array.Int64Builder).Append(k)
	}
	return b.NewRecordBatch()
}

func TestBucketerReadsArrow(t *testing.T) {
	keys := []int64{0, 1, -1, 1000, 1 << 40, -1 << 62}
	for name, c := range map[string]struct {
		options map[string]string
		total   int
		want    func(k int64) int
	}{
		"default": {map[string]string{"bucket": "8", "bucket-key": "k"}, 8, func(k int64) int {
			row, err := schema.EncodeRow([]schema.Type{schema.TBigInt}, []any{k})
			if err != nil {
				t.Fatal(err)
			}
			return index.Bucket(index.Hash(schema.RowBytes(row)), 8)
		}},
		"mod":     {map[string]string{"bucket": "7", "bucket-key": "k", "bucket-function.type": "mod"}, 7, func(k int64) int { return int((k%7 + 7) % 7) }},
		"unaware": {nil, -1, func(int64) int { return 0 }},
	} {
		b, err := index.NewBucketer(table(t, schema.TBigInt, c.options), c.total)
		if err != nil {
			t.Fatal(err)
		}
		rec := batch(t, keys...)
		defer rec.Release()
		if err := b.Bind(rec); err != nil {
			t.Fatal(err)
		}
		for i, k := range keys {
			one, err := b.Of([]any{k})
			if got := b.Bucket(i); err != nil || got != c.want(k) || one != got {
				t.Errorf("%s: key %d: bucket %d and %d, want %d, %v", name, k, got, one, c.want(k), err)
			}
		}
	}
}

func TestBucketerRefuses(t *testing.T) {
	pk, err := schema.New(schema.Definition{Fields: []schema.Field{{Name: "k", Type: schema.TInt}}, PrimaryKeys: []string{"k"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := index.NewBucketer(pk, -1); errkind.Of(err) != errkind.Invalid {
		t.Errorf("dynamic buckets: %v", err)
	}
	s := table(t, schema.TString, map[string]string{"bucket": "2", "bucket-key": "k"})
	s.Options["bucket-function.type"] = "mod"
	if _, err := index.NewBucketer(s, 2); errkind.Of(err) != errkind.Invalid {
		t.Errorf("mod of a string: %v", err)
	}
	b, err := index.NewBucketer(table(t, schema.TString, map[string]string{"bucket": "2", "bucket-key": "k"}), 2)
	if err != nil {
		t.Fatal(err)
	}
	rec := batch(t, 1)
	defer rec.Release()
	if err := b.Bind(rec); err == nil {
		t.Error("a BIGINT column was bound to a STRING key")
	}
}

const golden = "../testdata/java-1.4.2/"

// vectors reads every deletion vector of the table's index manifests.
func vectors(t testing.TB, table string, fn func(data []byte, r manifest.VectorRange)) {
	t.Helper()
	names, err := os.ReadDir(golden + table + "/manifest")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if len(n.Name()) < 5 || n.Name()[:5] != "index" {
			continue
		}
		raw, err := os.ReadFile(golden + table + "/manifest/" + n.Name())
		if err != nil {
			t.Fatal(err)
		}
		entries, err := manifest.DecodeIndex(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			file, err := os.ReadFile(golden + table + "/index/" + e.FileName)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range e.Vectors {
				end := min(r.Offset+index.VectorBytes(r.Length), len(file))
				fn(file[r.Offset:end], r)
			}
		}
	}
}

func TestVectorsOfJava(t *testing.T) {
	for _, table := range []string{"dv_pk", "dv_pk_v2", "append_rowdelete_dv", "append_rowdelete_dv64"} {
		n := 0
		vectors(t, table, func(data []byte, r manifest.VectorRange) {
			n++
			v, err := index.ReadVector(data, r.Length)
			if err != nil {
				t.Fatalf("%s: %v", table, err)
			}
			if r.Cardinality == nil || v.Count() != *r.Cardinality {
				t.Errorf("%s: %d rows, the manifest says %v", table, v.Count(), r.Cardinality)
			}
			found := int64(0)
			for i := int64(-1); i < 1000; i++ {
				if v.Deleted(i) {
					found++
				}
			}
			if found != v.Count() {
				t.Errorf("%s: %d positions below 1000 of %d", table, found, v.Count())
			}
			own := int(binary.BigEndian.Uint32(data)) + 8 // what lies behind belongs to the next vector
			for i := range own {
				bad := append([]byte(nil), data...)
				bad[i] ^= 0x40
				if _, err := index.ReadVector(bad, r.Length); err == nil {
					t.Errorf("%s: bit flipped at %d of %d goes unnoticed", table, i, own)
				} else if errkind.Of(err) != errkind.Corrupt {
					t.Errorf("%s: %v is not of kind corrupt", table, err)
				}
			}
		})
		if n == 0 {
			t.Errorf("%s holds no vectors", table)
		}
	}
}

func FuzzReadVector(f *testing.F) {
	for _, table := range []string{"dv_pk", "dv_pk_v2"} {
		vectors(f, table, func(data []byte, r manifest.VectorRange) { f.Add(data, r.Length) })
	}
	f.Fuzz(func(t *testing.T, data []byte, length int) {
		v, err := index.ReadVector(data, length)
		if err != nil {
			if errkind.Of(err) != errkind.Corrupt {
				t.Errorf("%v is not of kind corrupt", err)
			}
			return
		}
		if v.Count() < 0 {
			t.Errorf("count %d", v.Count())
		}
	})
}

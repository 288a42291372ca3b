package job

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weir-lake/weir/compute/connector"
	"github.com/weir-lake/weir/internal/errkind"
	"github.com/weir-lake/weir/storage/objstore"
)

func drawHeader(t *rapid.T) checkpointHeader {
	word := rapid.StringN(0, 8, 20)
	return checkpointHeader{
		Job: word.Draw(t, "job"), Epoch: rapid.Int64Min(0).Draw(t, "epoch"), Snapshot: rapid.Int64Min(0).Draw(t, "snapshot"), Hash: word.Draw(t, "hash"),
		Tables:    rapid.MapOfN(rapid.IntRange(0, 9), rapid.Int64Min(0), 1, 3).Draw(t, "tables"),
		TableHash: rapid.MapOfN(rapid.IntRange(0, 9), word, 1, 3).Draw(t, "hashes"),
		Paths:     rapid.MapOfN(rapid.IntRange(0, 9), word, 1, 3).Draw(t, "paths"),
		Offsets: map[int]connector.Offsets{rapid.IntRange(0, 9).Draw(t, "input"): {
			word.Draw(t, "split"): connector.Position(word.Draw(t, "position")),
		}},
		Watermarks: map[int]time.Time{0: time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "watermark")).UTC()},
	}
}

func TestCheckpointRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHeader(t)
		flow, out := rapid.SliceOf(rapid.Byte()).Draw(t, "flow"), rapid.SliceOf(rapid.Byte()).Draw(t, "out")
		data, err := encodeCheckpoint(h, flow, out)
		if err != nil {
			t.Fatal(err)
		}
		got, gotFlow, gotOut, err := decodeCheckpoint(data)
		if err != nil {
			t.Fatal(err)
		}
		h.Version, h.Flow, h.Output = checkpointVersion, len(flow), len(out)
		if !reflect.DeepEqual(got, h) || !bytes.Equal(gotFlow, flow) || !bytes.Equal(gotOut, out) {
			t.Fatalf("%+v became %+v", h, got)
		}
		// Any one changed byte is found.
		at := rapid.IntRange(0, len(data)-1).Draw(t, "at")
		data[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "change"))
		if _, _, _, err := decodeCheckpoint(data); !errkind.Is(err, errkind.Corrupt) {
			t.Fatalf("byte %d of %d changed: %v", at, len(data), err)
		}
	})
}

func FuzzDecodeCheckpoint(f *testing.F) {
	data, err := encodeCheckpoint(checkpointHeader{Job: "j", Epoch: 7, Tables: map[int]int64{0: 3}, Paths: map[int]string{0: "default.db/t"}}, []byte("flow"), []byte("out"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:30])
	f.Add([]byte("weirckp1ffffffff"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, flow, out, err := decodeCheckpoint(b); err == nil {
			if h.Flow != len(flow) || h.Output != len(out) {
				t.Fatalf("%d and %d bytes of state, the header says %d and %d", len(flow), len(out), h.Flow, h.Output)
			}
		} else if !errkind.Is(err, errkind.Corrupt) {
			t.Fatalf("error %v is of another kind", err)
		}
		if n, err := headerLen(b); err == nil && len(b) >= 16+n {
			if _, err := decodeHeader(b[16 : 16+n]); err != nil && !errkind.Is(err, errkind.Corrupt) {
				t.Fatalf("error %v is of another kind", err)
			}
		}
	})
}

func TestStatesKeepTheNewestTwo(t *testing.T) {
	ctx, s := t.Context(), states{objstore.NewMem(), "j"}
	for e := int64(1); e <= 4; e++ {
		data, err := encodeCheckpoint(checkpointHeader{Job: "j", Epoch: e}, []byte{byte(e)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.put(ctx, e, data); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := s.keys(ctx)
	if err != nil || len(keys) != keepStates {
		t.Fatalf("%v, %v", keys, err)
	}
	h, flow, _, ok, err := s.newest(ctx, 3, nil)
	if err != nil || !ok || h.Epoch != 3 || flow[0] != 3 {
		t.Errorf("at epoch 3: %+v %v %v", h, ok, err)
	}
	// A torn newest one is passed over and named, by the whole as by the header alone.
	if err := s.store.Put(ctx, stateKey("j", 4), []byte("weirckp1000")); err != nil {
		t.Fatal(err)
	}
	named := 0
	h, _, _, ok, err = s.newest(ctx, 9, func(string, error) { named++ })
	if err != nil || !ok || h.Epoch != 3 || named != 1 {
		t.Errorf("%+v %v %v, %d warnings", h, ok, err, named)
	}
	if h, ok, err := s.newestHeader(ctx); err != nil || !ok || h.Epoch != 3 {
		t.Errorf("header %+v %v %v", h, ok, err)
	}
	if err := s.drop(ctx); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.newestHeader(ctx); ok || err != nil {
		t.Errorf("after the drop: %v %v", ok, err)
	}
}

func TestWatermarksOfACommitRoundTrip(t *testing.T) {
	w := map[int]time.Time{0: time.UnixMilli(1700), 12: time.UnixMilli(-5)}
	got := parseWatermarks(formatWatermarks(w))
	if len(got) != 2 || got[0] != 1700 || got[12] != -5 {
		t.Errorf("%v", got)
	}
	if got := parseWatermarks("0:x,:,1:2:3,7"); len(got) != 0 {
		t.Errorf("damaged text gave %v", got)
	}
}

func FuzzParseWatermarks(f *testing.F) {
	f.Add("0:1700,12:-5")
	f.Add(",,:")
	f.Fuzz(func(t *testing.T, text string) {
		w := map[int]time.Time{}
		for i, ms := range parseWatermarks(text) {
			w[i] = time.UnixMilli(ms)
		}
		if again := parseWatermarks(formatWatermarks(w)); len(again) != len(w) {
			t.Fatalf("%q: %v became %v", text, w, again)
		}
	})
}

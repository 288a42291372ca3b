package session_test

import (
	"testing"
	"time"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/faultstore"
	"github.com/weir-lake/weir/table/expire"
	"github.com/weir-lake/weir/table/manifest"
	"github.com/weir-lake/weir/table/snapshot"
)

// Another engine's expiry that keeps one version and knows only Paimon's consumers and tags takes nothing away that
// a job still needs: not of its inputs, and not of its own table between a commit and the tag on it.
func TestExpiryOfOthersBesideJobs(t *testing.T) {
	want := expected(t)
	base := objstore.NewMem()
	// Checkpoints take longer than versions live.
	store, err := faultstore.New(base, faultstore.Options{Rules: "put .weir/state/**: delay 100ms"})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, store)
	s.run(t, deepScript)
	policy := &snapshot.Policy{RetainedMin: 1, RetainedMax: 1}
	gone := 0
	expireAll := func() {
		for _, name := range deepTables {
			sub := objstore.Sub(base, "default.db/"+name)
			if latest, err := snapshot.NewManager(sub, "").Latest(t.Context()); err != nil || latest.ID == 1 {
				continue // nothing to take
			}
			done, err := expire.New(sub).Run(t.Context(), expire.Options{Policy: policy})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			gone += len(done.Snapshots)
		}
	}
	for range 4 { // restarts: what is held must not be let go of while jobs recover
		for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); {
			expireAll()
		}
		s.stop(t)
		expireAll()
		s = start(t, store)
	}
	defer func() { s.stop(t) }()
	s.settle(t)
	expireAll()
	if got := s.content(t, deepTables); got != want {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if gone == 0 {
		t.Error("nothing has expired")
	}
	for _, name := range deepTables {
		sub := objstore.Sub(base, "default.db/"+name)
		tags, err := snapshot.NewManager(sub, "").Tags(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if _, err := manifest.NewFiles(sub, "").ReadLive(t.Context(), []string{tag.Snapshot.BaseManifestList, tag.Snapshot.DeltaManifestList}, nil); err != nil {
				t.Errorf("%s: tag %s on snapshot %d: %v", name, tag.Name, tag.Snapshot.ID, err)
			}
		}
	}
}

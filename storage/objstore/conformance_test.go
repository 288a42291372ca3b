package objstore_test

import (
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/objstoretest"
	"github.com/weir-lake/weir/storage/objstore/s3test"
)

func TestMemConforms(t *testing.T) {
	objstoretest.Run(t, func(*testing.T) objstore.Store { return objstore.NewMem() })
}

func TestLocalConforms(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return newLocal(t, objstore.LocalOptions{}) })
}

func TestLocalWithoutSyncConforms(t *testing.T) {
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return newLocal(t, objstore.LocalOptions{NoSync: true}) })
}

func TestS3Conforms(t *testing.T) {
	server := s3test.Start(t)
	objstoretest.Run(t, func(t *testing.T) objstore.Store { return server.Store(t) })
}

func TestSubConforms(t *testing.T) {
	objstoretest.Run(t, func(*testing.T) objstore.Store { return objstore.Sub(objstore.NewMem(), "db.db/t") })
}

func newLocal(t *testing.T, opts objstore.LocalOptions) *objstore.Local {
	t.Helper()
	s, err := objstore.NewLocal(t.TempDir(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

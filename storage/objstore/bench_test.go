package objstore_test

import (
	"fmt"
	"testing"

	"github.com/weir-lake/weir/storage/objstore"
	"github.com/weir-lake/weir/storage/objstore/s3test"
)

// BenchmarkPutIfAbsent is the floor of a commit: one small durable object.
func BenchmarkPutIfAbsent(b *testing.B) {
	local := func(opts objstore.LocalOptions) func(*testing.B) objstore.Store {
		return func(b *testing.B) objstore.Store {
			s, err := objstore.NewLocal(b.TempDir(), opts)
			if err != nil {
				b.Fatal(err)
			}
			return s
		}
	}
	for _, bc := range []struct {
		name string
		open func(*testing.B) objstore.Store
	}{
		{"mem", func(*testing.B) objstore.Store { return objstore.NewMem() }},
		{"local", local(objstore.LocalOptions{})},
		{"local-nosync", local(objstore.LocalOptions{NoSync: true})},
		{"s3", func(b *testing.B) objstore.Store { return s3test.Start(b).Store(b) }},
	} {
		b.Run(bc.name, func(b *testing.B) {
			s, data := bc.open(b), make([]byte, 1000)
			for n := 0; b.Loop(); n++ {
				if err := s.PutIfAbsent(b.Context(), fmt.Sprintf("snapshot/snapshot-%d", n), data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

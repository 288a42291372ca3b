package state

import (
	"encoding/binary"
	"fmt"
	"testing"
)

func BenchmarkIndexPut(b *testing.B) {
	for _, keys := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			var x Index
			var key [9]byte
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint64(key[1:], uint64(i)*0x9E3779B97F4A7C15%uint64(keys))
				x.Put(key[:])
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

func BenchmarkTreeAdd(b *testing.B) {
	for _, keys := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			var x Tree
			var key [18]byte
			for i := 0; b.Loop(); i++ {
				binary.BigEndian.PutUint64(key[1:], uint64(i)*0x9E3779B97F4A7C15%uint64(keys))
				x.Add(key[:], 0, 1)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
		})
	}
}

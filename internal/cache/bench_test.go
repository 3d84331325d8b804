// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"provisioning.dev/extension-operator/internal/cache"
)

const benchEntries = 100

func benchKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("sha256:%064x", i)
	}
	return keys
}

// BenchmarkGetHit reports the time of a hit and its ratio to a hit of the bare
// LRU, measured in turns in the same run. Goal: at most 1.2.
func BenchmarkGetHit(b *testing.B) {
	keys := benchKeys(benchEntries)
	bare, err := lru.New[string, int](benchEntries)
	if err != nil {
		b.Fatal(err)
	}
	ours, err := cache.New[int](benchEntries)
	if err != nil {
		b.Fatal(err)
	}
	for i, key := range keys {
		bare.Add(key, i)
		<-ours.Do(key, false, func() (int, bool) { return i, true })
	}
	const turn = 1 << 14
	var ownTime, bareTime float64
	for i := 0; i < b.N; i += turn {
		ownTime += perCall(turn, func(n int) { ours.Get(keys[n%benchEntries]) })
		bareTime += perCall(turn, func(n int) { bare.Get(keys[n%benchEntries]) })
	}
	turns := float64((b.N + turn - 1) / turn)
	b.ReportMetric(ownTime/turns, "ns/hit")
	b.ReportMetric(ownTime/bareTime, "x-bare-lru")
}

// BenchmarkHeapPerEntry reports what one entry costs beside its value.
func BenchmarkHeapPerEntry(b *testing.B) {
	const entries = 10_000
	var perEntry float64
	for b.Loop() {
		keys := benchKeys(entries)
		before := heap()
		c, err := cache.New[int](entries)
		if err != nil {
			b.Fatal(err)
		}
		for i, key := range keys {
			<-c.Do(key, false, func() (int, bool) { return i, true })
		}
		perEntry = float64(heap()-before) / entries
		runtime.KeepAlive(c)
		runtime.KeepAlive(keys)
	}
	b.ReportMetric(perEntry, "B/entry")
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// perCall is the mean time of n calls, in nanoseconds.
func perCall(n int, call func(i int)) float64 {
	start := time.Now()
	for i := range n {
		call(i)
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// BenchmarkMemoHit reports how long a load that is remembered takes, clock
// included. Goal: a p99 under 10 µs.
func BenchmarkMemoHit(b *testing.B) {
	bench := newBench(b, nil)
	req := bench.request(bench.put("etcd", "3.5.0"))
	if _, err := bench.load(req); err != nil {
		b.Fatal(err)
	}
	notify := func() {}
	took := make([]time.Duration, 0, b.N)
	for range b.N {
		began := time.Now()
		flight := bench.Load(req, notify)
		took = append(took, time.Since(began))
		if !flight.Ended() {
			b.Fatal("no hit")
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
}

// BenchmarkHeapPerEntry reports what one remembered outcome holds.
func BenchmarkHeapPerEntry(b *testing.B) {
	const entries = 400
	var perEntry float64
	for b.Loop() {
		bench := newBench(b, func(o *load.Options) { o.CacheSize = entries })
		member := bench.put("etcd", "3.5.0")
		requests := make([]load.Request, entries)
		for i := range requests {
			member.Key.Version = fmt.Sprintf("3.5.%d", i)
			requests[i] = bench.request(member)
		}
		before := heap()
		for i, req := range requests {
			// What a resolver would have made for this load alone.
			m := req.Plan.Members[0]
			m.Metadata = extension.Metadata{
				Type: m.Key.Type, Name: m.Key.Name, Version: fmt.Sprintf("3.5.%d", i),
				Description: fmt.Sprintf("Distributed key-value store %d", i), Author: fmt.Sprintf("team-%d", i),
				Dependencies: []extension.Dependency{{Type: extension.Provider, Name: fmt.Sprintf("local-%d", i)}},
			}
			if _, err := bench.load(load.Request{Plan: extension.Plan{Members: []extension.Member{m}}, InputDigest: req.InputDigest}); err != nil {
				b.Fatal(err)
			}
		}
		perEntry = (heap() - before) / entries
		runtime.KeepAlive(bench)
		runtime.KeepAlive(requests)
	}
	b.ReportMetric(perEntry, "B/entry")
}

func heap() float64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

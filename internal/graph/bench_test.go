// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"provisioning.dev/extension-operator/internal/graph"
)

// benchGraph has as many nodes as a large cluster has Extensions, with names as
// long, and five random edges for each.
func benchGraph(cyclic bool) *graph.Graph[string] {
	const nodes, edges = 10_000, 50_000
	random := rand.New(rand.NewPCG(1, 2))
	key := func(i int) string { return fmt.Sprintf("taskserv:extension-%05d:1.28.%d", i*7919%nodes, i%10) }
	built := graph.New[string]()
	for i := range nodes {
		built.AddNode(key(i))
	}
	for range edges {
		from, to := random.IntN(nodes), random.IntN(nodes)
		switch {
		case cyclic || from > to:
			built.AddEdge(key(from), key(to))
		case from < to:
			built.AddEdge(key(to), key(from))
		}
	}
	return built
}

// BenchmarkOrder sorts 10,000 nodes with 50,000 edges. Goal: under 100 ms.
func BenchmarkOrder(b *testing.B) {
	built := benchGraph(false)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := built.Order(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCycles explains a graph of that size of which nearly all is one knot.
// Goal: about a second.
func BenchmarkCycles(b *testing.B) {
	built := benchGraph(true)
	b.ReportAllocs()
	listed := 0
	for b.Loop() {
		listed = len(built.Cycles())
	}
	b.ReportMetric(float64(listed), "cycles")
}

// BenchmarkRing explains one cycle of 5,000 nodes.
func BenchmarkRing(b *testing.B) {
	const size = 5_000
	built := graph.New[int]()
	for i := range size {
		built.AddEdge(i, (i+1)%size)
	}
	for b.Loop() {
		if cycles := built.Cycles(); len(cycles) != 1 {
			b.Fatal(len(cycles))
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/graph"
)

// written reads edges such as "ab bc" from a to b and from b to c.
func written(edges string) *graph.Graph[string] {
	built := graph.New[string]()
	for _, pair := range strings.Fields(edges) {
		built.AddEdge(pair[:1], pair[1:])
	}
	return built
}

func TestCycles(t *testing.T) {
	for name, c := range map[string]struct {
		edges string
		want  string
	}{
		"one that depends on itself":       {edges: "xx", want: "x → x"},
		"two":                              {edges: "ba ab", want: "a → b → a"},
		"three, what leads in and out":     {edges: "ca bc ab ib co", want: "a → b → c → a"},
		"two that share a node":            {edges: "ab bc ca cd dc", want: "a → b → c → a; c → d → c"},
		"two rings, by smallest member":    {edges: "zb bz yc cy yb", want: "b → z → b; c → y → c"},
		"the shorter way of two":           {edges: "ab bc ca ac", want: "a → c → a; a → b → c → a"},
		"the first of two short ways":      {edges: "ac cd da ab bd", want: "a → b → d → a; a → c → d → a"},
		"through a listed one":             {edges: "bc cb ba ab cd da", want: "a → b → a; b → c → b; a → b → c → d → a"},
		"itself and others":                {edges: "aa ab ba", want: "a → a; a → b → a"},
		"itself, though others went first": {edges: "ax xa xx", want: "a → x → a"},
		"all of four": {
			edges: "ab ac ad ba bc bd ca cb cd da db dc", want: "a → b → a; a → c → a; a → d → a",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			built := written(c.edges)
			order, err := built.Order()
			g.Expect(order).To(BeNil())
			g.Expect(err).To(MatchError(c.want))
			var cycles *graph.CycleError[string]
			g.Expect(errors.As(err, &cycles)).To(BeTrue())
			g.Expect(cycles.Cycles).To(Equal(built.Cycles()))
		})
	}
}

func TestRings(t *testing.T) {
	for _, size := range []int{1, 2, 3, 50, 5_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			g := NewWithT(t)
			built := graph.New[int]()
			var ring []int
			for i := range size {
				ring = append(ring, i)
				built.AddEdge(i, (i+1)%size)
				built.AddEdge(size+i, i) // what depends on a ring is not part of it
				built.AddEdge(i, -1-i)   // nor is what it depends on
			}
			cycles := built.Cycles()
			g.Expect(cycles).To(HaveLen(1))
			g.Expect(slices.Equal(cycles[0], ring)).To(BeTrue())
			_, err := built.Order()
			g.Expect(err).To(HaveOccurred())
		})
	}
}

func TestPath(t *testing.T) {
	g := NewWithT(t)
	g.Expect(graph.Path[string](nil)).To(BeEmpty())
	g.Expect(graph.Path([]string{"x"})).To(Equal("x → x"))
	g.Expect(graph.Path([]string{"a", "b", "c"})).To(Equal("a → b → c → a"))
	g.Expect(graph.Path([]int{1, 2})).To(Equal("1 → 2 → 1"))
}

// shortestCycles finds, by following every way at once, how long the shortest
// cycle of each node on one is.
func shortestCycles(edges []edge[int]) map[int]int {
	next := map[int][]int{}
	for _, e := range edges {
		next[e.from] = append(next[e.from], e.to)
	}
	lengths := map[int]int{}
	for start := range next {
		reached := map[int]bool{start: true}
		for length := 1; length <= len(next) && lengths[start] == 0; length++ {
			step := map[int]bool{}
			for node := range reached {
				for _, to := range next[node] {
					step[to] = true
				}
			}
			if reached = step; reached[start] {
				lengths[start] = length
			}
		}
	}
	return lengths
}

func TestCyclesAreThoseOfTheGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		nodes, edges := parts(t)
		built := build(nodes, edges)
		cycles, shortest := built.Cycles(), shortestCycles(edges)

		on := map[int]bool{}
		paths := map[string]bool{}
		for _, cycle := range cycles {
			g.Expect(cycle[0]).To(Equal(slices.Min(cycle)), "the smallest comes first")
			fresh, isShortest := false, false
			for i, node := range cycle {
				g.Expect(edges).To(ContainElement(edge[int]{from: node, to: cycle[(i+1)%len(cycle)]}), "only edges that exist")
				g.Expect(slices.Index(cycle, node)).To(Equal(i), "no node twice")
				isShortest = isShortest || shortest[node] == len(cycle) && !on[node]
				fresh = fresh || !on[node]
			}
			g.Expect(fresh).To(BeTrue(), "no cycle says nothing new")
			g.Expect(isShortest).To(BeTrue(), "it is the shortest of what is new")
			for _, node := range cycle {
				on[node] = true
			}
			paths[graph.Path(cycle)] = true
		}
		g.Expect(paths).To(HaveLen(len(cycles)), "each once")
		g.Expect(on).To(HaveLen(len(shortest)))
		for node := range shortest {
			g.Expect(on).To(HaveKey(node), "every node that is on a cycle is on a listed one")
		}
		_, err := built.Order()
		g.Expect(err != nil).To(Equal(len(cycles) > 0))
	})
}

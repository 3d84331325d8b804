// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/graph"
)

// edge leads from what depends to what it depends on.
type edge[K any] struct{ from, to K }

func build(nodes []int, edges []edge[int]) *graph.Graph[int] {
	built := graph.New[int]()
	for _, node := range nodes {
		built.AddNode(node)
	}
	for _, e := range edges {
		built.AddEdge(e.from, e.to)
	}
	return built
}

func TestOrder(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []string
		edges []edge[string]
		want  []string
	}{
		"nothing":            {want: []string{}},
		"no edges":           {nodes: []string{"c", "a", "b"}, want: []string{"a", "b", "c"}},
		"a node twice":       {nodes: []string{"a", "a"}, want: []string{"a"}},
		"an edge twice":      {edges: []edge[string]{{"a", "b"}, {"a", "b"}}, want: []string{"b", "a"}},
		"an edge adds nodes": {nodes: []string{"a"}, edges: []edge[string]{{"b", "c"}}, want: []string{"a", "c", "b"}},
		"a node keeps its edges": {
			edges: []edge[string]{{"a", "b"}}, nodes: []string{"a"}, want: []string{"b", "a"},
		},
		"a diamond": {
			edges: []edge[string]{{"app", "db"}, {"app", "cache"}, {"db", "os"}, {"cache", "os"}},
			want:  []string{"os", "cache", "db", "app"},
		},
		"two that hang together by nothing": {
			edges: []edge[string]{{"a", "z"}, {"b", "y"}}, want: []string{"y", "z", "a", "b"},
		},
		"a cluster": {
			edges: []edge[string]{
				{"cluster:buildkit", "taskserv:kubernetes"}, {"cluster:buildkit", "provider:local"},
				{"taskserv:kubernetes", "taskserv:etcd"}, {"taskserv:kubernetes", "taskserv:containerd"},
			},
			want: []string{"provider:local", "taskserv:containerd", "taskserv:etcd", "taskserv:kubernetes", "cluster:buildkit"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			built := graph.New[string]()
			for _, e := range c.edges {
				built.AddEdge(e.from, e.to)
			}
			for _, node := range c.nodes {
				built.AddNode(node)
			}
			order, err := built.Order()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(order).To(HaveExactElements(c.want))
			g.Expect(built.Cycles()).To(BeEmpty())
		})
	}
}

func TestOrderOfALongChain(t *testing.T) {
	g := NewWithT(t)
	const length = 50_000
	built := graph.New[int]()
	for i := range length - 1 {
		built.AddEdge(i, i+1)
	}
	order, err := built.Order()
	g.Expect(err).NotTo(HaveOccurred())
	slices.Reverse(order)
	g.Expect(order).To(HaveLen(length))
	g.Expect(slices.IsSorted(order)).To(BeTrue())
}

func TestAGraphCanGrowAfterItWasRead(t *testing.T) {
	g := NewWithT(t)
	built := graph.New[string]()
	built.AddEdge("a", "b")
	g.Expect(built.Order()).To(HaveExactElements("b", "a"))
	built.AddEdge("b", "c")
	g.Expect(built.Order()).To(HaveExactElements("c", "b", "a"))
	built.AddEdge("c", "a")
	g.Expect(built.Cycles()).To(HaveExactElements(HaveExactElements("a", "b", "c")))
}

// parts draws the nodes and edges of a small graph, dense enough for cycles to
// meet each other.
func parts(t *rapid.T) ([]int, []edge[int]) {
	node := rapid.IntRange(0, 9)
	pair := rapid.Custom(func(t *rapid.T) edge[int] {
		return edge[int]{from: node.Draw(t, "from"), to: node.Draw(t, "to")}
	})
	return rapid.SliceOfN(node, 0, 10).Draw(t, "nodes"), rapid.SliceOfN(pair, 0, 20).Draw(t, "edges")
}

// forward turns edges so that each leads to a smaller node: without cycles.
func forward(edges []edge[int]) []edge[int] {
	var turned []edge[int]
	for _, e := range edges {
		if e.from != e.to {
			turned = append(turned, edge[int]{from: max(e.from, e.to), to: min(e.from, e.to)})
		}
	}
	return turned
}

func TestOrderPutsDependenciesFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		nodes, edges := parts(t)
		edges = forward(edges)
		all := slices.Clone(nodes)
		for _, e := range edges {
			all = append(all, e.from, e.to)
		}
		slices.Sort(all)

		order, err := build(nodes, edges).Order()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(order).To(ConsistOf(slices.Compact(all)), "each node once")
		for _, e := range edges {
			g.Expect(slices.Index(order, e.to)).To(BeNumerically("<", slices.Index(order, e.from)), "%d depends on %d", e.from, e.to)
		}
	})
}

func TestNothingDependsOnHowTheGraphWasBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		nodes, edges := parts(t)
		if rapid.Bool().Draw(t, "without cycles") {
			edges = forward(edges)
		}
		one := build(nodes, edges)
		other := build(rapid.Permutation(nodes).Draw(t, "other nodes"), rapid.Permutation(edges).Draw(t, "other edges"))

		order, err := one.Order()
		otherOrder, otherErr := other.Order()
		g.Expect(otherOrder).To(Equal(order))
		g.Expect(otherErr == nil).To(Equal(err == nil))
		g.Expect(other.Cycles()).To(Equal(one.Cycles()))
	})
}

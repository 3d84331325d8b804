// SPDX-License-Identifier: Apache-2.0

// Package graph knows graphs of dependencies: the order in which to take their
// nodes, the cycles that leave no order, and drawings of them. Whatever it
// answers is a function of the graph, not of the order in which it was built.
package graph

import (
	"cmp"
	"maps"
	"slices"

	"gonum.org/v1/gonum/graph/simple"
	"gonum.org/v1/gonum/graph/topo"
)

// Graph is a directed graph of nodes told apart by their keys; an edge leads
// from what depends to what it depends on. It may be read by many at once while
// nobody adds to it. NaN, which does not equal itself, is no key.
type Graph[K cmp.Ordered] struct {
	needs map[K]map[K]struct{}
}

// New makes a Graph without nodes.
func New[K cmp.Ordered]() *Graph[K] {
	return &Graph[K]{needs: map[K]map[K]struct{}{}}
}

// AddNode adds a node. Adding one that is there does nothing.
func (g *Graph[K]) AddNode(key K) {
	if _, there := g.needs[key]; !there {
		g.needs[key] = map[K]struct{}{}
	}
}

// AddEdge says that from depends on to, and adds those of the two that are
// missing. A node may depend on itself, which is a cycle.
func (g *Graph[K]) AddEdge(from, to K) {
	g.AddNode(from)
	g.AddNode(to)
	g.needs[from][to] = struct{}{}
}

// Order lists every node after all that it depends on: first those that depend on
// nothing, then those that depend on these alone, and so on, by their keys each
// time. The error is a *CycleError[K].
func (g *Graph[K]) Order() ([]K, error) {
	r := g.ranked()
	order := r.order()
	if len(order) < len(r.keys) {
		return nil, &CycleError[K]{Cycles: r.cycles(r.knots(order))}
	}
	return r.named(order), nil
}

// Cycles lists cycles such that each node that is on any is on a listed one; it
// is empty when there is none. Each begins with its smallest member and is the
// shortest there is of one of its members, so that people see the least that
// must be cut. The parts of the graph that hang together by cycles come in the
// order of their smallest members. At worst the time, and what is listed, grow
// with the number of nodes times that of edges.
func (g *Graph[K]) Cycles() [][]K {
	r := g.ranked()
	return r.cycles(r.knots(r.order()))
}

// ranked is a Graph with numbers for keys: their places in sorted order. What
// goes by the numbers cannot depend on how the Graph was built.
type ranked[K cmp.Ordered] struct {
	keys  []K
	needs [][]int // what each depends on, sorted
}

func (g *Graph[K]) ranked() ranked[K] {
	r := ranked[K]{keys: slices.Sorted(maps.Keys(g.needs)), needs: make([][]int, len(g.needs))}
	rank := make(map[K]int, len(r.keys))
	for i, key := range r.keys {
		rank[key] = i
	}
	for i, key := range r.keys {
		needs := make([]int, 0, len(g.needs[key]))
		for need := range g.needs[key] {
			needs = append(needs, rank[need])
		}
		slices.Sort(needs)
		r.needs[i] = needs
	}
	return r
}

// order is that of Order, without the nodes that are on a cycle or depend on one.
func (r ranked[K]) order() []int {
	waits := make([]int, len(r.keys)) // how many of its needs are not listed yet
	neededBy := make([][]int, len(r.keys))
	order := make([]int, 0, len(r.keys))
	for node, needs := range r.needs {
		waits[node] = len(needs)
		if len(needs) == 0 {
			order = append(order, node)
		}
		for _, need := range needs {
			neededBy[need] = append(neededBy[need], node)
		}
	}
	for layer := order; len(layer) > 0; {
		end := len(order)
		for _, node := range layer {
			for _, next := range neededBy[node] {
				if waits[next]--; waits[next] == 0 {
					order = append(order, next)
				}
			}
		}
		layer = order[end:]
		slices.Sort(layer)
	}
	return order
}

// knots lists sorted sets of nodes that all depend on each other, the one with the
// smallest member first. Order has none of them.
func (r ranked[K]) knots(order []int) [][]int {
	var knots [][]int
	for _, component := range topo.TarjanSCC(r.without(order)) {
		knot := make([]int, len(component))
		for i, node := range component {
			knot[i] = int(node.ID())
		}
		slices.Sort(knot)
		if len(knot) > 1 || slices.Contains(r.needs[knot[0]], knot[0]) {
			knots = append(knots, knot)
		}
	}
	slices.SortFunc(knots, slices.Compare)
	return knots
}

// without is the graph without some nodes, and without the edges of nodes to
// themselves, which gonum does not take.
func (r ranked[K]) without(order []int) *simple.DirectedGraph {
	out := make([]bool, len(r.keys))
	for _, node := range order {
		out[node] = true
	}
	rest := simple.NewDirectedGraph()
	for node := range r.keys {
		if !out[node] {
			rest.AddNode(simple.Node(node))
		}
	}
	for from, needs := range r.needs {
		for _, to := range needs {
			if from != to && !out[from] && !out[to] {
				rest.SetEdge(simple.Edge{F: simple.Node(from), T: simple.Node(to)})
			}
		}
	}
	return rest
}

func (r ranked[K]) named(ranks []int) []K {
	keys := make([]K, len(ranks))
	for i, rank := range ranks {
		keys[i] = r.keys[rank]
	}
	return keys
}

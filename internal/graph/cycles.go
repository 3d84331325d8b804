// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// CycleError says that a graph has no order, and which cycles are to blame:
// those of Graph.Cycles, at least one.
type CycleError[K cmp.Ordered] struct {
	Cycles [][]K
}

// Error shows every cycle, such as "a → b → c → a; x → x".
func (e *CycleError[K]) Error() string {
	paths := make([]string, len(e.Cycles))
	for i, cycle := range e.Cycles {
		paths[i] = Path(cycle)
	}
	return strings.Join(paths, "; ")
}

// Path shows a cycle with its first member again at the end, such as
// "a → b → c → a".
func Path[K cmp.Ordered](cycle []K) string {
	if len(cycle) == 0 {
		return ""
	}
	var path strings.Builder
	for _, key := range cycle {
		fmt.Fprint(&path, key, " → ")
	}
	fmt.Fprint(&path, cycle[0])
	return path.String()
}

// cycles lists the shortest cycle of each node of the knots that is on none
// listed before.
func (r ranked[K]) cycles(knots [][]int) [][]K {
	var cycles [][]K
	s := newSearch(r.needs, knots)
	listed := make([]bool, len(r.keys))
	for _, knot := range knots {
		for _, member := range knot {
			if listed[member] {
				continue
			}
			cycle := s.shortest(member)
			for _, node := range cycle {
				listed[node] = true
			}
			cycles = append(cycles, r.named(smallestFirst(cycle)))
		}
	}
	return cycles
}

func smallestFirst(cycle []int) []int {
	at := slices.Index(cycle, slices.Min(cycle))
	return slices.Concat(cycle[at:], cycle[:at])
}

// search goes through knots breadth first. Its memory is shared by its rounds:
// there may be as many as nodes.
type search struct {
	needs [][]int
	knot  []int // the knot that a node is in, counted from 1
	round []int // the start of the last round that reached a node
	from  []int // from where it did
	queue []int
}

func newSearch(needs, knots [][]int) *search {
	n := len(needs)
	s := &search{needs: needs, knot: make([]int, n), round: make([]int, n), from: make([]int, n)}
	for i, knot := range knots {
		for _, member := range knot {
			s.knot[member] = i + 1
			s.round[member] = -1
		}
	}
	return s
}

// shortest returns the shortest cycle of a member of a knot, beginning with it;
// of several the one whose nodes come first.
func (s *search) shortest(start int) []int {
	s.queue = append(s.queue[:0], start)
	for i := 0; i < len(s.queue); i++ {
		at := s.queue[i]
		for _, next := range s.needs[at] {
			if next == start {
				return s.back(at, start)
			}
			if s.knot[next] == s.knot[start] && s.round[next] != start {
				s.round[next], s.from[next] = start, at
				s.queue = append(s.queue, next)
			}
		}
	}
	return nil // not reached: each member of a knot is on a cycle
}

// back returns the way of this round from start to a node.
func (s *search) back(node, start int) []int {
	way := []int{node}
	for node != start {
		node = s.from[node]
		way = append(way, node)
	}
	slices.Reverse(way)
	return way
}

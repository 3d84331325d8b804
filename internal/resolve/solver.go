// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"context"

	"provisioning.dev/extension-operator/internal/extension"
)

// id names what a plan holds at most once.
type id struct {
	kind extension.Type
	name string
}

func (i id) String() string { return extension.Label(i.kind, i.name) }

func idOf(k extension.Key) id { return id{k.Type, k.Name} }

func wanted(d extension.Dependency) id { return id{d.Type, d.Name} }

func compareIDs(a, b id) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.name, b.name))
}

// solver picks one version of every name that root needs, by way of any number of
// others, so that each demand is met. Of two solutions the better one is that with
// the newer version of the first name in which they differ: root's own
// dependencies first, then theirs, and so on; among those at one distance by type
// and name. The answer is a function of the problem alone.
type solver interface {
	// solve fails with the context's error, that of the index, or a Fault
	// (LimitExceeded) when it takes too much.
	solve(ctx context.Context, p problem) (solution, error)
}

// problem is what a solver is asked.
type problem struct {
	root  extension.Member
	index *index
	// lenient leaves out demands that no version of the name meets.
	lenient bool
	// only, where it is not nil, holds the demands that count.
	only map[extension.Demand]bool
	// steps is what may still be spent, shared by the problems of one resolution: a
	// version that is tried is a step.
	steps *int
}

// solution is a choice or, where there is none, why not.
type solution struct {
	// chosen lists root and then each name's version, breadth first.
	chosen []extension.Key
	// core are demands that cannot all be met, where nothing was chosen. It is not
	// minimal.
	core []extension.Demand
}

// Bounds of one resolution.
const (
	// maxSteps is far above what a library needs whose ranges mean something, and
	// takes a sixth of a second, or one where every manifest has 60 dependencies.
	maxSteps = 50_000
	// maxMembers is how many members a plan may have: each is loaded in a stage of its
	// own part of the plan, and in a chain that grows by the square.
	maxMembers = 256
)

func tooManySteps(root extension.Member) error {
	return extension.NewFault(extension.LimitExceeded,
		"the versions of what %s depends on cannot be chosen within %d steps; narrow the ranges of the manifests that it depends on",
		root.Key, maxSteps)
}

func tooManyMembers(root extension.Member) error {
	return extension.NewFault(extension.LimitExceeded,
		"%s depends on more than %d others; split it", root.Key, maxMembers-1)
}

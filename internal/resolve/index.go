// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// source is where the versions of dependencies come from.
type source interface {
	// versions of a name that may be chosen, newest first.
	versions(ctx context.Context, who id) ([]string, error)
	// member is one of those versions. One that is broken comes with the Fault that
	// says so; any other failure is an error.
	member(ctx context.Context, key extension.Key) (extension.Member, *extension.Fault, error)
	// unmet says why no version meets a demand.
	unmet(ctx context.Context, demand extension.Demand) (refusal, error)
}

// refusal is why a demand is not met.
type refusal struct {
	state   extension.DependencyState
	message string
	// passing tells that it may pass by itself, without anybody's change.
	passing bool
}

// index answers a solver's questions from a source, each asked there once.
type index struct {
	source      source
	names       map[id]*shelf
	needs       map[extension.Key][]extension.Dependency
	refusals    map[extension.Demand]refusal
	constraints map[string]extension.Constraint
}

// shelf is one name's versions and which of them fit what.
type shelf struct {
	// versions, newest first.
	versions []string
	fitting  map[string]bits
}

func newIndex(s source) *index {
	return &index{
		source: s, names: map[id]*shelf{}, needs: map[extension.Key][]extension.Dependency{},
		refusals: map[extension.Demand]refusal{}, constraints: map[string]extension.Constraint{},
	}
}

func newShelf(versions []string) *shelf {
	return &shelf{versions: versions, fitting: map[string]bits{}}
}

func (x *index) shelf(ctx context.Context, who id) (*shelf, error) {
	if s, known := x.names[who]; known {
		return s, nil
	}
	versions, err := x.source.versions(ctx, who)
	if err != nil {
		return nil, err
	}
	s := newShelf(versions)
	x.names[who] = s
	return s, nil
}

// dependencies of a version; one that is broken has none, so that it is chosen as
// its version deserves and its own trouble is told.
func (x *index) dependencies(ctx context.Context, key extension.Key) ([]extension.Dependency, error) {
	if needs, known := x.needs[key]; known {
		return needs, nil
	}
	m, _, err := x.source.member(ctx, key)
	if err != nil {
		return nil, err
	}
	needs := dependenciesOf(m)
	x.needs[key] = needs
	return needs, nil
}

// dependenciesOf lists what a member depends on by type and name: the order in which a
// manifest has them means nothing.
func dependenciesOf(m extension.Member) []extension.Dependency {
	return slices.SortedFunc(slices.Values(m.Metadata.Dependencies), func(a, b extension.Dependency) int {
		return compareIDs(wanted(a), wanted(b))
	})
}

// unmet says why no version meets a demand.
func (x *index) unmet(ctx context.Context, demand extension.Demand) (refusal, error) {
	if why, known := x.refusals[demand]; known {
		return why, nil
	}
	why, err := x.source.unmet(ctx, demand)
	if err == nil {
		x.refusals[demand] = why
	}
	return why, err
}

// fits are the versions of a shelf that a constraint accepts.
func (x *index) fits(s *shelf, constraint string) (bits, error) {
	if known, is := s.fitting[constraint]; is {
		return known, nil
	}
	c, err := x.constraint(constraint)
	if err != nil {
		return nil, err
	}
	found := newBits(len(s.versions))
	for i, version := range s.versions {
		if c.Accepts(version) {
			found.set(i)
		}
	}
	s.fitting[constraint] = found
	return found, nil
}

func (x *index) constraint(text string) (extension.Constraint, error) {
	if c, known := x.constraints[text]; known {
		return c, nil
	}
	c, err := extension.ParseConstraint(text)
	if err != nil {
		return c, err
	}
	x.constraints[text] = c
	return c, nil
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int) { b[i/64] |= 1 << (i % 64) }

func (b bits) clear(i int) { b[i/64] &^= 1 << (i % 64) }

func (b bits) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

func (b bits) add(o bits) {
	for i := range o {
		b[i] |= o[i]
	}
}

func (b bits) keep(o bits) {
	for i := range o {
		b[i] &= o[i]
	}
}

func (b bits) empty() bool {
	return !slices.ContainsFunc(b, func(word uint64) bool { return word != 0 })
}

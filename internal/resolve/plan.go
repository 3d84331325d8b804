// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/graph"
)

// failure is that the dependencies of one candidate cannot be had.
type failure struct {
	fault *extension.Fault
	// passing tells that it may pass by itself, without anybody's change.
	passing      bool
	root         extension.Member
	dependencies []extension.Requirement
}

func (f *failure) Error() string { return f.fault.Message }

// plan chooses the dependencies of a candidate and puts all in load order. The
// error is a *failure where others of its versions may fare better.
func (q *inquiry) plan(ctx context.Context, root extension.Member) error {
	q.res.Root, q.res.Dependencies = root, nil
	asked := problem{root: root, index: q.index, lenient: q.req.Policy == Ignore, steps: q.steps}
	answer, err := q.solver.solve(ctx, asked)
	if err != nil {
		return q.tooMuch(err, root)
	}
	if answer.chosen == nil {
		return q.impossible(ctx, asked, answer.core)
	}
	chosen, err := q.gather(ctx, q.index, root, answer.chosen)
	if err != nil {
		return err
	}
	q.res.Dependencies = chosen.requirements
	if err := chosen.broken(); err != nil && q.req.Policy != Ignore {
		return err
	}
	members, err := chosen.ordered()
	if err != nil {
		return err
	}
	q.res.Plan = extension.Plan{Members: members, Alone: q.req.Policy == Ignore && len(members) > 1}
	return nil
}

// tooMuch makes a limit that a candidate has reached its failure: an older one may not.
func (q *inquiry) tooMuch(err error, root extension.Member) error {
	var fault *extension.Fault
	if errors.As(err, &fault) && fault.Code == extension.LimitExceeded {
		return &failure{fault: fault, root: root}
	}
	return err
}

// selection is what was chosen for a root, breadth first, with what is wrong with
// each, and what came of each demand.
type selection struct {
	members      []found
	requirements []extension.Requirement
}

// gather fetches what was chosen and holds it against every demand.
func (q *inquiry) gather(ctx context.Context, x *index, root extension.Member, keys []extension.Key) (*selection, error) {
	s := &selection{}
	byName := map[id]extension.Member{}
	for i, key := range keys {
		m := found{member: root}
		if i > 0 {
			var err error
			if m.member, m.fault, err = x.source.member(ctx, key); err != nil {
				return nil, err
			}
		}
		s.members = append(s.members, m)
		byName[idOf(key)] = m.member
	}
	for _, m := range s.members {
		for _, dependency := range dependenciesOf(m.member) {
			r := extension.Requirement{Demand: extension.Demand{By: m.member.Key, Dependency: dependency}}
			if err := x.meet(ctx, &r, byName[wanted(dependency)]); err != nil {
				return nil, err
			}
			s.requirements = append(s.requirements, r)
		}
	}
	return s, nil
}

// meet says what came of a demand, of which on is what was chosen, if anything.
func (x *index) meet(ctx context.Context, r *extension.Requirement, on extension.Member) error {
	if on.Key.Version != "" {
		c, err := x.constraint(r.Constraint)
		if err != nil {
			return err
		}
		if c.Accepts(on.Key.Version) {
			r.Version, r.Digest = on.Key.Version, on.Digest
			return nil
		}
	}
	why, err := x.unmet(ctx, r.Demand)
	r.State, r.Message = why.state, why.message
	return err
}

// broken leaves out of a selection what is broken, and is the Fault that says so of the
// first, or nil.
func (s *selection) broken() error {
	var fault *extension.Fault
	whole := s.members[:0:0]
	for _, m := range s.members {
		if m.fault == nil {
			whole = append(whole, m)
			continue
		}
		for i := range s.requirements {
			r := &s.requirements[i]
			if r.Chosen() != m.member.Key {
				continue
			}
			r.State, r.Message = extension.DependencyIsNotReady, m.fault.Message
			if fault == nil {
				f := *m.fault
				f.Message = fmt.Sprintf("dependency %s, required by %s, is broken: %s", m.member.Key, r.By, m.fault.Message)
				f.Dependencies = map[extension.Key]string{}
				fault = &f
			}
			fault.Dependencies[m.member.Key] = m.fault.Message
		}
	}
	s.members = whole
	if fault == nil {
		return nil
	}
	return fault
}

// ordered lists the members in load order, or is the Fault that they depend on
// each other in a ring.
func (s *selection) ordered() ([]extension.Member, error) {
	g, members := graph.New[string](), map[string]extension.Member{}
	for _, m := range s.members {
		label := idOf(m.member.Key).String()
		g.AddNode(label)
		members[label] = m.member
	}
	for _, r := range s.requirements {
		if _, whole := members[wanted(r.Dependency).String()]; whole && r.Version != "" {
			g.AddEdge(idOf(r.By).String(), wanted(r.Dependency).String())
		}
	}
	order, err := g.Order()
	var rings *graph.CycleError[string]
	if errors.As(err, &rings) {
		return nil, s.cycle(rings.Cycles)
	}
	out := make([]extension.Member, 0, len(order))
	for _, label := range order {
		out = append(out, members[label])
	}
	return out, err
}

// cycle is the Fault of rings, the same for every member of them.
func (s *selection) cycle(rings [][]string) error {
	paths := make([]string, len(rings))
	for i, ring := range rings {
		paths[i] = graph.Path(ring)
	}
	for i := range s.requirements {
		r := &s.requirements[i]
		from, to := idOf(r.By).String(), wanted(r.Dependency).String()
		for at, ring := range rings {
			if place := slices.Index(ring, from); place >= 0 && ring[(place+1)%len(ring)] == to {
				r.State, r.Message = extension.DependencyIsCycle, "is on the cycle "+paths[at]
				break
			}
		}
	}
	head, tail := "dependencies form a cycle: ", "; remove one of these dependencies from its manifest"
	if len(head)+len(paths[0])+len(manyMore)+len(tail) > maxMessage {
		paths[0] = strings.Join(rings[0][:5], " → ") + " → …"
		head = fmt.Sprintf("dependencies form a cycle of %d, whole in status.dependencies, that begins with ", len(rings[0]))
	}
	return extension.NewFault(extension.DependencyCycle, "%s", fit(head, paths, "; ", tail))
}

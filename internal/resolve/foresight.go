// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// foresee is what to say of a candidate that has failed for now: that, unless it would
// wait in a ring. As with any other cycle, no older candidate is taken then, unless
// there is something else that this one cannot wait for.
func (q *inquiry) foresee(ctx context.Context, failed *failure, seekers *peers) error {
	switch ring, err := q.ring(ctx, failed.root, seekers); {
	case err != nil:
		return err
	case ring == nil:
		return failed
	case failed.passing:
		q.res.Root, q.res.Dependencies = ring.root, ring.dependencies
		return ring.fault
	default:
		return ring
	}
}

// ring finds a cycle in which everybody would wait for the next for ever: one of
// what the Extensions of the namespace are Ready with or ask for. It is nil where
// there is none, or none can be foreseen: what was asked wakes whoever waits.
func (q *inquiry) ring(ctx context.Context, root extension.Member, seekers *peers) (*failure, error) {
	x := newIndex(&prospects{catalogs: q.catalogs, peers: seekers})
	answer, err := q.solver.solve(ctx, problem{root: root, index: x, lenient: true, steps: q.aside})
	if err != nil || answer.chosen == nil {
		return nil, ctx.Err()
	}
	chosen, err := q.gather(ctx, x, root, answer.chosen)
	if err != nil {
		return nil, ctx.Err()
	}
	f := &failure{root: root, dependencies: chosen.requirements}
	if _, err := chosen.ordered(); !errors.As(err, &f.fault) {
		return nil, err
	}
	for i := range f.dependencies {
		if r := &f.dependencies[i]; r.State != extension.DependencyIsCycle && !q.isRoot(wanted(r.Dependency)) {
			if err := q.restate(ctx, r); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// restate tells how a demand fares now, of which something else was foreseen.
func (q *inquiry) restate(ctx context.Context, r *extension.Requirement) error {
	shelf, err := q.index.shelf(ctx, wanted(r.Dependency))
	if err != nil {
		return err
	}
	constraint, err := q.index.constraint(r.Constraint)
	if err != nil {
		return err
	}
	var on extension.Member
	if at := slices.IndexFunc(shelf.versions, constraint.Accepts); at >= 0 {
		if on, _, err = q.index.source.member(ctx, extension.Key{Type: r.Type, Name: r.Name, Version: shelf.versions[at]}); err != nil {
			return err
		}
	}
	*r = extension.Requirement{Demand: r.Demand}
	return q.index.meet(ctx, r, on)
}

// prospects are the source of what peers have or may come to have: the versions of
// the catalogs that one of them is Ready with, or asks for.
type prospects struct {
	*catalogs
	peers *peers
}

func (p *prospects) versions(ctx context.Context, who id) ([]string, error) {
	if p.isRoot(who) {
		return p.catalogs.versions(ctx, who)
	}
	list, err := p.peers.of(ctx, who)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	o, err := p.dependencyOwner(ctx, who)
	if err != nil || o.catalog == nil {
		return nil, err
	}
	versions, err := p.catalogs.versions(ctx, who)
	return slices.DeleteFunc(versions, func(version string) bool {
		return !slices.ContainsFunc(list, func(peer Peer) bool { return peer.mayHave(o.catalog.Name(), version) })
	}), err
}

// mayHave tells whether a peer is Ready with a version of a catalog, or may come to be.
func (p Peer) mayHave(catalog, version string) bool {
	if p.Ready {
		return p.Loaded.Catalog == catalog && p.Loaded.Key.Version == version
	}
	c, err := extension.ParseConstraint(p.Wants)
	return err == nil && (p.Catalog == "" || p.Catalog == catalog) && c.Accepts(version)
}

// SPDX-License-Identifier: Apache-2.0

// Package resolve turns what is asked for (a Ref) into what will be loaded (a
// Plan), and remembers what it asked about on the way.
//
//	resolve.go                the ports, and the answer as one sentence
//	candidates.go             which version of what was asked for
//	catalogs.go, peers.go     where the versions of dependencies come from
//	solver.go, backtrack.go   which of them go together
//	lesson.go                 what a search does not try twice
//	plan.go                   what was chosen, in load order; broken ones and cycles
//	impossible.go             why nothing goes together
//	foresight.go              whether peers would wait for each other
package resolve

import (
	"context"

	"provisioning.dev/extension-operator/internal/extension"
)

// Catalog is a source of extensions, as resolving needs it.
type Catalog interface {
	// Name of the catalog, unique among all.
	Name() string
	// Find lists the versions of a name, newest first, as namespace may see them.
	// It is not found when the catalog has no such name or is closed to namespace.
	Find(ctx context.Context, namespace string, t extension.Type, name string) (offers []extension.Offer, found bool, err error)
	// Fetch copies a version that was found into the store.
	Fetch(ctx context.Context, key extension.Key) (extension.Member, error)
	// Recall gives a version as it was when it had that digest. It is not found when
	// neither the store nor the catalog has it so any more.
	Recall(ctx context.Context, key extension.Key, digest extension.Digest) (member extension.Member, found bool, err error)
	// Refresh reads a name again from its source.
	Refresh(ctx context.Context, t extension.Type, name string) error
	// Names lists the names of a type that namespace may see, in any order.
	Names(ctx context.Context, namespace string, t extension.Type) ([]string, error)
}

// Peers are the Extensions of namespaces, as Require needs them.
type Peers interface {
	// Peers lists the Extensions of a namespace that ask for a name, in any order.
	Peers(ctx context.Context, namespace string, t extension.Type, name string) ([]Peer, error)
}

// Peer is an Extension beside the one that is resolved.
type Peer struct {
	// Object is its name.
	Object string
	// Wants is its spec.version, Catalog its spec.catalogRef.
	Wants, Catalog string
	// Ready tells whether Loaded is what it is Ready with; Problem says why it is not,
	// once only a change helps.
	Ready   bool
	Problem string
	// Loaded is its last good load, as far as its status says: Key, Catalog, Path,
	// Digest and the dependencies.
	Loaded extension.Member
}

// Policy says what a dependency needs, as spec.dependencyPolicy does.
type Policy string

// The policies. The empty one is Load.
const (
	Load    Policy = "Load"
	Require Policy = "Require"
	Ignore  Policy = "Ignore"
)

// Request is one question to the Resolver.
type Request struct {
	Ref       extension.Ref
	Namespace string
	Policy    Policy
	// Floor, where it is not empty, is a version below which nothing is chosen.
	Floor string
	// Floors are versions of dependencies that are loaded: where one of them is gone,
	// no older one is chosen in its place. Each has Type, Name and Version.
	Floors []extension.Key
	// Refresh reads the catalogs again first.
	Refresh bool
	// Consult, where it is set, is told of each question before it is asked.
	Consult func(extension.Consulted)
}

// Resolver asks catalogs in their order.
type Resolver struct {
	catalogs []Catalog
	peers    Peers
	solver   solver
}

// New makes a Resolver; of two catalogs with a name, the earlier owns it. Without
// peers no request may have the policy Require.
func New(peers Peers, catalogs ...Catalog) *Resolver {
	return &Resolver{catalogs: catalogs, peers: peers, solver: backtracker{}}
}

// Resolve finds the newest version that fits and whose dependencies can be had, the
// newest of each that go together, and has all of them copied into the store.
// Every failure is a Fault (InvalidVersion, ExtensionNotFound, VersionNotFound,
// InvalidMetadata, LimitExceeded, DependencyMissing, DependencyNotReady,
// DependencyConflict, DependencyCycle, CatalogUnavailable …) or the context's error.
// The Resolution is filled as far as resolving came.
func (r *Resolver) Resolve(ctx context.Context, req Request) (extension.Resolution, error) {
	constraint, err := extension.ParseConstraint(req.Ref.Constraint)
	if err != nil {
		return extension.Resolution{}, err
	}
	steps, aside := maxSteps, maxSteps
	q := &inquiry{Resolver: r, req: req, steps: &steps, aside: &aside}
	q.catalogs = newCatalogs(q)
	q.index = newIndex(q.catalogs)
	if req.Policy == Require {
		q.index = newIndex(newPeers(q))
	}
	err = q.choose(ctx, constraint)
	return q.res, err
}

// inquiry is one call of Resolve.
type inquiry struct {
	*Resolver
	req Request
	res extension.Resolution
	// catalogs hold the root, and under all policies but Require its dependencies too.
	catalogs *catalogs
	// index of the dependencies.
	index *index
	// steps are left for choosing, aside for saying better why nothing was chosen.
	steps, aside *int
}

// isRoot tells whether a name is that of what was asked for.
func (q *inquiry) isRoot(who id) bool { return who == id{q.req.Ref.Type, q.req.Ref.Name} }

// consult notes a question before it is asked, so that no change of its answer is missed.
func (q *inquiry) consult(c extension.Consulted) {
	q.res.Consulted = append(q.res.Consulted, c)
	if q.req.Consult != nil {
		q.req.Consult(c)
	}
}

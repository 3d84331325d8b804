// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// inhabited draws a universe and Extensions beside the one that is resolved: some
// names have none, some several, some of which are not Ready.
func inhabited() *rapid.Generator[settlement] {
	return rapid.Custom(func(t *rapid.T) settlement {
		s := settlement{universe: universes().Draw(t, "universe"), n: &neighbours{}}
		s.req.Policy, s.req.Floors, s.broken = resolve.Require, nil, nil
		likely := rapid.SampledFrom([]int{50, 80, 100}).Draw(t, "likely Ready")
		s.ready = universe{offers: map[name][]extension.Offer{root: s.offers[root]}, needs: s.needs, req: s.req}
		for _, who := range slices.SortedFunc(maps.Keys(s.offers), compareNames) {
			label := extension.Label(who.Type, who.Name)
			var peers []resolve.Peer
			for _, offer := range s.offers[who] {
				if who == root || rapid.IntRange(0, 99).Draw(t, "peer") >= 70 {
					continue
				}
				peer := ready("peer-"+offer.Version, label+"@"+offer.Version)
				if peer.Ready = rapid.IntRange(0, 99).Draw(t, "Ready") < likely; peer.Ready {
					s.ready.offers[who] = append(s.ready.offers[who], extension.Offer{Version: offer.Version})
				}
				peers = append(peers, peer)
			}
			s.n.beside(label, peers...)
		}
		return s
	})
}

type settlement struct {
	universe
	n *neighbours
	// ready is the universe of what the peers are Ready with.
	ready universe
}

// hopeful tells whether what a root lacks may all come by itself.
func (s settlement) hopeful(lacks []extension.Demand) bool {
	return !slices.ContainsFunc(lacks, func(d extension.Demand) bool {
		peers := s.n.of["team-a/"+extension.Label(d.Type, d.Name)]
		return targetOf(d.Dependency) == root || len(peers) > 0 && !slices.ContainsFunc(peers, func(p resolve.Peer) bool { return !p.Ready })
	})
}

// lacking are the demands of a solution that nothing meets.
func (u universe) lacking(chosen []extension.Key) []extension.Demand {
	var lacks []extension.Demand
	for _, r := range u.requirements(chosen) {
		if r.Version == "" {
			lacks = append(lacks, r.Demand)
		}
	}
	return lacks
}

// verdict is that of the newest root which can be had, up to one that is worth
// waiting for; where there is none, that of the newest.
func (s settlement) verdict() verdict {
	newest := verdict{code: extension.VersionNotFound}
	for _, offer := range s.offers[root] {
		key := extension.Key{Type: root.Type, Name: root.Name, Version: offer.Version}
		if offer.Incomplete != "" || !accepts(s.req.Ref.Constraint, offer.Version) {
			continue
		}
		v := s.ready.fate(key)
		if v.code != extension.DependencyMissing && v.code != extension.DependencyConflict {
			return v
		}
		if newest.root.Version == "" {
			newest = v
		}
		if v.code == extension.DependencyMissing && s.hopeful(s.ready.lacking(v.chosen)) {
			break
		}
	}
	return newest
}

func TestWhatIsRequiredIsTheBestOfWhatIsReady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s := inhabited().Draw(t, "settlement")
		want := s.verdict()
		got, err := beside(s.n, s.catalog(asWritten), s.req)
		if want.code == "" {
			g.Expect(err).NotTo(HaveOccurred())
			s.ready.expectPlan(g, got, want)
			return
		}
		g.Expect(err).To(HaveOccurred())
		fault := extension.AsFault(err)
		if fault.Code == extension.DependencyCycle && want.code != extension.DependencyCycle {
			s.expectForeseen(g, got)
			return
		}
		g.Expect(got.Root.Key).To(Equal(want.root))
		switch want.code {
		case extension.DependencyConflict:
			g.Expect(fault.Code).To(Equal(want.code))
			s.ready.expectConflict(g, got, want.root)
		case extension.DependencyMissing:
			g.Expect(fault.Class()).To(Equal(extension.Waiting))
			var lacks []extension.Demand
			for _, r := range got.Dependencies {
				if r.State != "" {
					lacks = append(lacks, r.Demand)
					there := targetOf(r.Dependency) != root && len(s.n.of["team-a/"+extension.Label(r.Type, r.Name)]) > 0
					g.Expect(r.State == extension.DependencyIsNotReady).To(Equal(there))
					g.Expect(fault.Code == extension.DependencyMissing || there).To(BeTrue())
				}
			}
			g.Expect(lacks).To(HaveExactElements(s.ready.lacking(want.chosen)))
		default:
			g.Expect(fault.Code).To(Equal(want.code))
		}
	})
}

// expectForeseen checks that what is told of a cycle is one: somebody's demands, of
// which each leads to the next, for versions that there are.
func (s settlement) expectForeseen(g Gomega, got extension.Resolution) {
	from, to := map[name]int{}, map[name]int{}
	for _, r := range got.Dependencies {
		g.Expect(s.demands(r.By)).To(ContainElement(r.Demand))
		if r.State == extension.DependencyIsCycle {
			from[nameOf(r.By)]++
			to[targetOf(r.Dependency)]++
			g.Expect(accepts(r.Constraint, r.Version)).To(BeTrue())
			peers := s.n.of["team-a/"+extension.Label(r.Type, r.Name)]
			g.Expect(targetOf(r.Dependency) == root || len(peers) > 0).To(BeTrue(), "who has no Extension waits for nobody")
		}
	}
	g.Expect(from).NotTo(BeEmpty())
	g.Expect(slices.Collect(maps.Keys(from))).To(ConsistOf(slices.Collect(maps.Keys(to))))
}

func TestOnlyThePeersThatWereConsultedDecide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		s, other := inhabited().Draw(t, "settlement"), inhabited().Draw(t, "other")
		got, err := beside(s.n, s.catalog(asWritten), s.req)
		for _, who := range append(slices.Clone(everybody), nobody) {
			label := extension.Label(who.Type, who.Name)
			if !slices.Contains(got.Consulted, askedOfTeamA(label)) {
				s.n.beside(label, other.n.of["team-a/"+label]...)
			}
		}
		again, errAgain := beside(s.n, s.catalog(asWritten), s.req)
		expectSame(g, errAgain, err)
		g.Expect(again).To(Equal(got))
	})
}

// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

func answered(c resolve.Catalog, req resolve.Request) (extension.Resolution, error) {
	return resolve.New(nil, c).Resolve(context.Background(), req)
}

func TestTheSolutionIsTheBestOfAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		u := universes().Draw(t, "universe")
		want := u.verdict()
		got, err := answered(u.catalog(asWritten), u.req)
		if want.code == "" {
			g.Expect(err).NotTo(HaveOccurred())
			u.expectPlan(g, got, want)
			return
		}
		g.Expect(err).To(HaveOccurred())
		fault := extension.AsFault(err)
		g.Expect(fault.Code).To(Equal(want.code), fault.Message)
		g.Expect(fault.Transient).To(BeFalse())
		g.Expect(len(fault.Message)).To(BeNumerically("<=", 1024))
		g.Expect(got.Plan.Members).To(BeEmpty())
		g.Expect(got.Root.Key).To(Equal(want.root))
		switch want.code {
		case extension.InvalidMetadata:
			g.Expect(slices.Collect(maps.Keys(fault.Dependencies))).To(ConsistOf(u.failing(want.chosen)))
			u.expectRequirements(g, got, want)
		case extension.DependencyMissing:
			u.expectRequirements(g, got, want)
			for _, r := range got.Dependencies {
				if r.Version == "" {
					g.Expect(u.alone(r.Demand)).To(BeFalse(), "what is missing is met by nothing")
					g.Expect(fault.Message).To(ContainSubstring(r.Dependency.String()))
				}
			}
		case extension.DependencyConflict:
			u.expectConflict(g, got, want.root)
		default:
			g.Expect(want.code).To(BeElementOf(extension.DependencyCycle, extension.VersionNotFound))
		}
	})
}

// expectPlan checks a plan by the meaning of the words as well as against the best.
func (u universe) expectPlan(g Gomega, got extension.Resolution, want verdict) {
	members := planned(got.Plan)
	g.Expect(got.Plan.Root().Key).To(Equal(want.root))
	g.Expect(got.Root).To(Equal(got.Plan.Root()))
	g.Expect(got.Plan.Alone).To(Equal(u.req.Policy == resolve.Ignore && len(members) > 1))
	needed := map[name]bool{root: true}
	before := map[name]string{}
	for _, m := range got.Plan.Members {
		g.Expect(m.Digest).To(Equal(digestOf("builtin", m.Key)))
		g.Expect(before).NotTo(HaveKey(nameOf(m.Key)), "a name is there once")
		for _, d := range m.Metadata.Dependencies {
			version, has := before[targetOf(d)]
			demand := extension.Demand{By: m.Key, Dependency: d}
			if u.req.Policy == resolve.Ignore && (!u.alone(demand) || u.met(u.failing(want.chosen), demand)) {
				continue
			}
			g.Expect(has).To(BeTrue(), "%s stands before %s", d, m.Key)
			g.Expect(accepts(d.Constraint, version)).To(BeTrue(), "%s is what %s needs", version, m.Key)
			needed[targetOf(d)] = true
		}
		before[nameOf(m.Key)] = m.Key.Version
	}
	g.Expect(slices.Collect(maps.Keys(before))).To(ConsistOf(slices.Collect(maps.Keys(needed))), "nobody is there whom nobody needs")
	g.Expect(members).To(ConsistOf(slices.DeleteFunc(slices.Clone(want.chosen), func(key extension.Key) bool { return u.broken[key] })))
	u.expectRequirements(g, got, want)
}

// expectRequirements checks that every demand of what was chosen is told, and the
// state of those that fail.
func (u universe) expectRequirements(g Gomega, got extension.Resolution, want verdict) {
	expected := u.requirements(want.chosen)
	for i := range expected {
		r := &expected[i]
		switch broken := u.broken[r.Chosen()]; {
		case r.Version == "":
			r.State = extension.DependencyIsMissing
		case broken && want.code != extension.DependencyMissing:
			r.State = extension.DependencyIsNotReady
			fallthrough
		case broken:
			r.Digest = "" // nothing was stored
		}
	}
	found := slices.Clone(got.Dependencies)
	for i := range found {
		g.Expect(found[i].Message != "").To(Equal(found[i].State != ""))
		found[i].Message = ""
	}
	g.Expect(found).To(HaveExactElements(expected))
}

// expectConflict checks that a group of demands cannot be met, that it could be
// without any one of them, and that each is somebody's.
func (u universe) expectConflict(g Gomega, got extension.Resolution, root extension.Key) {
	var group []extension.Demand
	for _, r := range got.Dependencies {
		g.Expect(r.State).To(Equal(extension.DependencyIsConflict))
		g.Expect(u.demands(r.By)).To(ContainElement(r.Demand))
		group = append(group, r.Demand)
	}
	in := func(d extension.Demand) bool { return slices.Contains(group, d) }
	g.Expect(u.best(root, in)).To(BeNil(), "the group %v cannot be met", group)
	for _, spare := range group {
		g.Expect(u.best(root, func(d extension.Demand) bool { return in(d) && d != spare })).NotTo(BeNil(),
			"%v can be met without %v", group, spare)
	}
}

func expectSame(g Gomega, got, want error) {
	if want == nil {
		g.Expect(got).NotTo(HaveOccurred())
		return
	}
	g.Expect(got).To(Equal(want))
}

func TestTheOrderInAManifestChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		u := universes().Draw(t, "universe")
		got, err := answered(u.catalog(asWritten), u.req)
		again, errAgain := answered(u.catalog(func(list []extension.Dependency) {
			copy(list, rapid.Permutation(slices.Clone(list)).Draw(t, "order"))
		}), u.req)
		expectSame(g, errAgain, err)
		g.Expect(planned(again.Plan)).To(Equal(planned(got.Plan)))
		g.Expect(again.Dependencies).To(Equal(got.Dependencies))
		g.Expect(again.Candidates).To(Equal(got.Candidates))
		g.Expect(again.Consulted).To(Equal(got.Consulted))
	})
}

func TestOnlyWhatWasConsultedDecides(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		u := universes().Draw(t, "universe")
		got, err := answered(u.catalog(asWritten), u.req)
		other := universes().Draw(t, "other")
		for _, who := range everybody {
			asked := slices.Contains(got.Consulted, extension.Consulted{Catalog: "builtin", Type: who.Type, Name: who.Name})
			if asked {
				continue
			}
			delete(u.offers, who)
			if offers, has := other.offers[who]; has {
				u.offers[who] = offers
			}
			for key := range u.needs {
				if nameOf(key) == who {
					delete(u.needs, key)
				}
			}
			for key, needs := range other.needs {
				if nameOf(key) == who {
					u.needs[key], u.broken[key] = needs, other.broken[key]
				}
			}
		}
		again, errAgain := answered(u.catalog(asWritten), u.req)
		expectSame(g, errAgain, err)
		g.Expect(again).To(Equal(got))
	})
}

// The words that only a universe as a whole can say are not lost in the random ones.
func TestTheUniversesHaveEveryKindOfAnswer(t *testing.T) {
	g := NewWithT(t)
	seen := map[extension.Code]int{}
	for seed := range 200 {
		seen[universes().Example(seed).verdict().code]++
	}
	t.Log(seen)
	for _, code := range strings.Fields("VersionNotFound InvalidMetadata DependencyMissing DependencyConflict DependencyCycle") {
		g.Expect(seen[extension.Code(code)]).To(BeNumerically(">", 0), code)
	}
	g.Expect(seen[""]).To(BeNumerically(">", 40))
}

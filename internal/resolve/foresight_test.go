// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// A ring of Extensions that require each other: none is Ready first, so all would
// wait for ever.
func TestACycleOfPeersIsForeseen(t *testing.T) {
	for name, lines := range map[string][]string{
		"a → b → a":     {"a 1.0.0: b", "b 1.0.0: a"},
		"a → b → c → a": {"a 1.0.0: b", "b 1.0.0: c", "c 1.0.0: a"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			members := strings.Split(name[:strings.LastIndex(name, " → ")], " → ")
			n := &neighbours{}
			for _, m := range members {
				n.beside(m, waiting(m, "", "it was not looked at yet"))
			}
			for _, m := range members {
				got, err := beside(n, shelves("builtin", lines...), requiring(m))
				fault := expectFault(g, err, extension.DependencyCycle,
					"dependencies form a cycle: "+name+"; remove one of these dependencies from its manifest")
				g.Expect(fault.Class()).To(Equal(extension.Terminal))
				g.Expect(got.Dependencies).To(HaveLen(len(members)))
				g.Expect(got.Dependencies).To(HaveEach(HaveField("State", extension.DependencyIsCycle)))
				g.Expect(got.Root.Key.Name).To(Equal(m))
				for _, other := range members {
					g.Expect(got.Consulted).To(ContainElement(askedOfBuiltin(other)))
					if other != m {
						g.Expect(got.Consulted).To(ContainElement(askedOfTeamA(other)))
					}
				}
				g.Expect(got.Consulted).NotTo(ContainElement(askedOfTeamA(m)), "nobody waits for itself")
			}

			last := members[len(members)-1]
			mended := slices.Concat(lines[:len(lines)-1], []string{last + " 1.0.0"})
			for _, m := range members[:len(members)-1] {
				_, err := beside(n, shelves("builtin", mended...), requiring(m))
				g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyNotReady), "without an edge it clears")
			}
			_, err := beside(n, shelves("builtin", mended...), requiring(last))
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
}

func TestACycleOfPeersThatAreReady(t *testing.T) {
	g := NewWithT(t)
	n := (&neighbours{}).beside("b", ready("b", "b@1.0.0"))
	_, err := beside(n, shelves("builtin", "a 1.0.0: b", "b 1.0.0: a"), requiring("a"))
	expectFault(g, err, extension.DependencyCycle, "dependencies form a cycle: a → b → a; remove one of these dependencies from its manifest")
}

func TestWhatIsNotOnAForeseenCycleIsToldAsItIs(t *testing.T) {
	g := NewWithT(t)
	n := (&neighbours{}).beside("b", waiting("b", "", "Loading")).beside("c", waiting("c", "", "Loading")).beside("d", ready("d", "d@1.0.0"))
	got, err := beside(n, shelves("builtin", "a 1.0.0: b, c, d, e", "b 1.0.0: a", "c 1.0.0", "d 1.1.0 1.0.0", "e 1.0.0"), requiring("a"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyCycle))
	g.Expect(told(got.Dependencies)).To(Equal([]string{
		"a 1.0.0 needs b: 1.0.0 Cycle", "a 1.0.0 needs c: NotReady", "a 1.0.0 needs d: 1.0.0", "a 1.0.0 needs e: Missing",
		"b 1.0.0 needs a: 1.0.0 Cycle",
	}))
	g.Expect(got.Dependencies[1].Message).To(Equal("c, required by taskserv:a:1.0.0, is not satisfied: Extension c is not Ready (Loading)"))
	g.Expect(got.Dependencies[3].Message).To(ContainSubstring("has no Extension in namespace team-a"))
}

func TestAForeseenCycleIsNoReasonForAnOlderVersion(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"a 2.0.0: b", "a 1.0.0", "b 1.0.0: a"}
	n := (&neighbours{}).beside("b", waiting("b", "", "Loading"))
	got, err := beside(n, shelves("builtin", lines...), requiring("a"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyCycle))
	g.Expect(got.Candidates).To(Equal([]extension.Candidate{candidate("2.0.0", "")}))

	lines[0] += ", c@^2"
	n.beside("c", ready("c", "c@1.0.0"))
	got, err = beside(n, shelves("builtin", append(lines, "c 1.0.0")...), requiring("a"))
	g.Expect(err).NotTo(HaveOccurred(), "but what does not fit is")
	g.Expect(planned(got.Plan)).To(Equal(keys("a@1.0.0")))
	g.Expect(got.Candidates[0].Refused).To(Equal("dependencies form a cycle: a → b → a; remove one of these dependencies from its manifest"))
}

func TestNoCycleIsForeseen(t *testing.T) {
	suspended := ready("b", "b@1.0.0")
	suspended.Wants = "^1"
	elsewhere := waiting("b", "", "Loading")
	elsewhere.Catalog = "other"
	for name, c := range map[string]struct {
		b     resolve.Peer
		lines []string
	}{
		"where the peer wants a version that closes none":   {waiting("b", "~1.0", "Loading"), []string{"b 1.1.0: a", "b 1.0.0"}},
		"where the demand takes a version that closes none": {waiting("b", "", "Loading"), []string{"b 2.0.0: a", "b 1.0.0"}},
		"where the peer is Ready with one that closes none": {suspended, []string{"b 1.1.0: a", "b 1.0.0"}},
		"where the peer looks in another catalog":           {elsewhere, []string{"b 1.1.0: a", "b 1.0.0"}},
		"where the peer wants nothing that there is":        {waiting("b", "^9", "VersionNotFound"), []string{"b 1.1.0: a", "b 1.0.0"}},
		"where the peer wants what nobody can read":         {waiting("b", "latest", "InvalidVersion"), []string{"b 1.1.0: a", "b 1.0.0"}},
		"where what it wants is broken":                     {waiting("b", "", "InvalidMetadata"), []string{"b 1.5.0: a", "b 1.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			catalog := shelves("builtin", append(c.lines, "a 1.0.0: b@^1, c", "c 1.0.0")...)
			catalog.fetch["taskserv:b:1.5.0"] = extension.NewFault(extension.InvalidMetadata, "its manifest is no TOML")
			n := (&neighbours{}).beside("b", c.b).beside("c", waiting("c", "", "Loading"))
			_, err := beside(n, catalog, requiring("a"))
			g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyNotReady), extension.AsFault(err).Message)
		})
	}
}

func TestWhatCannotBeForeseenIsNoFailure(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "a 1.0.0: b", "b 1.0.0: a")
	catalog.find["b"] = extension.NewTransientFault(extension.CatalogUnavailable, nil, "library builtin cannot be read")
	_, err := beside((&neighbours{}).beside("b", waiting("b", "", "Loading")), catalog, requiring("a"))
	expectFault(g, err, extension.DependencyNotReady,
		"a dependency is not ready: b, required by taskserv:a:1.0.0, is not satisfied: Extension b is not Ready (Loading)")
}

// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// ring makes n names that depend on each other in a circle: the last on the first.
func ring(n int) (names, lines []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("member-%02d", i))
	}
	for i, name := range names {
		lines = append(lines, fmt.Sprintf("%s 1.0.0: %s", name, names[(i+1)%n]))
	}
	return names, lines
}

func TestACycleReadsTheSameFromEveryMember(t *testing.T) {
	for _, n := range []int{2, 3, 50} {
		t.Run(fmt.Sprintf("of %d", n), func(t *testing.T) {
			g := NewWithT(t)
			names, lines := ring(n)
			path := strings.Join(append(names, names[0]), " → ")
			for i, name := range names[:n] {
				got, err := answered(shelves("builtin", lines...), wish(name))
				fault := expectFault(g, err, extension.DependencyCycle,
					"dependencies form a cycle: "+path+"; remove one of these dependencies from its manifest")
				g.Expect(fault.Class()).To(Equal(extension.Terminal))
				g.Expect(len(fault.Message)).To(BeNumerically("<=", 1024))
				g.Expect(got.Plan.Members).To(BeEmpty())
				g.Expect(got.Root.Key).To(Equal(keyOf(name + "@1.0.0")))
				g.Expect(got.Dependencies).To(HaveLen(n))
				g.Expect(got.Dependencies).To(HaveEach(And(
					HaveField("State", extension.DependencyIsCycle), HaveField("Message", "is on the cycle "+path), HaveField("Version", "1.0.0"))))
				g.Expect(got.Consulted).To(HaveLen(n+1), "whatever edge is removed, %d hears of it", i)
			}
		})
	}
}

func TestALongCycleHasRoomInAMessage(t *testing.T) {
	g := NewWithT(t)
	for n := 60; n <= 256; n++ {
		names, lines := ring(n)
		got, err := answered(shelves("builtin", lines...), wish(names[n/2]))
		g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyCycle))
		g.Expect(len(err.Error())).To(BeNumerically("<=", 1024), "of %d", n)
		g.Expect(err).To(MatchError(HaveSuffix("; remove one of these dependencies from its manifest")))
		g.Expect(got.Dependencies).To(HaveLen(n))
	}
}

func TestACycleEndsWhereAnyEdgeIsRemoved(t *testing.T) {
	g := NewWithT(t)
	names, lines := ring(3)
	for i := range lines {
		mended := append([]string{}, lines...)
		mended[i], _, _ = strings.Cut(lines[i], ":")
		for _, name := range names {
			got, err := answered(shelves("builtin", mended...), wish(name))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Plan.Root().Key.Name).To(Equal(name))
		}
	}
}

func TestWhoDependsOnACycleIsToldOfIt(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin", "kubernetes 1.0.0: provider/b, d, f", "provider/b 1.0.0: a", "a 1.0.0: provider/b",
		"d 1.0.0: c, e", "c 1.0.0: d", "e 1.0.0: d", "f 1.0.0"), wish("kubernetes"))
	expectFault(g, err, extension.DependencyCycle, "dependencies form a cycle: "+
		"a → provider/b → a; c → d → c; d → e → d; remove one of these dependencies from its manifest")
	g.Expect(told(got.Dependencies)).To(Equal([]string{
		"kubernetes 1.0.0 needs provider/b: 1.0.0", "kubernetes 1.0.0 needs d: 1.0.0", "kubernetes 1.0.0 needs f: 1.0.0",
		"provider/b 1.0.0 needs a: 1.0.0 Cycle", "d 1.0.0 needs c: 1.0.0 Cycle", "d 1.0.0 needs e: 1.0.0 Cycle",
		"a 1.0.0 needs provider/b: 1.0.0 Cycle", "c 1.0.0 needs d: 1.0.0 Cycle", "e 1.0.0 needs d: 1.0.0 Cycle",
	}))
}

func TestACycleIsNoReasonForAnOlderVersion(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"kubernetes 1.1.0: etcd", "kubernetes 1.0.0: etcd", "etcd 3.6.0: kubernetes", "etcd 3.5.0"}
	got, err := answered(shelves("builtin", lines...), wish("kubernetes"))
	expectFault(g, err, extension.DependencyCycle,
		"dependencies form a cycle: etcd → kubernetes → etcd; remove one of these dependencies from its manifest")
	g.Expect(got.Candidates).To(Equal([]extension.Candidate{candidate("1.1.0", "")}))

	got, err = answered(shelves("builtin", append(lines, "runc 1.0.0: etcd@<3.6, kubernetes")...), wish("runc"))
	g.Expect(err).NotTo(HaveOccurred(), "the set that is chosen has none")
	g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.5.0 kubernetes@1.1.0 runc@1.0.0")))
}

// A demand that nothing meets is no edge, also where it would close a circle.
func TestIgnoreStillRefusesACycle(t *testing.T) {
	g := NewWithT(t)
	req := wish("kubernetes")
	req.Policy = resolve.Ignore
	_, err := answered(shelves("builtin", "kubernetes 1.0.0: etcd", "etcd 3.5.0: kubernetes"), req)
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyCycle))

	got, err := answered(shelves("builtin", "kubernetes 1.0.0: etcd", "etcd 3.5.0: kubernetes@^2"), req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.5.0 kubernetes@1.0.0")))
}

func TestADependencyOnItself(t *testing.T) {
	g := NewWithT(t)
	_, err := answered(shelves("builtin", "kubernetes 1.0.0: kubernetes"), wish("kubernetes"))
	expectFault(g, err, extension.DependencyCycle,
		"dependencies form a cycle: kubernetes → kubernetes; remove one of these dependencies from its manifest")
}

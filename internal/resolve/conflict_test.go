// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestDependencyConflict(t *testing.T) {
	for name, c := range map[string]struct {
		lines   []string
		message string
		group   []string
	}{
		"two parents": {
			[]string{"kubernetes 1.28.0: left, right, unconcerned", "left 1.0.0: base@^1, unconcerned", "right 1.0.0: base@^2", "base 2.0.0 1.0.0", "unconcerned 1.0.0"},
			"kubernetes 1.28.0 needs left; kubernetes 1.28.0 needs right; left 1.0.0 needs base@^1; right 1.0.0 needs base@^2",
			[]string{
				"kubernetes 1.28.0 needs left: Conflict", "kubernetes 1.28.0 needs right: Conflict", "left 1.0.0 needs base@^1: Conflict", "right 1.0.0 needs base@^2: Conflict",
			},
		},
		"the root and a dependency": {
			[]string{"kubernetes 1.28.0: etcd, runc@^1", "etcd 3.5.0: runc@^2", "runc 2.0.0 1.0.0"},
			"kubernetes 1.28.0 needs etcd; kubernetes 1.28.0 needs runc@^1; etcd 3.5.0 needs runc@^2",
			[]string{"etcd 3.5.0 needs runc@^2: Conflict", "kubernetes 1.28.0 needs etcd: Conflict", "kubernetes 1.28.0 needs runc@^1: Conflict"},
		},
		"every version of a parent": {
			[]string{
				"kubernetes 1.28.0: etcd, runc@^1", "etcd 3.5.2 3.5.1 3.5.0 3.4.9 3.4.8 3.4.7: runc@^2", "etcd 3.3.0: runc@^3", "runc 3.0.0 2.0.0 1.0.0",
			},
			"kubernetes 1.28.0 needs etcd; kubernetes 1.28.0 needs runc@^1; etcd 3.5.2, 3.5.1, 3.5.0, 3.4.9, 3.4.8 and 1 more need runc@^2; etcd 3.3.0 needs runc@^3",
			nil,
		},
		"three that fit two by two": {
			[]string{"kubernetes 1.28.0: a, b, c", "a 1.0.0: x@<3", "b 1.0.0: x@>=2", "c 1.0.0: x@!=2.0.0", "x 3.0.0 2.0.0 1.0.0"},
			"kubernetes 1.28.0 needs a; kubernetes 1.28.0 needs b; kubernetes 1.28.0 needs c; a 1.0.0 needs x@<3; b 1.0.0 needs x@>=2; c 1.0.0 needs x@!=2.0.0",
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := answered(shelves("builtin", c.lines...), wish("kubernetes@1.28.0"))
			fault := expectFault(g, err, extension.DependencyConflict,
				"no versions of the dependencies go together: "+c.message+"; change one of these ranges, or publish a version that fits")
			g.Expect(fault.Class()).To(Equal(extension.TerminalOnceSynced))
			g.Expect(got.Root.Key).To(Equal(keyOf("kubernetes@1.28.0")))
			g.Expect(got.Dependencies).To(HaveEach(HaveField("Message", "cannot be met together with the others that conflict")))
			if c.group != nil {
				g.Expect(told(got.Dependencies)).To(Equal(c.group))
			}
		})
	}
}

// The version that is asked for is the only one there is, whoever wants another.
func TestADependencyThatWantsAnotherRoot(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.28.0 1.27.0: etcd", "etcd 3.5.0: kubernetes@<1.28")
	_, err := answered(catalog, wish("kubernetes@1.28.0"))
	expectFault(g, err, extension.DependencyConflict, "no versions of the dependencies go together: kubernetes 1.28.0 needs etcd; "+
		"etcd 3.5.0 needs kubernetes@<1.28; change one of these ranges, or publish a version that fits")

	got, err := answered(catalog, wish("kubernetes"))
	expectFault(g, err, extension.DependencyCycle,
		"dependencies form a cycle: etcd → kubernetes → etcd; remove one of these dependencies from its manifest")
	g.Expect(got.Root.Key).To(Equal(keyOf("kubernetes@1.27.0")))

	_, err = answered(shelves("builtin", "kubernetes 1.28.0: etcd", "etcd 3.5.0: kubernetes@^9"), wish("kubernetes"))
	expectFault(g, err, extension.DependencyMissing,
		"a dependency is missing: kubernetes@^9, required by taskserv:etcd:3.5.0, fits no version; available: 1.28.0")
}

func TestWhatIsMissingAloneIsNoPartOfAConflict(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin", "kubernetes 1.0.0: left, right, nowhere", "left 1.0.0: base@^1", "right 1.0.0: base@^2", "base 2.0.0 1.0.0"),
		wish("kubernetes"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyConflict))
	g.Expect(got.Dependencies).To(HaveLen(4))
	g.Expect(told(got.Dependencies)).NotTo(ContainElement(ContainSubstring("nowhere")))
}

func TestALongConflictHasRoomInAMessage(t *testing.T) {
	g := NewWithT(t)
	lines := []string{"kubernetes 1.0.0: etcd, runc@9.0.0", "runc 9.0.0"}
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("etcd 1.%d.0: runc@<=1.%d", i, i), fmt.Sprintf("runc 1.%d.0", i))
	}
	got, err := answered(shelves("builtin", lines...), wish("kubernetes"))
	message := extension.AsFault(err).Message
	g.Expect(got.Dependencies).To(HaveLen(42))
	g.Expect(len(message)).To(BeNumerically("<=", 1024))
	g.Expect(message).To(MatchRegexp(`^no versions of the dependencies go together: kubernetes 1.0.0 needs etcd; kubernetes 1.0.0 needs runc@9.0.0; ` +
		`etcd 1.39.0 needs runc@<=1.39; .* and \d+ more; change one of these ranges, or publish a version that fits$`))
	g.Expect(strings.Count(message, "etcd")).To(BeNumerically(">", 20))
}

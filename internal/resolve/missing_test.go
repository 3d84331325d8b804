// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

func TestDependencyMissing(t *testing.T) {
	for name, c := range map[string]struct {
		lines        []string
		message      string
		requirements []string
	}{
		"a name that nobody has": {
			[]string{"kubernetes 1.28.0: postgresql"},
			"a dependency is missing: postgresql, required by taskserv:kubernetes:1.28.0, is in no catalog",
			[]string{"kubernetes 1.28.0 needs postgresql: Missing"},
		},
		"a slip of the pen": {
			[]string{"kubernetes 1.28.0: contianerd@^1.7", "containerd 1.7.0", "contained-in 1.0.0"},
			"a dependency is missing: contianerd@^1.7, required by taskserv:kubernetes:1.28.0, is in no catalog; did you mean containerd?",
			[]string{"kubernetes 1.28.0 needs contianerd@^1.7: Missing"},
		},
		"a slip of the pen in another type": {
			[]string{"kubernetes 1.28.0: provider/upclout", "provider/upcloud 1.0.0", "upclout-tools 1.0.0"},
			"a dependency is missing: provider/upclout, required by taskserv:kubernetes:1.28.0, is in no catalog; did you mean provider/upcloud?",
			[]string{"kubernetes 1.28.0 needs provider/upclout: Missing"},
		},
		"a provider that was taken for a taskserv": {
			[]string{"kubernetes 1.28.0: upcloud@^1", "provider/upcloud 1.0.0", "upclout 1.0.0"},
			"a dependency is missing: upcloud@^1, required by taskserv:kubernetes:1.28.0, is in no catalog; " +
				"there is a provider of that name, written provider/upcloud",
			[]string{"kubernetes 1.28.0 needs upcloud@^1: Missing"},
		},
		"a taskserv that was taken for a cluster": {
			[]string{"kubernetes 1.28.0: cluster/etcd", "etcd 3.5.0"},
			"a dependency is missing: cluster/etcd, required by taskserv:kubernetes:1.28.0, is in no catalog; " +
				"there is a taskserv of that name, written taskserv/etcd",
			[]string{"kubernetes 1.28.0 needs cluster/etcd: Missing"},
		},
		"a range that fits nothing": {
			[]string{"kubernetes 1.28.0: etcd@^4", "etcd 3.5.9 3.5.0 3.4.0"},
			"a dependency is missing: etcd@^4, required by taskserv:kubernetes:1.28.0, fits no version; available: 3.5.9, 3.5.0, 3.4.0",
			[]string{"kubernetes 1.28.0 needs etcd@^4: Missing"},
		},
		"a version that does not exist": {
			[]string{"kubernetes 1.28.0: etcd@3.5.1", "etcd 3.5.0"},
			"a dependency is missing: etcd@3.5.1, required by taskserv:kubernetes:1.28.0, fits no version; available: 3.5.0",
			[]string{"kubernetes 1.28.0 needs etcd@3.5.1: Missing"},
		},
		"no stable version": {
			[]string{"kubernetes 1.28.0: etcd", "etcd 3.6.0-rc.1 3.6.0-rc.0"},
			"a dependency is missing: etcd, required by taskserv:kubernetes:1.28.0, has no stable version; available: 3.6.0-rc.1, 3.6.0-rc.0",
			[]string{"kubernetes 1.28.0 needs etcd: Missing"},
		},
		"no complete version": {
			[]string{"kubernetes 1.28.0: etcd@^3", "etcd 3.5.0!"},
			"a dependency is missing: etcd@^3, required by taskserv:kubernetes:1.28.0, fits no version; available: none",
			[]string{"kubernetes 1.28.0 needs etcd@^3: Missing"},
		},
		"all of them, those of dependencies too": {
			[]string{"kubernetes 1.28.0: etcd, runc, cni@^1", "etcd 3.5.0: runc, certs", "cni 0.9.0"},
			"3 dependencies are missing: cni@^1, required by taskserv:kubernetes:1.28.0, fits no version; available: 0.9.0; " +
				"runc, required by taskserv:kubernetes:1.28.0, is in no catalog; " +
				"certs, required by taskserv:etcd:3.5.0, is in no catalog; runc, required by taskserv:etcd:3.5.0, is in no catalog",
			[]string{
				"kubernetes 1.28.0 needs cni@^1: Missing", "kubernetes 1.28.0 needs etcd: 3.5.0", "kubernetes 1.28.0 needs runc: Missing",
				"etcd 3.5.0 needs certs: Missing", "etcd 3.5.0 needs runc: Missing",
			},
		},
		"two ranges of one name": {
			[]string{"kubernetes 1.28.0: etcd, runc@^3", "etcd 3.5.0: runc@^2", "runc 1.0.0"},
			"2 dependencies are missing: runc@^3, required by taskserv:kubernetes:1.28.0, fits no version; available: 1.0.0; " +
				"runc@^2, required by taskserv:etcd:3.5.0, fits no version; available: 1.0.0",
			[]string{"kubernetes 1.28.0 needs etcd: 3.5.0", "kubernetes 1.28.0 needs runc@^3: Missing", "etcd 3.5.0 needs runc@^2: Missing"},
		},
		"what is missing comes before what contradicts": {
			[]string{"kubernetes 1.28.0: nowhere, left", "left 1.0.0: base@^1", "base 2.0.0 1.0.0"},
			"a dependency is missing: nowhere, required by taskserv:kubernetes:1.28.0, is in no catalog",
			[]string{"kubernetes 1.28.0 needs left: 1.0.0", "kubernetes 1.28.0 needs nowhere: Missing", "left 1.0.0 needs base@^1: 1.0.0"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := answered(shelves("builtin", c.lines...), wish("kubernetes"))
			fault := expectFault(g, err, extension.DependencyMissing, c.message)
			g.Expect(fault.Class()).To(Equal(extension.TerminalOnceSynced))
			g.Expect(told(got.Dependencies)).To(Equal(c.requirements))
			g.Expect(got.Plan.Members).To(BeEmpty())
			g.Expect(got.Found()).To(BeTrue())
		})
	}
}

func TestWhatIsWrongWithANameIsToldOfADependency(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.28.0: etcd", "etcd 3.5.0")
	catalog.find["etcd"] = extension.NewFault(extension.InvalidMetadata, "taskservs/etcd has both a manifest.toml and folders of versions; move one away")
	_, err := answered(catalog, wish("kubernetes"))
	expectFault(g, err, extension.DependencyMissing, "a dependency is missing: etcd, required by taskserv:kubernetes:1.28.0, is broken: "+
		"taskservs/etcd has both a manifest.toml and folders of versions; move one away")
}

func TestAListOfWhatIsMissingHasRoomInAMessage(t *testing.T) {
	for name, c := range map[string]struct{ format, last string }{
		"64 short names": {"gone-%02d", "gone-63"},
		"64 long names":  {"gone-%02d-" + strings.Repeat("x", 55), " and 50 more"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var names []string
			for i := range 64 {
				names = append(names, fmt.Sprintf(c.format, i))
			}
			got, err := answered(shelves("builtin", "kubernetes 1.0.0: "+strings.Join(names, ",")), wish("kubernetes"))
			message := extension.AsFault(err).Message
			g.Expect(message).To(HavePrefix("64 dependencies are missing; see status.dependencies: " + names[0] + ", " + names[1] + ", "))
			g.Expect(message).To(HaveSuffix(c.last))
			g.Expect(len(message)).To(BeNumerically("<=", 1024))
			g.Expect(got.Dependencies).To(HaveLen(64))
			for i, r := range got.Dependencies {
				g.Expect(r.Message).To(Equal(names[i] + ", required by taskserv:kubernetes:1.0.0, is in no catalog"))
			}
		})
	}
}

func TestAHintNeedsNoMoreThanTheCatalogsCanTell(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.0.0: containerd", "contianerd 1.0.0")
	hidden := shelves("hidden", "containers 1.0.0")
	hidden.closed = []string{"team-a"}
	_, err := resolve.New(nil, hidden, catalog).Resolve(context.Background(), wish("kubernetes"))
	g.Expect(err).To(MatchError(HaveSuffix("is in no catalog; did you mean contianerd?")), "a name that team-a may not see is not told")
}

func TestIgnoreLeavesOutWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	req := wish("kubernetes")
	req.Policy = resolve.Ignore
	catalog := shelves("builtin", "kubernetes 1.28.0: etcd, runc, cni@^9", "etcd 3.5.0: runc, certs", "etcd 3.4.0", "cni 1.0.0", "certs 1.0.0")
	got, err := answered(catalog, req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(planned(got.Plan)).To(Equal(keys("certs@1.0.0 etcd@3.5.0 kubernetes@1.28.0")))
	g.Expect(got.Plan.Alone).To(BeTrue())
	g.Expect(told(got.Dependencies)).To(Equal([]string{
		"kubernetes 1.28.0 needs cni@^9: Missing", "kubernetes 1.28.0 needs etcd: 3.5.0", "kubernetes 1.28.0 needs runc: Missing",
		"etcd 3.5.0 needs certs: 1.0.0", "etcd 3.5.0 needs runc: Missing",
	}))

	got, err = answered(shelves("builtin", "kubernetes 1.28.0: runc"), req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(planned(got.Plan)).To(Equal(keys("kubernetes@1.28.0")))
	g.Expect(got.Plan.Alone).To(BeFalse(), "there is nobody else")

	_, err = answered(shelves("builtin", "kubernetes 1.28.0: a, b", "a 1.0.0: c@^1", "b 1.0.0: c@^2", "c 2.0.0 1.0.0"), req)
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyConflict), "what is there must still go together")
}

func TestADependencyNeverGoesDownByItself(t *testing.T) {
	for name, c := range map[string]struct{ shelf, need, floor, version, message string }{
		"it is still there":               {"3.5.1 3.5.0", "etcd@3.5.0", "3.5.1", "3.5.0", ""},
		"a newer one fits":                {"3.5.2 3.5.0", "etcd@^3", "3.5.1", "3.5.2", ""},
		"it is gone":                      {"3.5.0", "etcd@^3", "3.5.1", "", "3.5.0"},
		"it is incomplete":                {"3.5.1! 3.5.0", "etcd@^3", "3.5.1", "", "3.5.0"},
		"a newer one does not fit":        {"4.0.0 3.5.0", "etcd@^3", "3.5.1", "", "4.0.0, 3.5.0"},
		"its pre-release is an older one": {"3.5.1-rc.1", "etcd@>=3.5.1-0", "3.5.1", "", "3.5.1-rc.1"},
		"another's is no matter":          {"3.5.0", "etcd@^3", "", "3.5.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			req := wish("kubernetes")
			req.Floors = keys("provider/etcd@9.0.0 runc@9.0.0")
			if c.floor != "" {
				req.Floors = append(req.Floors, keyOf("etcd@"+c.floor))
			}
			got, err := answered(shelves("builtin", "kubernetes 1.28.0: "+c.need, "etcd "+c.shelf), req)
			if c.message != "" {
				expectFault(g, err, extension.DependencyMissing, fmt.Sprintf(
					"a dependency is missing: %s, required by taskserv:kubernetes:1.28.0, is gone at version %s, which is loaded, or incomplete; "+
						"available: %s; put it back, or request a reload to take an older one", c.need, c.floor, c.message))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Plan.Members[0].Key).To(Equal(keyOf("etcd@" + c.version)))
		})
	}
}

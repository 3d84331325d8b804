// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

func TestDependenciesAreChosenTogether(t *testing.T) {
	for name, c := range map[string]struct {
		wish  string
		lines []string
		plan  string
	}{
		"the newest stable of each": {
			"kubernetes", []string{"kubernetes 1.28.0: containerd, etcd", "containerd 2.0.0-rc.1 1.7.0 1.6.0", "etcd 3.5.1! 3.5.0"},
			"containerd@1.7.0 etcd@3.5.0 kubernetes@1.28.0",
		},
		"a pre-release where the range names one": {
			"kubernetes", []string{"kubernetes 1.28.0: containerd@>=2.0.0-0", "containerd 2.0.0-rc.1 1.7.0"}, "containerd@2.0.0-rc.1 kubernetes@1.28.0",
		},
		"a pre-release by its name": {
			"kubernetes", []string{"kubernetes 1.28.0: containerd@2.0.0-rc.1", "containerd 2.0.0 2.0.0-rc.1"}, "containerd@2.0.0-rc.1 kubernetes@1.28.0",
		},
		"no pre-release where another demand has no range": {
			"kubernetes", []string{"kubernetes 1.28.0: containerd, etcd", "etcd 1.0.0: containerd@>=1.0.0-0", "containerd 2.0.0-rc.1 1.7.0"},
			"containerd@1.7.0 etcd@1.0.0 kubernetes@1.28.0",
		},
		"an exact one": {
			"kubernetes", []string{"kubernetes 1.28.0: containerd@1.6.0", "containerd 1.7.0 1.6.0"}, "containerd@1.6.0 kubernetes@1.28.0",
		},
		"other types": {
			"cluster/cicd", []string{"cluster/cicd 1.0.0: provider/local, local, cluster/local", "provider/local 1.0.0", "local 2.0.0", "cluster/local 3.0.0"},
			"cluster/local@3.0.0 local@2.0.0 provider/local@1.0.0 cluster/cicd@1.0.0",
		},
		"a diamond takes what both sides accept": {
			"kubernetes", []string{
				"kubernetes 1.0.0: left, right", "left 1.0.0: base@<1.3", "right 1.0.0: base@>=1.1", "base 1.4.0 1.3.0 1.2.0 1.1.0 1.0.0",
			}, "base@1.2.0 left@1.0.0 right@1.0.0 kubernetes@1.0.0",
		},
		"a diamond whose side steps back": {
			"kubernetes", []string{
				"kubernetes 1.0.0: left, right", "left 2.0.0: base@^2", "left 1.0.0: base@^1", "right 1.0.0: base@^1", "base 2.0.0 1.0.0",
			}, "base@1.0.0 left@1.0.0 right@1.0.0 kubernetes@1.0.0",
		},
		"of two sides the first by name stays new": {
			"kubernetes", []string{
				"kubernetes 1.0.0: left, right", "left 2.0.0: base@^2", "left 1.0.0: base@^1", "right 2.0.0: base@^1", "right 1.0.0: base@^2",
				"base 2.0.0 1.0.0",
			}, "base@2.0.0 left@2.0.0 right@1.0.0 kubernetes@1.0.0",
		},
		"the nearer one stays new": {
			"kubernetes", []string{
				"kubernetes 1.0.0: zebra", "zebra 2.0.0: ant@^1", "zebra 1.0.0: ant@^2", "ant 2.0.0 1.0.0",
			}, "ant@1.0.0 zebra@2.0.0 kubernetes@1.0.0",
		},
		"four parents": {
			"kubernetes", []string{
				"kubernetes 1.0.0: a, b, c, d", "a 1.0.0: base@>=1.1", "b 1.0.0: base@<1.5", "c 1.0.0: base@!=1.4.0", "d 1.0.0: base@~1.3 || ~1.4 || ~1.2",
				"base 1.5.0 1.4.0 1.3.0 1.2.0",
			}, "base@1.3.0 a@1.0.0 b@1.0.0 c@1.0.0 d@1.0.0 kubernetes@1.0.0",
		},
		"nobody is there whom only a version asks for that was not chosen": {
			"kubernetes", []string{
				"kubernetes 1.0.0: left, right@1.0.0", "left 2.0.0: extra, right@^2", "left 1.0.0: right", "right 2.0.0 1.0.0", "extra 1.0.0",
			}, "right@1.0.0 left@1.0.0 kubernetes@1.0.0",
		},
		"a version whose own dependency is missing is passed over": {
			"kubernetes", []string{"kubernetes 1.0.0: etcd", "etcd 2.0.0: nowhere", "etcd 1.0.0"}, "etcd@1.0.0 kubernetes@1.0.0",
		},
		"the far end of a chain decides about its beginning": {
			"kubernetes", []string{
				"kubernetes 1.0.0: a, z@^1", "a 3.0.0: b@3.0.0", "a 2.0.0: b@2.0.0", "a 1.0.0: b@1.0.0", "b 3.0.0: c@3.0.0", "b 2.0.0: c@2.0.0", "b 1.0.0: c@1.0.0",
				"c 3.0.0: z@^3", "c 2.0.0: z@^2", "c 1.0.0: z@^1", "z 3.0.0 2.0.0 1.0.0",
			}, "z@1.0.0 c@1.0.0 b@1.0.0 a@1.0.0 kubernetes@1.0.0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := answered(shelves("builtin", c.lines...), wish(c.wish))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(planned(got.Plan)).To(Equal(keys(c.plan)))
			g.Expect(got.Plan.Alone).To(BeFalse())
		})
	}
}

func TestEveryDemandOfWhatWasChosenIsTold(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin",
		"kubernetes 1.28.0: etcd@^3.5, containerd, provider/local", "etcd 3.5.9: containerd@^1", "containerd 1.7.0", "provider/local 0.1.0"),
		wish("kubernetes"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(told(got.Dependencies)).To(Equal([]string{
		"kubernetes 1.28.0 needs provider/local: 0.1.0", "kubernetes 1.28.0 needs containerd: 1.7.0", "kubernetes 1.28.0 needs etcd@^3.5: 3.5.9",
		"etcd 3.5.9 needs containerd@^1: 1.7.0",
	}), "breadth first, by type and name")
	g.Expect(got.Dependencies).To(HaveEach(HaveField("Digest", Not(BeEmpty()))))
	g.Expect(got.Root).To(Equal(got.Plan.Root()))
}

func TestARootWhoseDependenciesCannotBeHadIsPassedOver(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin",
		"kubernetes 1.31.0: containerd@^3", "kubernetes 1.30.0: runc", "kubernetes 1.29.0: etcd@^3, containerd", "kubernetes 1.28.0: etcd", "kubernetes 1.27.0",
		"etcd 3.5.0: containerd@^1", "etcd 2.0.0", "containerd 2.0.0 1.7.0: etcd@^2"), wish("kubernetes"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(planned(got.Plan)).To(Equal(keys("etcd@2.0.0 kubernetes@1.28.0")))
	g.Expect(got.Candidates).To(Equal([]extension.Candidate{
		candidate("1.31.0", "a dependency is missing: containerd@^3, required by taskserv:kubernetes:1.31.0, fits no version; available: 2.0.0, 1.7.0"),
		candidate("1.30.0", "a dependency is missing: runc, required by taskserv:kubernetes:1.30.0, is in no catalog"),
		candidate("1.29.0", "no versions of the dependencies go together: kubernetes 1.29.0 needs containerd; kubernetes 1.29.0 needs etcd@^3; "+
			"containerd 2.0.0, 1.7.0 need etcd@^2; change one of these ranges, or publish a version that fits"),
		candidate("1.28.0", ""),
	}))
}

func TestWhereNoRootCanBeHadTheFaultIsAboutTheNewestThatFits(t *testing.T) {
	g := NewWithT(t)
	got, err := answered(shelves("builtin",
		"kubernetes 1.31.0", "kubernetes 1.30.0: runc", "kubernetes 1.29.0: etcd@1.0.0, containerd", "etcd 1.0.0", "containerd 1.0.0: etcd@2.0.0"),
		wish("kubernetes@<1.31"))
	expectFault(g, err, extension.DependencyMissing,
		"a dependency is missing: runc, required by taskserv:kubernetes:1.30.0, is in no catalog")
	g.Expect(got.Root.Key).To(Equal(keyOf("kubernetes@1.30.0")))
	g.Expect(told(got.Dependencies)).To(Equal([]string{"kubernetes 1.30.0 needs runc: Missing"}))
	g.Expect(got.Candidates).To(HaveLen(3))
	g.Expect(got.Candidates).To(HaveEach(HaveField("Refused", Not(BeEmpty()))))
	g.Expect(got.Plan.Members).To(BeEmpty())
}

func TestTheFirstCatalogThatHasADependencyOwnsIt(t *testing.T) {
	first := shelves("first", "kubernetes 1.0.0: etcd, runc", "etcd 3.4.0")
	later := shelves("later", "kubernetes 9.0.0", "etcd 9.9.9 3.5.0", "runc 1.1.0")
	r := resolve.New(nil, first, later)
	asked := func(catalog, name string) extension.Consulted {
		return extension.Consulted{Catalog: catalog, Type: extension.Taskserv, Name: name}
	}

	t.Run("though a later one has a higher version", func(t *testing.T) {
		g := NewWithT(t)
		got, err := r.Resolve(context.Background(), wish("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.4.0 runc@1.1.0 kubernetes@1.0.0")))
		g.Expect(got.Plan.Members[0].Catalog).To(Equal("first"))
		g.Expect(got.Plan.Members[1].Catalog).To(Equal("later"))
		g.Expect(got.Consulted).To(Equal([]extension.Consulted{
			asked("first", "kubernetes"), asked("first", "etcd"), asked("first", "runc"), asked("later", "runc"),
		}))
	})
	t.Run("though only a later one has what fits", func(t *testing.T) {
		g := NewWithT(t)
		first := shelves("first", "kubernetes 1.0.0: etcd@^9", "etcd 3.4.0")
		_, err := resolve.New(nil, first, later).Resolve(context.Background(), wish("kubernetes"))
		expectFault(g, err, extension.DependencyMissing,
			"a dependency is missing: etcd@^9, required by taskserv:kubernetes:1.0.0, fits no version; available: 3.4.0")
	})
	t.Run("though the root comes from the other", func(t *testing.T) {
		g := NewWithT(t)
		later := shelves("later", "kubernetes 9.0.0: etcd", "etcd 9.9.9")
		req := wish("kubernetes")
		req.Ref.Catalog = "later"
		got, err := resolve.New(nil, first, later).Resolve(context.Background(), req)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.4.0 kubernetes@9.0.0")), "catalogRef is about the root alone")
	})
	t.Run("unless it is closed to the namespace", func(t *testing.T) {
		g := NewWithT(t)
		closed := shelves("closed", "etcd 1.0.0")
		closed.closed = []string{"team-a"}
		got, err := resolve.New(nil, closed, first, later).Resolve(context.Background(), wish("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Members[0].Catalog).To(Equal("first"))
		g.Expect(got.Consulted).To(ContainElement(asked("closed", "etcd")), "it may be opened")

		_, err = resolve.New(nil, closed, shelves("open", "kubernetes 1.0.0: etcd")).Resolve(context.Background(), wish("kubernetes"))
		expectFault(g, err, extension.DependencyMissing,
			"a dependency is missing: etcd, required by taskserv:kubernetes:1.0.0, is in no catalog")
	})
}

func TestRefreshAsksForEveryDependencyAgain(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.0.0: etcd, provider/local", "etcd 3.5.0: runc", "runc 1.0.0", "provider/local 1.0.0")
	req := wish("kubernetes")
	req.Refresh = true
	var noted []string
	req.Consult = func(c extension.Consulted) {
		noted = append(noted, extension.Label(c.Type, c.Name))
		catalog.asked = append(catalog.asked, "note")
	}
	_, err := answered(catalog, req)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(noted).To(Equal([]string{"kubernetes", "provider/local", "etcd", "runc"}))
	g.Expect(catalog.asked).To(Equal([]string{
		"note", "refresh taskserv/kubernetes", "find taskserv/kubernetes for team-a", "fetch taskserv:kubernetes:1.0.0",
		"note", "refresh provider/local", "find provider/local for team-a",
		"note", "refresh taskserv/etcd", "find taskserv/etcd for team-a",
		"fetch provider:local:1.0.0", "fetch taskserv:etcd:3.5.0",
		"note", "refresh taskserv/runc", "find taskserv/runc for team-a", "fetch taskserv:runc:1.0.0",
	}), "each question is noted before it is asked, and asked once")
}

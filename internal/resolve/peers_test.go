// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// neighbours are the Extensions of namespaces. Whoever asks is among them or not: it
// makes no difference.
type neighbours struct {
	of    map[string][]resolve.Peer // by namespace/[type/]name
	asked []string
	err   error
}

func (n *neighbours) Peers(_ context.Context, namespace string, t extension.Type, name string) ([]resolve.Peer, error) {
	question := namespace + "/" + extension.Label(t, name)
	n.asked = append(n.asked, question)
	return slices.Clone(n.of[question]), n.err
}

// beside puts peers of one name into the namespace team-a.
func (n *neighbours) beside(name string, peers ...resolve.Peer) *neighbours {
	if n.of == nil {
		n.of = map[string][]resolve.Peer{}
	}
	n.of["team-a/"+name] = peers
	return n
}

// ready is an Extension that is Ready with a version of the catalog builtin.
func ready(object, key string) resolve.Peer {
	k := keyOf(key)
	return resolve.Peer{Object: object, Ready: true, Wants: k.Version, Loaded: extension.Member{
		Key: k, Catalog: "builtin", Path: "loaded/" + k.Name, Digest: digestOf("builtin", k),
	}}
}

// waiting is an Extension that never was Ready.
func waiting(object, wants, problem string) resolve.Peer {
	return resolve.Peer{Object: object, Wants: wants, Problem: problem}
}

func requiring(text string) resolve.Request {
	req := wish(text)
	req.Policy = resolve.Require
	return req
}

func beside(n *neighbours, c resolve.Catalog, req resolve.Request) (extension.Resolution, error) {
	return resolve.New(n, c).Resolve(context.Background(), req)
}

func askedOfTeamA(name string) extension.Consulted {
	d := dependency(name)
	return extension.Consulted{Namespace: "team-a", Type: d.Type, Name: d.Name}
}

func askedOfBuiltin(name string) extension.Consulted {
	d := dependency(name)
	return extension.Consulted{Catalog: "builtin", Type: d.Type, Name: d.Name}
}

func TestRequireTakesWhatItsPeersAreReadyWith(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.28.0: etcd@^3, provider/local", "etcd 4.0.0", "etcd 3.5.9 3.5.0: runc", "runc 2.0.0 1.0.0", "provider/local 1.0.0")
	n := (&neighbours{}).
		beside("etcd", ready("etcd-new", "etcd@4.0.0"), waiting("etcd-mid", "3.5.9", "Loading"), ready("etcd-old", "etcd@3.5.0")).
		beside("runc", ready("runc", "runc@1.0.0")).
		beside("provider/local", ready("local-b", "provider/local@1.0.0"), ready("local-a", "provider/local@1.0.0"))
	n.of["team-b/etcd"] = []resolve.Peer{ready("etcd", "etcd@3.5.9")}
	got, err := beside(n, catalog, requiring("kubernetes"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(planned(got.Plan)).To(Equal(keys("provider/local@1.0.0 runc@1.0.0 etcd@3.5.0 kubernetes@1.28.0")))
	g.Expect(got.Plan.Alone).To(BeFalse())
	g.Expect(got.Plan.Members[1].Digest).To(Equal(digestOf("builtin", keyOf("runc@1.0.0"))))
	g.Expect(got.Plan.Members[1].Path).To(Equal("loaded/runc"), "it lies where its own status says")
	g.Expect(told(got.Dependencies)).To(Equal([]string{
		"kubernetes 1.28.0 needs provider/local: 1.0.0", "kubernetes 1.28.0 needs etcd@^3: 3.5.0", "etcd 3.5.0 needs runc: 1.0.0",
	}))
	g.Expect(got.Consulted).To(Equal([]extension.Consulted{
		askedOfBuiltin("kubernetes"), askedOfTeamA("provider/local"), askedOfTeamA("etcd"), askedOfTeamA("runc"),
	}))
	g.Expect(n.asked).To(Equal([]string{"team-a/provider/local", "team-a/etcd", "team-a/runc"}), "each is asked about once, and only here")
	g.Expect(catalog.asked).To(Equal([]string{
		"find taskserv/kubernetes for team-a", "fetch taskserv:kubernetes:1.28.0",
		"recall provider:local:1.0.0", "recall taskserv:etcd:3.5.0", "recall taskserv:runc:1.0.0",
	}), "a catalog is not asked which versions there are")
}

func TestRequireNeedsEveryDependencyOfItsDependencies(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.28.0: etcd", "etcd 3.5.0: runc", "runc 1.0.0")
	n := (&neighbours{}).beside("etcd", ready("etcd", "etcd@3.5.0"))
	got, err := beside(n, catalog, requiring("kubernetes"))
	expectFault(g, err, extension.DependencyMissing, "a dependency is missing: runc, required by taskserv:etcd:3.5.0, "+
		"has no Extension in namespace team-a; create one with spec.type taskserv and spec.name runc")
	g.Expect(told(got.Dependencies)).To(Equal([]string{"kubernetes 1.28.0 needs etcd: 3.5.0", "etcd 3.5.0 needs runc: Missing"}))
}

func TestWhatRequireWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		peers   *neighbours
		code    extension.Code
		message string
		states  []string
	}{
		"no peers": {
			&neighbours{}, extension.DependencyMissing,
			"2 dependencies are missing: provider/local, required by taskserv:kubernetes:1.28.0, has no Extension in namespace team-a; " +
				"create one with spec.type provider and spec.name local; " +
				"etcd@^3, required by taskserv:kubernetes:1.28.0, has no Extension in namespace team-a; create one with spec.type taskserv and spec.name etcd",
			[]string{"kubernetes 1.28.0 needs provider/local: Missing", "kubernetes 1.28.0 needs etcd@^3: Missing"},
		},
		"not Ready": {
			(&neighbours{}).beside("provider/local", ready("local", "provider/local@1.0.0")).beside("etcd", waiting("etcd", "", "LoadFailed")),
			extension.DependencyNotReady,
			"a dependency is not ready: etcd@^3, required by taskserv:kubernetes:1.28.0, is not satisfied: Extension etcd is not Ready (LoadFailed)",
			[]string{"kubernetes 1.28.0 needs provider/local: 1.0.0", "kubernetes 1.28.0 needs etcd@^3: NotReady"},
		},
		"at another version": {
			(&neighbours{}).beside("provider/local", ready("local", "provider/local@1.0.0")).beside("etcd", ready("z", "etcd@2.0.0"), ready("etcd", "etcd@4.0.0")),
			extension.DependencyNotReady,
			"a dependency is not ready: etcd@^3, required by taskserv:kubernetes:1.28.0, is not satisfied: " +
				"Extension etcd is at 4.0.0, Extension z is at 2.0.0; change its spec.version",
			[]string{"kubernetes 1.28.0 needs provider/local: 1.0.0", "kubernetes 1.28.0 needs etcd@^3: NotReady"},
		},
		"at another version, and not Ready": {
			(&neighbours{}).beside("provider/local", ready("local", "provider/local@1.0.0")).
				beside("etcd", ready("z", "etcd@2.0.0"), waiting("etcd", "^3", "it was not looked at yet")),
			extension.DependencyNotReady,
			"a dependency is not ready: etcd@^3, required by taskserv:kubernetes:1.28.0, is not satisfied: " +
				"Extension etcd is not Ready (it was not looked at yet), Extension z is at 2.0.0",
			[]string{"kubernetes 1.28.0 needs provider/local: 1.0.0", "kubernetes 1.28.0 needs etcd@^3: NotReady"},
		},
		"one of each": {
			(&neighbours{}).beside("etcd", waiting("etcd", "", "Loading")), extension.DependencyMissing,
			"2 dependencies are missing: provider/local, required by taskserv:kubernetes:1.28.0, has no Extension in namespace team-a; " +
				"create one with spec.type provider and spec.name local; " +
				"etcd@^3, required by taskserv:kubernetes:1.28.0, is not satisfied: Extension etcd is not Ready (Loading)",
			[]string{"kubernetes 1.28.0 needs provider/local: Missing", "kubernetes 1.28.0 needs etcd@^3: NotReady"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			catalog := shelves("builtin", "kubernetes 1.28.0: etcd@^3, provider/local", "etcd 4.0.0 3.5.0 2.0.0", "provider/local 1.0.0")
			got, err := beside(c.peers, catalog, requiring("kubernetes"))
			fault := expectFault(g, err, c.code, c.message)
			g.Expect(fault.Class()).To(Equal(extension.Waiting), "an event ends it, not a retry")
			g.Expect(told(got.Dependencies)).To(Equal(c.states))
			g.Expect(got.Consulted).To(ContainElements(askedOfTeamA("provider/local"), askedOfTeamA("etcd")))
			g.Expect(got.Plan.Members).To(BeEmpty())
			g.Expect(got.Root.Key).To(Equal(keyOf("kubernetes@1.28.0")))
		})
	}
}

func TestRequireTakesAnOlderRootWhereTheNewerHasNothingToWaitFor(t *testing.T) {
	catalog := shelves("builtin", "kubernetes 1.29.0: etcd@^4, runc", "kubernetes 1.28.0: etcd@^3", "etcd 4.0.0 3.5.0", "runc 1.0.0")
	old := ready("etcd", "etcd@3.5.0")
	for name, c := range map[string]struct {
		peers   *neighbours
		version string
	}{
		"what is there does not fit":                        {(&neighbours{}).beside("etcd", old).beside("runc", ready("runc", "runc@1.0.0")), "1.28.0"},
		"nor does it, and another is not Ready":             {(&neighbours{}).beside("etcd", old).beside("runc", waiting("runc", "", "Loading")), "1.28.0"},
		"nor does it, and another is not there":             {(&neighbours{}).beside("etcd", old), "1.28.0"},
		"there is one that may become Ready":                {(&neighbours{}).beside("etcd", old, waiting("etcd-4", "^4", "Loading")).beside("runc", ready("runc", "runc@1.0.0")), ""},
		"both may become Ready":                             {(&neighbours{}).beside("etcd", old, waiting("etcd-4", "^4", "Loading")).beside("runc", waiting("runc", "", "Loading")), ""},
		"one may become Ready and the other may come to be": {(&neighbours{}).beside("etcd", old, waiting("etcd-4", "^4", "Loading")), ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := beside(c.peers, catalog, requiring("kubernetes"))
			if c.version != "" {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(got.Plan.Root().Key.Version).To(Equal(c.version))
				g.Expect(got.Candidates).To(HaveLen(2))
				g.Expect(got.Candidates[0].Refused).To(ContainSubstring("etcd@^4, required by taskserv:kubernetes:1.29.0, is not satisfied: Extension etcd is at 3.5.0"))
				return
			}
			fault := extension.AsFault(err)
			g.Expect(fault.Class()).To(Equal(extension.Waiting))
			g.Expect(got.Root.Key.Version).To(Equal("1.29.0"))
			g.Expect(got.Candidates).To(HaveLen(1), "an older one now, and this one in a moment, is not what anybody wants")
		})
	}
}

// Whoever asks is among the Extensions of its namespace. It does not wait for itself,
// whatever it is Ready with.
func TestADependencyThatRequiresTheRoot(t *testing.T) {
	for name, own := range map[string][]resolve.Peer{
		"that is not there yet": nil, "that is not Ready": {waiting("kubernetes", "", "Loading")}, "that is Ready": {ready("kubernetes", "kubernetes@1.0.0")},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			catalog := shelves("builtin", "kubernetes 2.0.0: etcd", "kubernetes 1.0.0", "etcd 3.6.0: kubernetes@^2", "etcd 3.5.0: kubernetes@^1", "etcd 3.4.0: kubernetes@^9")
			n := (&neighbours{}).beside("kubernetes", own...).beside("etcd", ready("etcd", "etcd@3.5.0"))
			got, err := beside(n, catalog, requiring("kubernetes"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(planned(got.Plan)).To(Equal(keys("kubernetes@1.0.0")), "an older one that needs nobody")
			g.Expect(got.Candidates[0].Refused).To(HavePrefix("no versions of the dependencies go together: "))
			g.Expect(got.Consulted).NotTo(ContainElement(askedOfTeamA("kubernetes")), "nor does it wake itself")

			_, err = beside(n.beside("etcd", ready("etcd", "etcd@3.6.0")), catalog, requiring("kubernetes"))
			g.Expect(extension.AsFault(err).Code).To(Equal(extension.DependencyCycle))

			_, err = beside(n.beside("etcd", ready("etcd", "etcd@3.4.0")), catalog, requiring("kubernetes@^2"))
			expectFault(g, err, extension.DependencyMissing,
				"a dependency is missing: kubernetes@^9, required by taskserv:etcd:3.4.0, fits no version; available: 2.0.0, 1.0.0")
		})
	}
}

func TestPeersThatContradictEachOther(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.0.0: a, b", "a 1.0.0: c@^1", "b 1.0.0: c@^2", "c 2.0.0 1.0.0")
	n := (&neighbours{}).beside("a", ready("a", "a@1.0.0")).beside("b", ready("b", "b@1.0.0")).beside("c", ready("c1", "c@1.0.0"), ready("c2", "c@2.0.0"))
	_, err := beside(n, catalog, requiring("kubernetes"))
	expectFault(g, err, extension.DependencyConflict, "no versions of the dependencies go together: kubernetes 1.0.0 needs a; kubernetes 1.0.0 needs b; "+
		"a 1.0.0 needs c@^1; b 1.0.0 needs c@^2; change one of these ranges, or publish a version that fits")
}

func TestOtherPoliciesAskNoPeers(t *testing.T) {
	g := NewWithT(t)
	for _, policy := range []resolve.Policy{"", resolve.Load, resolve.Ignore} {
		req := wish("kubernetes")
		req.Policy = policy
		n := &neighbours{}
		_, err := beside(n, shelves("builtin", "kubernetes 1.28.0: etcd", "etcd 3.5.0"), req)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(n.asked).To(BeEmpty())
	}
}

// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

const kubernetes = "taskserv/kubernetes"

// request asks for taskserv/kubernetes in a constraint.
func request(constraint string) resolve.Request {
	return resolve.Request{
		Ref:       extension.Ref{Type: extension.Taskserv, Name: "kubernetes", Constraint: constraint},
		Namespace: "team-a",
	}
}

func consulted(catalogs ...string) []extension.Consulted {
	var list []extension.Consulted
	for _, c := range catalogs {
		list = append(list, extension.Consulted{Catalog: c, Type: extension.Taskserv, Name: "kubernetes"})
	}
	return list
}

func candidate(version, refused string) extension.Candidate {
	return extension.Candidate{Version: version, Refused: refused}
}

// expectFault checks code and whole message.
func expectFault(g Gomega, err error, code extension.Code, message string) *extension.Fault {
	g.Expect(err).To(MatchError(message))
	fault := extension.AsFault(err)
	g.Expect(fault.Code).To(Equal(code))
	g.Expect(fault.Transient).To(BeFalse())
	return fault
}

func TestTheNewestVersionThatFitsIsTaken(t *testing.T) {
	shelf := "2.0.0-rc.1 1.30.0! 1.29.4 1.28.5 1.28.0 1.28.0-rc.1 1.27.9"
	preRelease := candidate("2.0.0-rc.1", "is a pre-release, and no version was asked for")
	incomplete := candidate("1.30.0", "is incomplete: it has no mod.nu yet")
	for constraint, want := range map[string]struct {
		version    string
		candidates []extension.Candidate
	}{
		"":            {"1.29.4", []extension.Candidate{preRelease, incomplete, candidate("1.29.4", "")}},
		"  ":          {"1.29.4", []extension.Candidate{preRelease, incomplete, candidate("1.29.4", "")}},
		"1.27.9":      {"1.27.9", nil},
		"1.28.0-rc.1": {"1.28.0-rc.1", nil},
		">=2.0.0-0":   {"2.0.0-rc.1", []extension.Candidate{candidate("2.0.0-rc.1", "")}},
		"~1.28": {"1.28.5", []extension.Candidate{
			candidate("2.0.0-rc.1", `does not fit "~1.28"`), candidate("1.30.0", `does not fit "~1.28"`),
			candidate("1.29.4", `does not fit "~1.28"`), candidate("1.28.5", ""),
		}},
		">=1.28 <1.31": {"1.29.4", []extension.Candidate{
			candidate("2.0.0-rc.1", `does not fit ">=1.28 <1.31"`), incomplete, candidate("1.29.4", ""),
		}},
	} {
		t.Run(constraint, func(t *testing.T) {
			g := NewWithT(t)
			catalog := library("builtin", map[string]string{kubernetes: shelf})
			got, err := resolve.New(nil, catalog).Resolve(context.Background(), request(constraint))
			g.Expect(err).NotTo(HaveOccurred())
			key := extension.Key{Type: extension.Taskserv, Name: "kubernetes", Version: want.version}
			g.Expect(got.Plan.Members).To(Equal([]extension.Member{{Key: key, Catalog: "builtin"}}))
			g.Expect(got.Consulted).To(Equal(consulted("builtin")))
			g.Expect(catalog.asked).To(Equal([]string{"find taskserv/kubernetes for team-a", "fetch " + key.String()}))
			if want.candidates != nil {
				g.Expect(got.Candidates).To(Equal(want.candidates))
			}
		})
	}
}

func TestTheFirstCatalogThatHasTheNameOwnsIt(t *testing.T) {
	ctx := context.Background()
	other := library("other", map[string]string{"taskserv/etcd": "3.5.0"})
	first := library("first", map[string]string{kubernetes: "1.28.0"})
	second := library("second", map[string]string{kubernetes: "9.9.9 1.27.0"})
	r := resolve.New(nil, other, first, second)

	t.Run("though a later one has a higher version", func(t *testing.T) {
		g := NewWithT(t)
		got, err := r.Resolve(ctx, request(""))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Root().Catalog).To(Equal("first"))
		g.Expect(got.Consulted).To(Equal(consulted("other", "first")))
	})
	t.Run("though only a later one has a version that fits", func(t *testing.T) {
		g := NewWithT(t)
		got, err := r.Resolve(ctx, request("1.27.0"))
		expectFault(g, err, extension.VersionNotFound, "version 1.27.0 of taskserv kubernetes not found; available: 1.28.0")
		g.Expect(got.Consulted).To(Equal(consulted("other", "first")))
	})
	t.Run("though it has no version at all", func(t *testing.T) {
		g := NewWithT(t)
		empty := library("empty", map[string]string{kubernetes: ""})
		got, err := resolve.New(nil, empty, second).Resolve(ctx, request("1.27.0"))
		fault := expectFault(g, err, extension.VersionNotFound, "version 1.27.0 of taskserv kubernetes not found; available: none")
		g.Expect(fault.Available).To(BeEmpty())
		g.Expect(got.Consulted).To(Equal(consulted("empty")))
	})
	t.Run("unless another catalog is named", func(t *testing.T) {
		g := NewWithT(t)
		asked := len(first.asked)
		req := request("")
		req.Ref.Catalog = "second"
		got, err := r.Resolve(ctx, req)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Root().Key.Version).To(Equal("9.9.9"))
		g.Expect(got.Consulted).To(Equal(consulted("second")))
		g.Expect(first.asked).To(HaveLen(asked), "the others are not asked")
	})
	t.Run("unless it is closed to the namespace", func(t *testing.T) {
		g := NewWithT(t)
		closed := library("closed", map[string]string{kubernetes: "1.28.0"})
		closed.closed = []string{"team-a"}
		got, err := resolve.New(nil, closed, second).Resolve(ctx, request(""))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Root().Catalog).To(Equal("second"))
		g.Expect(got.Consulted).To(Equal(consulted("closed", "second")))
	})
}

func TestExtensionNotFound(t *testing.T) {
	one, two := library("one", nil), library("two", nil)
	for name, c := range map[string]struct {
		catalogs  []resolve.Catalog
		catalog   string
		message   string
		consulted []extension.Consulted
	}{
		"in any": {
			catalogs: []resolve.Catalog{one, two}, consulted: consulted("one", "two"),
			message: "taskserv kubernetes is in no catalog (looked in: one, two); check spec.type and spec.name, or add it to a catalog",
		},
		"in the one named": {
			catalogs: []resolve.Catalog{one, two}, catalog: "two", consulted: consulted("two"),
			message: "taskserv kubernetes is in no catalog (looked in: two); check spec.type and spec.name, or add it to a catalog",
		},
		"because no catalog has that name": {
			catalogs: []resolve.Catalog{one, two}, catalog: "three",
			message: `there is no catalog "three"; catalogs: one, two; correct spec.catalogRef.name or leave it out`,
		},
		"because there are no catalogs": {
			message: "taskserv kubernetes is in no catalog: the operator has none; start it with --library",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			req := request("")
			req.Ref.Catalog = c.catalog
			got, err := resolve.New(nil, c.catalogs...).Resolve(context.Background(), req)
			expectFault(g, err, extension.ExtensionNotFound, c.message)
			g.Expect(got.Consulted).To(Equal(c.consulted))
			g.Expect(got.Plan.Members).To(BeEmpty())
		})
	}
}

func TestAnInvalidConstraintAsksNobody(t *testing.T) {
	g := NewWithT(t)
	catalog := library("builtin", map[string]string{kubernetes: "1.28.0"})
	got, err := resolve.New(nil, catalog).Resolve(context.Background(), request("latest"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.InvalidVersion))
	g.Expect(got.Consulted).To(BeEmpty())
	g.Expect(catalog.asked).To(BeEmpty())
}

func TestRefreshComesFirstAndReachesOnlyTheOwner(t *testing.T) {
	g := NewWithT(t)
	other := library("other", nil)
	owner := library("owner", map[string]string{kubernetes: "1.28.0"})
	later := library("later", map[string]string{kubernetes: "1.28.0"})
	req := request("")
	req.Refresh = true
	_, err := resolve.New(nil, other, owner, later).Resolve(context.Background(), req)
	g.Expect(err).NotTo(HaveOccurred())
	look := []string{"refresh taskserv/kubernetes", "find taskserv/kubernetes for team-a"}
	g.Expect(other.asked).To(Equal(look))
	g.Expect(owner.asked).To(Equal(append(look, "fetch taskserv:kubernetes:1.28.0")))
	g.Expect(later.asked).To(BeEmpty())
}

// What a catalog says is passed on as it is, and a later catalog never takes
// over from one that cannot be read.
func TestACatalogsErrorIsTheAnswer(t *testing.T) {
	broken := extension.NewTransientFault(extension.CatalogUnavailable, nil, "library broken cannot be read")
	for name, c := range map[string]struct {
		spoil func(*fakeCatalog)
		asked []string
	}{
		"refresh": {func(c *fakeCatalog) { c.refreshErr = broken }, []string{"refresh taskserv/kubernetes"}},
		"find": {func(c *fakeCatalog) { c.findErr = broken },
			[]string{"refresh taskserv/kubernetes", "find taskserv/kubernetes for team-a"}},
		"fetch": {func(c *fakeCatalog) { c.fetchErr = broken },
			[]string{"refresh taskserv/kubernetes", "find taskserv/kubernetes for team-a", "fetch taskserv:kubernetes:1.28.0"}},
		"context": {func(c *fakeCatalog) { c.findErr = context.Canceled },
			[]string{"refresh taskserv/kubernetes", "find taskserv/kubernetes for team-a"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			first := library("first", map[string]string{kubernetes: "1.28.0"})
			c.spoil(first)
			later := library("later", map[string]string{kubernetes: "1.28.0"})
			req := request("")
			req.Refresh = true
			got, err := resolve.New(nil, first, later).Resolve(context.Background(), req)
			if name == "context" {
				g.Expect(err).To(BeIdenticalTo(context.Canceled))
			} else {
				g.Expect(err).To(BeIdenticalTo(broken))
			}
			g.Expect(got.Plan.Members).To(BeEmpty())
			g.Expect(got.Consulted).To(Equal(consulted("first")))
			g.Expect(first.asked).To(Equal(c.asked))
			g.Expect(later.asked).To(BeEmpty())
		})
	}
}

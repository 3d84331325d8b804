// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/inventory"
)

// loaded says in short what namespaces have loaded.
func (b *bench) loaded(t testing.TB, namespaces ...string) []string {
	t.Helper()
	rows, err := b.Loaded(t.Context(), namespaces)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all := []string{}
	for _, r := range rows {
		askers := []string{}
		for _, a := range r.Askers {
			askers = append(askers, strings.TrimSuffix(a.Namespace+"/"+a.Name+"<"+a.Dependent.Name, "<"))
		}
		all = append(all, fmt.Sprintf("%s %s %s +%s %v", r.Key, r.Catalog, r.InputDigest, r.At.Sub(loadedAt), askers))
	}
	return all
}

func TestThereIsOneRowForAKeyACatalogAndAnInputDigest(t *testing.T) {
	g := NewWithT(t)
	other := func(e *api.Extension) { e.Status.Catalog = "others" }
	b := newBench(t,
		ext("a", "etcd", "3.5.9", "in1"), ext("b", "etcd", "3.5.9", "in1", later(time.Hour)), ext("c", "etcd", "3.5.9", "in2"),
		ext("d", "etcd", "3.5.9", "in1", other), ext("e", "etcd", "3.10.0", "in3"), ext("f", "aws", "1.0.0", "in4"), ext("g", "broken", "", "", func(e *api.Extension) { e.Status = api.ExtensionStatus{} }))
	g.Expect(b.loaded(t, "a", "b", "c", "d", "e", "f", "g")).To(Equal([]string{
		"taskserv:aws:1.0.0 extensions in4 +0s [f/aws]",
		"taskserv:etcd:3.10.0 extensions in3 +0s [e/etcd]",
		"taskserv:etcd:3.5.9 extensions in1 +1h0m0s [a/etcd b/etcd]",
		"taskserv:etcd:3.5.9 extensions in2 +0s [c/etcd]",
		"taskserv:etcd:3.5.9 others in1 +0s [d/etcd]",
	}))
	g.Expect(b.loaded(t, "a")).To(Equal([]string{"taskserv:etcd:3.5.9 extensions in1 +0s [a/etcd]"}))
	g.Expect(b.loaded(t)).To(BeEmpty())
	rows, err := b.Loaded(t.Context(), []string{"a"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rows[0].Metadata).To(Equal(extension.Metadata{
		Type: "taskserv", Name: "etcd", Version: "3.5.9", Description: "etcd", Dependencies: []extension.Dependency{{Type: "taskserv", Name: "etcd", Constraint: "^3"}},
	}))
	g.Expect(b.catalogs.asked).To(BeZero())
}

func TestWhatWasLoadedAsADependencyIsLoaded(t *testing.T) {
	g := NewWithT(t)
	ignores := func(e *api.Extension) { e.Spec.DependencyPolicy = api.IgnoreDependencies }
	stale := func(e *api.Extension) { e.Status.LastAttempted = &api.Attempt{InputDigest: "newer"} }
	b := newBench(t,
		ext("a", "etcd", "3.5.9", "in1"),
		ext("a", "kubernetes", "1.28.0", "in2", with("etcd", "3.5.9", "sha256:etcd3.5.9"), with("containerd", "2.0.0", "sha256:c"), later(time.Hour)),
		ext("a", "other", "1.0.0", "in3", with("containerd", "2.0.0", "sha256:c"), with("etcd", "3.5.9", "sha256:changed")),
		ext("a", "stale", "1.0.0", "in4", with("containerd", "2.0.0", "sha256:unknown"), with("runc", "1.0.0", "sha256:unknown"), stale),
		ext("a", "alone", "1.0.0", "in5", with("ghost", "1.0.0", "sha256:g"), ignores))
	b.catalogs.members["taskserv:containerd:2.0.0 sha256:c"] = extension.Member{Catalog: "extensions", Path: "here", Metadata: extension.Metadata{Description: "found"}}
	got := b.loaded(t, "a")
	g.Expect(slices.DeleteFunc(got, func(s string) bool { return strings.Contains(s, "1.0.0 extensions in") })).To(Equal([]string{
		"taskserv:containerd:2.0.0 extensions  +1h0m0s [a/kubernetes<kubernetes a/other<other a/stale<stale]",
		"taskserv:etcd:3.5.9   +0s [a/other<other]",
		"taskserv:etcd:3.5.9 extensions in1 +0s [a/etcd a/kubernetes<kubernetes]",
		"taskserv:kubernetes:1.28.0 extensions in2 +1h0m0s [a/kubernetes]",
		"taskserv:runc:1.0.0   +0s [a/stale<stale]",
	}))
	rows, err := b.Loaded(t.Context(), []string{"a"})
	g.Expect(err).NotTo(HaveOccurred())
	for _, row := range rows {
		switch row.Key.Name {
		case "containerd":
			g.Expect(row.Path + row.Metadata.Description).To(Equal("herefound"))
		case "runc":
			g.Expect(row.Metadata).To(Equal(extension.Metadata{Type: "taskserv", Name: "runc", Version: "1.0.0"}), "what nobody has any more is loaded nevertheless")
		}
	}
}

func TestWhatHasNotChangedIsNotLookedAtAgain(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:e")))
	for range 3 {
		g.Expect(b.loaded(t, "a")).To(HaveLen(2))
	}
	g.Expect(b.lists).To(Equal(1))
	g.Expect(b.catalogs.asked).To(Equal(1))
	before := b.Stamp()
	b.change(t, "a", "kubernetes", func(e *api.Extension) { e.Status.LoadedDependencies = nil })
	g.Expect(b.Stamp()).NotTo(Equal(before))
	g.Expect(b.loaded(t, "a")).To(HaveLen(1))

	b.change(t, "a", "kubernetes", func(e *api.Extension) { e.Status.LoadedDependencies = []string{"taskserv:etcd:3.5.9"} })
	g.Expect(b.loaded(t, "a")).To(HaveLen(2))
}

func TestWhatMayPassIsKeptForAMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := newBench(t, ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:e")))
		b.catalogs.err = errors.New("the disk is away for a moment")
		before := b.Stamp()
		for range 3 {
			g.Expect(b.loaded(t, "a")[0]).To(Equal("taskserv:etcd:3.5.9   +0s [a/kubernetes<kubernetes]"))
		}
		g.Expect(b.catalogs.asked).To(Equal(1))
		g.Expect(b.Stamp()).To(Equal(before))
		b.catalogs.err = nil
		b.catalogs.members["taskserv:etcd:3.5.9 sha256:e"] = extension.Member{Catalog: "extensions"}
		time.Sleep(2 * time.Second)
		g.Expect(b.Stamp()).NotTo(Equal(before), "also who keeps answers asks again")
		g.Expect(b.loaded(t, "a")[0]).To(ContainSubstring("taskserv:etcd:3.5.9 extensions"))
	})
}

func TestALibraryThatHangsHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		b := newBench(t, ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:e")), ext("b", "containerd", "1.0.0", "in"))
		b.catalogs.hangs = make(chan struct{})
		began, before := time.Now(), b.Stamp()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := b.Loaded(ctx, []string{"a"})
		g.Expect(err).To(MatchError(context.DeadlineExceeded))
		g.Expect(time.Since(began)).To(Equal(time.Second))
		g.Expect(b.loaded(t, "b")).To(HaveLen(1), "what needs no library")
		_, err = b.Loaded(t.Context(), []string{"a"})
		g.Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue())
		g.Expect(time.Since(began)).To(BeNumerically("<", 15*time.Second))
		close(b.catalogs.hangs)
		g.Expect(b.loaded(t, "a")).To(HaveLen(2))
		g.Expect(b.Stamp()).To(Equal(before), "that a caller goes away changes nothing")
		g.Expect(b.catalogs.asked).To(Equal(1))
	})
}

func TestAPanicIsAnError(t *testing.T) {
	b := newBench(t, ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:e")))
	broken := inventory.New(inventory.Options{Client: b.client}) // nobody to describe etcd
	_, err := broken.Loaded(t.Context(), []string{"a"})
	NewWithT(t).Expect(err).To(MatchError(HavePrefix("panic: ")))
}

func TestWhoHasNotReadTheClusterSaysSo(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t)
	b.away = errors.New("the cache is not started")
	_, err := b.Namespaces(t.Context())
	g.Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue())
	_, err = b.Loaded(t.Context(), nil)
	g.Expect(err).To(MatchError(ContainSubstring("ask again")))
	_, err = b.Dependents(t.Context(), nil, extension.Taskserv, "etcd")
	g.Expect(err).To(HaveOccurred())
	_, err = b.Concerned(t.Context(), extension.ReloadWish{})
	g.Expect(err).To(HaveOccurred())
}

func TestDependentsAreToldByDemand(t *testing.T) {
	g := NewWithT(t)
	missing := func(e *api.Extension) {
		e.Status = api.ExtensionStatus{Dependencies: []api.DependencyStatus{{Type: "taskserv", Name: "etcd", Constraint: "^9", RequiredBy: "taskserv:wants:1.0.0", State: "Missing"}}}
	}
	gone := func(e *api.Extension) { e.Status.Dependencies = nil }
	b := newBench(t, ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:e")), ext("a", "wants", "", "", missing),
		ext("a", "unlisted", "1.0.0", "in", with("etcd", "3.4.0", ""), gone), ext("b", "hidden", "1.0.0", "in", with("etcd", "3.5.9", "")), ext("a", "etcd", "3.5.9", "in"))
	list, err := b.Dependents(t.Context(), []string{"a"}, extension.Taskserv, "etcd")
	g.Expect(err).NotTo(HaveOccurred())
	demand := func(by extension.Key, constraint string) extension.Demand {
		return extension.Demand{By: by, Dependency: extension.Dependency{Type: "taskserv", Name: "etcd", Constraint: constraint}}
	}
	g.Expect(list).To(Equal([]extension.Dependent{
		{Namespace: "a", Name: "kubernetes", Loaded: key("kubernetes", "1.28.0"), On: key("etcd", "3.5.9"), Demand: demand(key("kubernetes", "1.28.0"), "^3")},
		{Namespace: "a", Name: "unlisted", Loaded: key("unlisted", "1.0.0"), On: key("etcd", "3.4.0")},
		{Namespace: "a", Name: "wants", Loaded: key("wants", ""), On: key("etcd", ""), Demand: demand(key("wants", "1.0.0"), "^9")},
	}))
}

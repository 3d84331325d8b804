// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

const awaiting = "False AwaitingRequest"

// onRequest is a rig in which automatic loading is off.
func onRequest(t *testing.T, versions ...string) *rig {
	t.Helper()
	g := newRig(t, versions...)
	g.reconciler.AutoLoad = false
	return g
}

// loadedOnRequest has loaded what there is.
func loadedOnRequest(t *testing.T, versions ...string) *rig {
	t.Helper()
	g := onRequest(t, versions...)
	g.token("first")
	g.answered("first")
	g.Expect(g.verdict()).To(Equal(loaded))
	g.pass(time.Minute)
	return g
}

func (g *rig) message() string {
	return meta.FindStatusCondition(g.get().Status.Conditions, api.ReadyCondition).Message
}

func TestNothingIsLoadedUntilATokenAsks(t *testing.T) {
	g := onRequest(t, "1.0.0")
	g.until(awaiting)
	g.Expect(g.message()).To(Equal("taskserv:e:1.0.0 was found and is not loaded, because automatic loading is off; " +
		"set the annotation extensions.provisioning.dev/reload-requested-at to a new value to have it loaded"))
	g.Expect(stalled(g.get())).To(BeFalse())
	writes := g.writes
	g.pass(time.Hour)
	g.Expect(g.reconcile()).To(BeZero(), "nobody polls")
	g.reconciler.memory = newMemory()
	g.settle()
	g.Expect(g.writes).To(Equal(writes), "nor is anything written over a restart")
	g.Expect(g.nu.ran()).To(BeZero())

	g.token("T")
	g.until(loaded)
	g.Expect(g.get().Status.LastHandledReloadAt).To(Equal("T"))
	g.Expect(g.nu.ran()).To(Equal(1))
}

func TestATokenThatWasThereAtTheCreationAsks(t *testing.T) {
	g := onRequest(t, "1.0.0")
	g.token("T")
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(1))
}

func TestWhatIsLoadedStaysOverARestartAndAnotherNushellWaits(t *testing.T) {
	g := loadedOnRequest(t, "1.0.0")
	writes := g.writes
	g.reconciler.memory = newMemory()
	g.settle()
	g.nu.set(func() { g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away") })
	g.settle()
	g.Expect(g.writes).To(Equal(writes))
	g.nu.set(func() {
		g.nu.unavailable, g.nu.toolchain.NushellVersion, g.nu.toolchain.Nushell = nil, "9.9.9", "sha256:other"
	})
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.message()).To(ContainSubstring("another Nushell, waits for a reload token"))
	g.Expect(g.writes).To(Equal(writes+1), "said once")
	g.Expect(g.nu.ran()).To(Equal(1))
	g.token("second")
	g.answered("second")
	g.Expect(g.nu.ran()).To(Equal(2))
	g.Expect(g.message()).To(Equal("loaded taskserv:e:1.0.0"))
}

func TestANewerMatchWaitsForAToken(t *testing.T) {
	g := loadedOnRequest(t, "1.0.0")
	writes := g.writes
	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.message()).To(Equal("loaded taskserv:e:1.0.0; taskserv:e:2.0.0 waits for a reload token"))
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
	g.reconciler.memory = newMemory()
	g.settle()
	g.Expect(g.writes).To(Equal(writes+1), "it is said once, over a restart too")
	g.Expect(g.nu.ran()).To(Equal(1))
	g.token("second")
	g.answered("second")
	g.Expect(g.get().Status.Version).To(Equal("2.0.0"))
	g.Expect(g.message()).To(Equal("loaded taskserv:e:2.0.0"))
}

func TestChangedContentWaitsForAToken(t *testing.T) {
	g := loadedOnRequest(t, "1.0.0")
	changed := g.shelf.members["1.0.0"]
	changed.Digest = g.shelf.members["2.0.0"].Digest
	before := g.get().Status.Digest
	g.shelf.members["1.0.0"] = changed
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.message()).To(Equal("loaded taskserv:e:1.0.0; changed content of it or of a dependency, or another Nushell, waits for a reload token"))
	g.Expect(g.get().Status.Digest).To(Equal(before))
	g.token("second")
	g.answered("second")
	g.Expect(g.get().Status.Digest).NotTo(Equal(before))
	g.Expect(g.verdict()).To(Equal(loaded))
}

func TestWhatHappensInTheCatalogTakesNoReadyAway(t *testing.T) {
	g := loadedOnRequest(t, "2.0.0", "1.0.0")
	g.shelf.offers = []string{"1.0.0"}
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	gone := g.message()
	g.Expect(gone).To(HavePrefix("loaded taskserv:e:2.0.0; a reload would end in VersionNotFound: version 2.0.0 of taskserv e, which is loaded, is gone"))

	writes := g.writes
	g.shelf.err = extension.NewTransientFault(extension.CatalogUnavailable, nil, "the disk is away")
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.message()).To(Equal(gone), "what may pass by itself is not told")
	g.Expect(g.writes).To(Equal(writes))
	g.Expect(g.reconcile()).NotTo(BeZero(), "it is looked at again, as there may be no event")
	g.shelf.err, g.shelf.offers = nil, []string{"2.0.0", "1.0.0"}
	g.pass(time.Hour)
	g.settle()
	g.Expect(g.message()).To(Equal("loaded taskserv:e:2.0.0"))
	g.Expect(g.nu.ran()).To(Equal(1))
}

func TestWhatWaitsIsNotToldAnewAfterARestart(t *testing.T) {
	for name, offers := range map[string][]string{"a version that is gone": {"1.0.0"}, "a name that is gone": nil} {
		t.Run(name, func(t *testing.T) {
			g := loadedOnRequest(t, "2.0.0", "1.0.0")
			g.shelf.offers = offers
			g.settle()
			told, writes := g.message(), g.writes
			g.Expect(told).To(ContainSubstring("a reload would end in "))

			g.reconciler.memory = newMemory()
			g.synced = g.now.Add(-time.Minute) // the catalogs are not read yet
			g.settle()
			g.Expect(g.message()).To(Equal(told))
			g.pass(time.Minute)
			g.synced = g.now
			g.reconciler.Wakes.Synced()
			g.settle()
			g.Expect(g.message()).To(Equal(told))
			g.Expect(g.writes).To(Equal(writes))
		})
	}
	t.Run("a newer version, while neither the catalog nor nu is there", func(t *testing.T) {
		g := loadedOnRequest(t, "1.0.0")
		g.shelf.offers = []string{"2.0.0", "1.0.0"}
		g.settle()
		told, writes := g.message(), g.writes
		g.Expect(told).To(ContainSubstring("2.0.0 waits for a reload token"))
		g.reconciler.memory = newMemory()
		g.nu.set(func() { g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away") })
		g.settle()
		g.shelf.err = extension.NewTransientFault(extension.CatalogUnavailable, nil, "the disk is away")
		g.pass(time.Hour)
		g.settle()
		g.Expect(g.message()).To(Equal(told))
		g.Expect(g.writes).To(Equal(writes))

		g.spec(">=1.0")
		g.settle()
		g.Expect(g.get().Status.ObservedGeneration).To(BeEquivalentTo(2))
		g.Expect(meta.FindStatusCondition(g.get().Status.Conditions, api.ReadyCondition).ObservedGeneration).To(BeEquivalentTo(2))
		g.Expect(g.writes).To(Equal(writes+1), "a spec is seen all the same")
	})
}

func TestASpecThatWantsSomethingElseAwaitsAToken(t *testing.T) {
	g := loadedOnRequest(t, "2.0.0", "1.0.0")
	g.spec(">=1.0") // takes what is loaded
	g.settle()
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.get().Status.ObservedGeneration).To(BeEquivalentTo(2))
	g.spec("1.0.0")
	g.until(awaiting)
	g.Expect(g.get().Status.Version).To(Equal("2.0.0"), "the last good stays")
	g.Expect(meta.IsStatusConditionTrue(g.get().Status.Conditions, api.LoadedCondition)).To(BeTrue())
	g.spec(">=1") // back again
	g.until(loaded)
	g.spec("3.0.0")
	g.until("False VersionNotFound")
	g.spec("1.0.0")
	g.until(awaiting)
	g.Expect(g.nu.ran()).To(Equal(1))
	g.token("second")
	g.answered("second")
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestASuspensionBetweenKeepsWhatIsLoaded(t *testing.T) {
	g := loadedOnRequest(t, "1.0.0")
	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	suspend := func(yes bool) {
		g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = yes })
		g.settle()
		g.Expect(g.verdict()).To(Equal(loaded))
	}
	suspend(true)
	g.token("second")
	g.settle()
	g.Expect(g.get().Status.LastHandledReloadAt).To(Equal("first"), "tokens wait")
	g.change(func(ext *api.Extension) { delete(ext.Annotations, api.ReloadAnnotation) })
	suspend(false)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
	g.Expect(g.message()).To(ContainSubstring("2.0.0 waits for a reload token"))

	suspend(true)
	g.token("third")
	suspend(false)
	g.answered("third")
	g.Expect(g.get().Status.Version).To(Equal("2.0.0"))
}

func TestAReloadThatFailedIsNotHidden(t *testing.T) {
	t.Run("because of the content", func(t *testing.T) {
		g := loadedOnRequest(t, "1.0.0")
		g.shelf.offers = []string{"2.0.0", "1.0.0"}
		g.nu.set(func() { g.nu.err = extension.NewFault(extension.LoadFailed, "it does not parse") })
		g.token("second")
		g.answered("second")
		g.settle()
		g.Expect(g.verdict()).To(Equal("False LoadFailed"))
		g.reconciler.memory = newMemory()
		g.settle()
		g.Expect(g.verdict()).To(Equal("False LoadFailed"))

		mended := g.shelf.members["2.0.0"]
		mended.Metadata.Description, mended.Digest = "mended", g.shelf.members["1.0.0"].Digest
		g.shelf.members["2.0.0"] = mended
		g.nu.set(func() { g.nu.err = nil })
		g.until(awaiting)
		g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
		g.Expect(g.nu.ran()).To(Equal(2))
		g.shelf.offers = []string{"1.0.0"}
		g.until(loaded) // it is what there is
		g.Expect(g.nu.ran()).To(Equal(2))
	})
	t.Run("because of the content, and the spec asks for the same", func(t *testing.T) {
		g := loadedOnRequest(t, "1.0.0")
		g.shelf.offers = []string{"2.0.0", "1.0.0"}
		g.nu.set(func() { g.nu.err = extension.NewFault(extension.LoadFailed, "it does not parse") })
		g.token("second")
		g.answered("second")
		failed, writes := g.message(), g.writes
		g.spec(">=1.0")
		g.settle()
		g.Expect(g.verdict()).To(Equal("False LoadFailed"))
		g.Expect(g.message()).To(Equal(failed))
		g.Expect(stalled(g.get())).To(BeTrue())
		g.Expect(meta.FindStatusCondition(g.get().Status.Conditions, api.StalledCondition).ObservedGeneration).To(BeEquivalentTo(2))
		g.reconciler.memory = newMemory()
		g.settle()
		g.Expect(g.writes).To(Equal(writes+1), "it is seen once, over a restart too")
		g.spec("1.0.0")
		g.until(loaded)
		g.Expect(g.nu.ran()).To(Equal(2))
	})
	t.Run("on the content that is loaded", func(t *testing.T) {
		g := loadedOnRequest(t, "1.0.0")
		g.nu.set(func() { g.nu.err = extension.NewFault(extension.LimitExceeded, "it took too much memory") })
		g.token("second")
		g.answered("second")
		g.settle()
		g.Expect(g.verdict()).To(Equal("False LimitExceeded"))
		writes := g.writes
		g.shelf.offers = []string{"2.0.0", "1.0.0"}
		g.until(awaiting)
		g.settle()
		g.reconciler.memory = newMemory()
		g.settle()
		g.Expect(g.verdict()).To(Equal(awaiting))
		g.Expect(g.writes).To(Equal(writes + 1))
		g.spec(">=1.0")
		g.until(loaded) // another spec: what is loaded fits it
		g.Expect(g.message()).To(ContainSubstring("taskserv:e:2.0.0 waits for a reload token"))
		g.Expect(g.nu.ran()).To(Equal(2))
	})
	t.Run("because of the catalog", func(t *testing.T) {
		g := loadedOnRequest(t, "1.0.0")
		g.shelf.offers = nil
		g.token("second")
		g.answered("second")
		g.settle()
		g.Expect(g.verdict()).To(Equal("False ExtensionNotFound"))
		writes := g.writes
		g.reconciler.memory = newMemory()
		g.settle()
		g.Expect(g.writes).To(Equal(writes))
		g.shelf.offers = []string{"2.0.0", "1.0.0"}
		g.until(loaded)
		g.Expect(g.message()).To(ContainSubstring("taskserv:e:2.0.0 waits for a reload token"))
	})
}

func TestATokenIsTriedUntilItIsAnswered(t *testing.T) {
	g := onRequest(t, "1.0.0")
	g.nu.set(func() { g.nu.err = extension.NewTransientFault(extension.LoadFailed, nil, "died by a signal") })
	g.token("T")
	g.until("False LoadFailed")
	g.reconciler.memory = newMemory() // a restart in between
	g.nu.set(func() { g.nu.err = nil })
	g.answered("T")
	g.Expect(g.verdict()).To(Equal(loaded))
}

func TestAutomaticLoadingGoesOnFromThere(t *testing.T) {
	g := loadedOnRequest(t, "1.0.0")
	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	g.settle()
	g.reconciler.AutoLoad = true
	g.reconciler.memory = newMemory()
	g.until(loaded)
	g.Eventually(func() string { g.settle(); return g.get().Status.Version }).Should(Equal("2.0.0"))
	g.Expect(g.message()).To(Equal("loaded taskserv:e:2.0.0"))
}

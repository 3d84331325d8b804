// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

const (
	loaded  = "True Loaded"
	loading = "False Loading"
)

func TestASpecChangeLowersTheVersionAlsoWhenTheLoadIsSlow(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.offers = []string{"1.0.0"}
	g.until("False VersionNotFound")
	open := g.closeGate()
	g.spec(">=0")
	g.reconcile()
	g.pass(3 * time.Second)
	g.settle()
	g.Expect(g.verdict()).To(Equal(loading))
	open()
	g.until(loaded)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestASpecChangeLowersTheVersionAlsoAfterNuWasAway(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.offers = []string{"1.0.0"}
	g.until("False VersionNotFound")
	g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away")
	g.spec(">=0")
	g.until("False NushellUnavailable")
	g.nu.unavailable = nil
	g.pass(time.Hour)
	g.until(loaded)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestAVersionStaysWhileNobodyAsksForLess(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.err = extension.NewTransientFault(extension.CatalogUnavailable, nil, "the disk is away")
	g.until("False CatalogUnavailable")
	g.shelf.err, g.shelf.offers = nil, []string{"1.0.0"}
	g.pass(time.Hour)
	g.until("False VersionNotFound")
	g.Expect(g.get().Status.Version).To(Equal("2.0.0"))
	g.token("lower it")
	g.until(loaded)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestATokenDuringTheFirstLoadReadsTheCatalog(t *testing.T) {
	g := newRig(t, "2.0.0")
	open := g.closeGate()
	g.reconcile()
	g.token("T")
	g.reconcile()
	g.Expect(g.shelf.refreshed).To(Equal(1))
	open()
	g.until(loaded)
	g.Expect(g.get().Status.LastHandledReloadAt).To(Equal("T"))
	g.Expect(g.nu.ran()).To(Equal(1), "the load under way is of that very content")
}

func TestATokenIsNotAnsweredByALoadThatWasBegunWithoutIt(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.until(loaded)
	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	open := g.closeGate()
	g.reconcile() // 2.0.0, without a token
	g.token("T")
	g.reconcile()
	g.Expect(g.shelf.refreshed).To(Equal(1), "the token reads the catalog again")
	open()
	g.answered("T")
	g.Expect(g.get().Status.Version).To(Equal("2.0.0"))
}

func TestASecondTokenWaitsForTheFirstOnesLoad(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.until(loaded)
	open := g.closeGate()
	g.token("T1")
	g.reconcile()
	g.pass(3 * time.Second)
	g.settle()
	g.Expect(g.verdict()).To(Equal(loading))
	writes := g.writes
	g.token("T2")
	g.settle()
	g.pass(20 * time.Second)
	g.settle()
	g.Expect(g.verdict()).To(Equal(loading), "Ready does not flip while the first is under way")
	g.Expect(g.writes).To(Equal(writes))
	open()
	g.answered("T2")
	g.Expect(g.verdict()).To(Equal(loaded))
	g.Expect(g.nu.ran()).To(Equal(3), "one for each token, and the first load")
}

func TestASecondTokenDoesNotFlipReadyWhileNuIsAway(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.until(loaded)
	g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away")
	g.token("T1")
	g.until("False NushellUnavailable")
	writes := g.writes
	g.token("T2")
	g.settle()
	g.Expect(g.verdict()).To(Equal("False NushellUnavailable"))
	g.Expect(g.writes).To(Equal(writes))
	g.pass(11 * time.Second)
	g.settle()
	g.nu.unavailable = nil
	g.pass(time.Hour)
	g.until(loaded)
	g.Expect(g.get().Status.LastHandledReloadAt).To(Equal("T2"), "the newest wins")
}

func TestATokenWaitsItsTimeAndIsLookedAtThen(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.until(loaded)
	g.token("T1")
	g.answered("T1")
	g.pass(8 * time.Second)
	g.token("T2")
	g.Expect(g.reconcile()).To(Equal(2 * time.Second))
	g.Expect(g.get().Status.LastHandledReloadAt).To(Equal("T1"))
	g.pass(2 * time.Second)
	g.answered("T2")
}

func TestAReloadOfWhatNeverLoadedRunsNuAgain(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.nu.set(func() { g.nu.err = extension.NewFault(extension.LoadFailed, "it does not parse") })
	g.until("False LoadFailed")
	g.nu.set(func() { g.nu.err = nil })
	g.settle()
	g.Expect(g.nu.ran()).To(Equal(1), "a terminal failure is not tried again by itself")
	g.token("T")
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(2))
}

func TestATerminalFailureIsRememberedOverARestart(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.nu.set(func() { g.nu.err = extension.NewFault(extension.LoadFailed, "it does not parse") })
	g.until("False LoadFailed")
	writes := g.writes
	g.reconciler.memory = newMemory()
	g.settle()
	g.Expect(g.nu.ran()).To(Equal(1))
	g.Expect(g.writes).To(Equal(writes))
}

func TestAHangingLoadIsToldOnceHoweverOftenItIsTried(t *testing.T) {
	g := newRig(t, "2.0.0")
	open := g.closeGate()
	g.reconcile()
	g.pass(3 * time.Second)
	g.settle()
	g.pass(30 * time.Second)
	g.settle()
	g.Expect(g.verdict()).To(Equal("False LoadTimeout"))
	g.Expect(g.writes).To(Equal(2), "Loading, then LoadTimeout")
	g.pass(time.Minute)
	g.settle()
	g.Expect(g.writes).To(Equal(2))
	open()
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(1), "the load went on, and its outcome was taken")
}

func TestATransientFailureBacksOff(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.nu.set(func() { g.nu.err = extension.NewTransientFault(extension.LoadFailed, nil, "died by a signal") })
	g.until("False LoadFailed")
	g.Expect(g.nu.ran()).To(Equal(1))
	again := g.reconcile()
	g.Expect(again).To(BeNumerically("~", 1200*time.Millisecond, 300*time.Millisecond))
	g.settle()
	g.Expect(g.nu.ran()).To(Equal(1), "own writes do not bypass the backoff")
	g.pass(again)
	failures := func() int { g.settle(); return g.reconciler.memory.records[g.key].backoff.failures }
	g.Eventually(failures).Should(Equal(2))
	g.Expect(g.nu.ran()).To(Equal(2))
	g.Expect(g.reconcile()).To(BeNumerically(">", again), "it grows")
	g.nu.set(func() { g.nu.err = nil })
	g.reconciler.Wakes.Changed([]extension.Consulted{{Catalog: "shelf", Type: extension.Taskserv, Name: "e"}})
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(3), "an event does")
}

func TestAConflictLosesNothing(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.refuse = func(*api.Extension) error {
		return apierrors.NewConflict(api.GroupVersion.WithResource("extensions").GroupResource(), "e", errors.New("changed"))
	}
	g.reconcile()
	g.Eventually(func() time.Duration { return g.reconcile() }).Should(Equal(staleRead))
	g.refuse = nil
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(1))
}

func TestSuspendingKeepsWhatIsUnderWayForLater(t *testing.T) {
	g := newRig(t, "2.0.0")
	open := g.closeGate()
	g.reconcile()
	g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = true })
	g.until("False Suspended")
	open()
	g.settle()
	g.Expect(g.verdict()).To(Equal("False Suspended"))
	g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = false })
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(1))
}

func TestAnObjectMadeAnewIsAnother(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.nu.set(func() { g.nu.err = extension.NewTransientFault(extension.LoadFailed, nil, "died") })
	g.until("False LoadFailed")
	old := g.get()
	g.Expect(g.client.Delete(context.Background(), old)).To(Succeed())
	fresh := &api.Extension{ObjectMeta: old.ObjectMeta, Spec: old.Spec}
	fresh.UID, fresh.ResourceVersion = "another", ""
	g.Expect(g.client.Create(context.Background(), fresh)).To(Succeed())
	g.nu.set(func() { g.nu.err = nil })
	g.until(loaded) // without the backoff of the one before
}

func TestNotFoundWaitsForTheCatalogsToBeReadOnce(t *testing.T) {
	g := newRig(t)
	g.synced = g.now.Add(-time.Minute)
	g.until("False ExtensionNotFound")
	g.Expect(stalled(g.get())).To(BeFalse())
	g.pass(time.Second)
	g.synced = g.now
	g.reconciler.Wakes.Synced()
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue())
	writes := g.writes
	g.reconciler.memory = newMemory() // a restart: the catalogs have not been read since
	g.settle()
	g.Expect(g.writes).To(Equal(writes))
}

func TestAnObjectThatGoesAwayIsLeftAlone(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.change(func(ext *api.Extension) { ext.Finalizers = []string{"example.com/somebody"} })
	g.Expect(g.client.Delete(context.Background(), g.get())).To(Succeed())
	g.settle()
	g.Expect(g.verdict()).To(Equal("unseen"))
	g.change(func(ext *api.Extension) { ext.Finalizers = nil })
	g.Expect(client.IgnoreNotFound(g.client.Get(context.Background(), g.key, &api.Extension{}))).To(Succeed())
	g.reconcile()
	g.Expect(g.reconciler.memory.records).To(BeEmpty())
	g.Expect(g.reconciler.Wakes.consulted).To(BeEmpty())
}

func stalled(ext *api.Extension) bool {
	a := attempt{ext: ext}
	return a.alreadyStalled()
}

func TestALowerVersionThatFailsIsLoadedOnceItIsMended(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.offers = []string{"1.0.0"}
	g.until("False VersionNotFound")
	g.nu.set(func() { g.nu.err = extension.NewFault(extension.LoadFailed, "it does not parse") })
	g.spec(">=0")
	g.until("False LoadFailed")
	g.settle()
	g.Expect(g.verdict()).To(Equal("False LoadFailed"), "what failed is not hidden by the version that is gone")
	mended := g.shelf.members["1.0.0"]
	mended.Digest = g.shelf.members["2.0.0"].Digest
	g.shelf.members["1.0.0"] = mended
	g.nu.set(func() { g.nu.err = nil })
	g.until(loaded)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestASpecChangeKeepsItsRightToALowerVersionWhileNothingIsFound(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.offers = nil
	g.spec(">=0")
	g.until("False ExtensionNotFound")
	g.shelf.offers = []string{"1.0.0"}
	g.until(loaded)
	g.Expect(g.get().Status.Version).To(Equal("1.0.0"))
}

func TestAReloadThatFailsOnUnchangedContentStaysFailed(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.until(loaded)
	g.nu.set(func() { g.nu.err = extension.NewFault(extension.LimitExceeded, "it computes for ever") })
	g.token("T")
	g.answered("T")
	g.settle()
	g.Expect(g.verdict()).To(Equal("False LimitExceeded"))
	g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away")
	g.settle()
	g.Expect(g.verdict()).NotTo(Equal(loaded), "nor is it forgotten when nu goes away")
}

func TestARefusedStatusIsNotSentAgain(t *testing.T) {
	g := newRig(t, "2.0.0")
	g.refuse = func(ext *api.Extension) error {
		if ext.Status.LoadedAt == nil {
			return nil
		}
		return apierrors.NewInvalid(api.GroupVersion.WithKind("Extension").GroupKind(), "e", nil)
	}
	g.until("False InternalError")
	for range 3 {
		g.settle()
	}
	g.Expect(g.writes).To(Equal(2), "the refused one and the minimal one")
	g.refuse = nil
	g.settle()
	g.Expect(g.writes).To(Equal(2))
	g.Expect(g.nu.ran()).To(Equal(1))
	g.spec(">=1.0")
	g.until(loaded)
}

func TestASuspendedObjectForgetsWhatItWaitedFor(t *testing.T) {
	g := newRig(t, "2.0.0")
	open := g.closeGate()
	g.nu.set(func() { g.nu.err = extension.NewTransientFault(extension.LoadFailed, nil, "died by a signal") })
	g.reconcile()
	flight := g.reconciler.memory.records[g.key].waiting.flight
	g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = true })
	g.until("False Suspended")
	open()
	<-flight.Done()
	g.settle()
	g.nu.set(func() { g.nu.err = nil })
	g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = false })
	g.until(loaded)
}

func TestAVersionThatComesBackIsReadyWithoutALoad(t *testing.T) {
	g := newRig(t, "2.0.0", "1.0.0")
	g.until(loaded)
	g.shelf.offers = []string{"1.0.0"}
	g.until("False VersionNotFound")
	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	g.until(loaded)
	g.Expect(g.nu.ran()).To(Equal(1))
}

// The stop of the process cancels its loads; that says nothing of the extension.
func TestALoadThatTheStopHasEndedIsNoVerdict(t *testing.T) {
	for name, err := range map[string]error{
		"before nu ran": context.Canceled,
		"as nu ran":     extension.NewTransientFault(extension.LoadFailed, context.Canceled, "loading was cancelled"),
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, "1.0.0")
			g.nu.err = err
			g.reconcile()
			g.Eventually(g.nu.ran).Should(Equal(1))
			g.settle()
			g.Expect(g.writes).To(BeZero())
			g.Expect(g.nu.ran()).To(Equal(1), "it is not asked for again")
		})
	}
}

// patient gives a rig a grace, and catalogs that are read all the time.
func patient(t *testing.T, versions ...string) *rig {
	g := newRig(t, versions...)
	g.reconciler.Grace = 2 * time.Minute
	return g
}

func TestWhatIsMissingIsGivenItsTimeToCome(t *testing.T) {
	g := patient(t)
	g.until("False ExtensionNotFound")
	g.Expect(stalled(g.get())).To(BeFalse(), "the catalogs were read, and the library may have been applied with the object")
	writes := g.writes
	g.pass(90 * time.Second)
	g.Expect(g.reconcile()).To(Equal(30*time.Second), "it is looked at again when the time is over, and nobody polls")
	g.Expect(g.writes).To(Equal(writes))

	g.shelf.offers = []string{"2.0.0"}
	g.until(loaded)
	g.Expect(g.writes).To(Equal(writes + 1))
}

func TestWhatIsStillMissingAfterItsTimeIsMissingForGood(t *testing.T) {
	g := patient(t)
	g.until("False ExtensionNotFound")
	writes := g.writes
	g.pass(2 * time.Minute)
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue())
	g.Expect(g.writes).To(Equal(writes + 1))
	g.Expect(g.reconcile()).To(BeZero())

	g.reconciler.memory = newMemory()
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue(), "over a restart too")
	g.Expect(g.writes).To(Equal(writes + 1))

	g.spec("9.9.9")
	g.until("False ExtensionNotFound")
	g.Expect(stalled(g.get())).To(BeFalse(), "another spec has its own time")
}

// A token that came with the object waits with it, also where another process finds it.
func TestARestartDoesNotTakeAnOldTokenForAQuestion(t *testing.T) {
	g := patient(t)
	g.token("t-1")
	g.until("False ExtensionNotFound")
	g.reconciler.memory = newMemory()
	g.settle()
	g.Expect(stalled(g.get())).To(BeFalse())
	g.pass(time.Minute)
	g.token("t-2")
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue(), "somebody asks what there is now")
}

func TestTheTimeOfWhatIsMissingGoesOnOverOtherFailures(t *testing.T) {
	g := patient(t)
	g.until("False ExtensionNotFound")
	g.pass(time.Minute)
	g.shelf.err = extension.NewTransientFault(extension.CatalogUnavailable, nil, "the disk is away")
	g.until("False CatalogUnavailable")
	g.pass(time.Minute)
	g.shelf.err = nil
	g.until("False ExtensionNotFound")
	g.Expect(stalled(g.get())).To(BeTrue())
}

func TestAfterTheTimeTheCatalogsMustHaveBeenReadToo(t *testing.T) {
	g := patient(t)
	g.synced = g.now.Add(-time.Minute)
	g.until("False ExtensionNotFound")
	g.pass(3 * time.Minute)
	g.settle()
	g.Expect(stalled(g.get())).To(BeFalse())
	g.synced = g.now
	g.reconciler.Wakes.Synced()
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue())
}

// A library may lose a version a moment before the spec that follows.
func TestAVersionThatVanishesIsGivenTimeToo(t *testing.T) {
	g := patient(t, "1.0.0")
	g.spec("1.0.0")
	g.until(loaded)
	g.pass(time.Hour)
	g.shelf.offers = []string{"2.0.0"}
	g.until("False VersionNotFound")
	g.Expect(stalled(g.get())).To(BeFalse())
	g.spec("2.0.0")
	g.until(loaded)
	g.synced = g.now.Add(time.Minute)
	g.shelf.offers = []string{"1.0.0"}
	g.until("False VersionNotFound")
	g.pass(2 * time.Minute)
	g.settle()
	g.Expect(stalled(g.get())).To(BeTrue())
}

// Who asks for a reload of what is there to see is told at once; a token that came with
// the object asks for nothing that is there yet.
func TestAReloadThatIsAskedForWaitsForNothingThatIsMissing(t *testing.T) {
	t.Run("with the object", func(t *testing.T) {
		g := patient(t)
		g.token("early")
		g.until("False ExtensionNotFound")
		g.Expect(stalled(g.get())).To(BeFalse())
		g.Expect(g.get().Status.LastHandledReloadAt).To(BeEmpty())
		g.shelf.offers = []string{"2.0.0"}
		g.answered("early")
		g.Expect(g.verdict()).To(Equal(loaded))
		g.Expect(g.nu.ran()).To(Equal(1))
	})
	t.Run("later", func(t *testing.T) {
		g := patient(t)
		g.until("False ExtensionNotFound")
		g.token("now")
		g.answered("now")
		g.Expect(stalled(g.get())).To(BeTrue())
	})
}

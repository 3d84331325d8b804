// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

var syntax = extension.NewFault(extension.LoadFailed, "taskserv e does not load: mod.nu:1:1: oh")

func TestALoadIsReportedForTheObjectThatAskedForIt(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.until(loaded)
	g.Expect(g.witness.loads).To(HaveLen(1))
	g.Expect(g.witness.loads[0].Asker).To(Equal(extension.Asker{Namespace: "n", Name: "e"}))
	g.Expect(g.witness.refused).To(BeEmpty())
	g.Expect(g.witness.reloaded).To(BeEmpty(), "nobody asked for a reload")
}

func TestARefusalIsReportedOncePerTransition(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.nu.set(func() { g.nu.err = syntax })
	g.until("False LoadFailed")
	for range 3 {
		g.settle()
	}
	g.Expect(g.witness.refused).To(Equal([]extension.VerdictRecord{{
		Asker: extension.Asker{Namespace: "n", Name: "e"},
		Ref:   extension.Ref{Type: extension.Taskserv, Name: "e", Constraint: ">=1"}, Member: g.shelf.members["1.0.0"],
		InputDigest: g.witness.loads[0].InputDigest, At: g.now, Fault: syntax,
	}}))

	g.reconciler = New(g.reconciler.Options) // a restart
	g.settle()
	g.Expect(g.witness.refused).To(HaveLen(1), "the status says it already")

	g.shelf.offers = []string{"2.0.0", "1.0.0"}
	g.Eventually(func() int { g.settle(); return len(g.witness.refused) }).Should(Equal(2), "other content is refused for itself")
	g.Expect(g.witness.refused[1].Member.Key.Version).To(Equal("2.0.0"))

	g.spec(">=3")
	g.until("False VersionNotFound")
	g.Expect(g.witness.refused).To(HaveLen(3))
	g.Expect(g.witness.refused[2].Member.Key).To(BeZero())

	g.spec(">=4")
	g.Eventually(func() int { g.settle(); return len(g.witness.refused) }).Should(Equal(4), "another wish is refused for itself")
}

func TestWhatMayPassByItselfIsNoRefusal(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.nu.unavailable = extension.NewFault(extension.NushellUnavailable, "nu is away")
	g.until("False NushellUnavailable")
	g.nu.unavailable = nil
	g.nu.set(func() { g.nu.err = extension.NewTransientFault(extension.LoadFailed, nil, "died") })
	g.pass(time.Hour)
	g.until("False LoadFailed")
	g.Expect(g.witness.refused).To(BeEmpty())
}

func TestSuspendingWhatIsRefusedIsNoRefusal(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.nu.set(func() { g.nu.err = syntax })
	g.until("False LoadFailed")
	g.change(func(ext *api.Extension) { ext.Generation++; ext.Spec.Suspend = true })
	g.settle()
	g.Expect(g.get().Status.ObservedGeneration).To(BeEquivalentTo(2))
	g.Expect(g.witness.refused).To(HaveLen(1))
}

func TestAReloadIsReportedOnceItIsHandled(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.until(loaded)
	open := g.closeGate()
	g.token("T1")
	g.settle()
	g.Expect(g.witness.reloaded).To(BeEmpty(), "it is under way")
	open()
	g.answered("T1")
	g.settle()
	g.Expect(g.witness.reloaded).To(HaveLen(1))
	g.Expect(g.witness.reloaded[0].Token).To(Equal("T1"))
	g.Expect(g.witness.reloaded[0].Member.Key.Version).To(Equal("1.0.0"))
	g.Expect(g.witness.reloaded[0].Fault).To(BeNil())

	g.nu.set(func() { g.nu.err = syntax })
	g.pass(time.Minute)
	g.token("T2")
	g.answered("T2")
	g.Expect(g.witness.reloaded).To(HaveLen(2))
	g.Expect(g.witness.reloaded[1].Fault).To(Equal(syntax))
	g.Expect(g.witness.refused).To(HaveLen(1))

	g.pass(time.Minute)
	g.token("T3")
	g.answered("T3")
	g.Expect(g.witness.reloaded).To(HaveLen(3))
	g.Expect(g.witness.refused).To(HaveLen(1), "the verdict is the same")
	g.Expect(g.witness.loads).To(HaveLen(4))
}

func TestAWriteThatFailedIsNotReported(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.nu.set(func() { g.nu.err = syntax })
	g.token("T")
	g.refuse = func(*api.Extension) error {
		return apierrors.NewConflict(api.GroupVersion.WithResource("extensions").GroupResource(), "e", nil)
	}
	g.reconcile()
	g.Eventually(func() time.Duration { return g.reconcile() }).Should(Equal(staleRead))
	g.Expect(g.witness.refused).To(BeEmpty())
	g.Expect(g.witness.reloaded).To(BeEmpty())
	g.refuse = nil
	g.answered("T")
	g.Expect(g.witness.refused).To(HaveLen(1))
	g.Expect(g.witness.reloaded).To(HaveLen(1))
}

func TestAStatusThatTheServerRefusesIsReportedAsAnInternalError(t *testing.T) {
	g := newRig(t, "1.0.0")
	g.token("T")
	g.refuse = func(ext *api.Extension) error {
		if ext.Status.LoadedAt == nil {
			return nil
		}
		return apierrors.NewInvalid(api.GroupVersion.WithKind("Extension").GroupKind(), "e", nil)
	}
	g.until("False InternalError")
	g.settle()
	g.Expect(g.witness.refused).To(HaveLen(1))
	g.Expect(g.witness.refused[0].Fault.Code).To(Equal(extension.InternalError))
	g.Expect(g.witness.reloaded).To(HaveLen(1))
	g.Expect(g.witness.reloaded[0].Fault.Code).To(Equal(extension.InternalError))
}

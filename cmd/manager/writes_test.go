// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

var extensionResource = api.GroupVersion.WithResource("extensions").GroupResource()

var _ = Describe("writing the status", func() {
	// failing makes the first n patches of a world go through fail.
	failing := func(w *world, n int64, fail func(send func() error, obj client.Object) error) {
		var seen atomic.Int64
		w.patch = func(_ context.Context, send func() error, obj client.Object) error {
			if seen.Add(1) <= n {
				return fail(send, obj)
			}
			return send()
		}
	}

	DescribeTable("loses no load when a write fails", func(fail func(send func() error, obj client.Object) error) {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		failing(w, 2, fail)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
		w.stays("etcd", ready)
	},
		Entry("by a conflict", func(_ func() error, obj client.Object) error {
			return apierrors.NewConflict(extensionResource, obj.GetName(), errors.New("changed meanwhile"))
		}),
		Entry("by a lost response", func(send func() error, _ client.Object) error {
			return errors.Join(send(), errors.New("connection reset by peer"))
		}),
		Entry("by an API server that is away", func(func() error, client.Object) error {
			return apierrors.NewServiceUnavailable("away")
		}),
	)

	It("makes way for a change that comes between", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		failing(w, 1, func(send func() error, _ client.Object) error {
			w.change("etcd", func(ext *api.Extension) { ext.Spec.Version = "3.6.0" })
			return send()
		})
		w.start()
		w.apply(api.TaskservType, "etcd", "3.5.9")
		Eventually(func() string { return w.get("etcd").Status.Version }).Should(Equal("3.6.0"))
		Expect(w.becomes("etcd", ready).Status.ObservedGeneration).To(BeEquivalentTo(2))
		Expect(w.get("etcd").Status.History).To(HaveLen(1), "what was overtaken was never written")
	})

	It("says so once, and stops, when the API server refuses the status", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		var sent atomic.Int64
		w.patch = func(_ context.Context, send func() error, obj client.Object) error {
			sent.Add(1)
			ext := obj.(*api.Extension)
			if meta.IsStatusConditionTrue(ext.Status.Conditions, api.ReadyCondition) {
				return apierrors.NewInvalid(api.GroupVersion.WithKind("Extension").GroupKind(), ext.Name, nil)
			}
			return send()
		}
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False InternalError Stalled")
		Expect(w.message("etcd")).To(ContainSubstring("check that the installed CRD"))
		w.stays("etcd", "False InternalError Stalled")
		Expect(sent.Load()).To(BeEquivalentTo(2), "the refused one and the minimal one")
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
	})

	It("carries over what others keep in the conditions", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		ext := w.becomes("etcd", ready)
		foreign := metav1.Condition{
			Type: "Approved", Status: metav1.ConditionTrue, Reason: "Somebody", LastTransitionTime: metav1.Now().Rfc3339Copy(),
		}
		base := ext.DeepCopy()
		ext.Status.Conditions = append(ext.Status.Conditions, foreign)
		Expect(admin.Status().Patch(context.Background(), ext, client.MergeFrom(base))).To(Succeed())
		w.reload("etcd", "token")
		Eventually(func() string { return w.get("etcd").Status.LastHandledReloadAt }).Should(Equal("token"))
		kept := meta.FindStatusCondition(w.get("etcd").Status.Conditions, foreign.Type)
		Expect(kept).NotTo(BeNil())
		Expect(equality.Semantic.DeepEqual(*kept, foreign)).To(BeTrue())
	})

	It("puts right what somebody else has written", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		ext := w.becomes("etcd", ready)
		base := ext.DeepCopy()
		meta.SetStatusCondition(&ext.Status.Conditions, metav1.Condition{Type: api.ReadyCondition, Status: metav1.ConditionFalse, Reason: "Forged"})
		Expect(admin.Status().Patch(context.Background(), ext, client.MergeFrom(base))).To(Succeed())
		w.becomes("etcd", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
	})

	It("tells once about a load that takes its time", func() {
		w := newWorld()
		w.slowly("4sec")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False Loading Reconciling")
		Eventually(func() string { return w.verdict("etcd") }, 30*time.Second).Should(Equal(ready))
		Expect(w.writes.Load()).To(BeEquivalentTo(2))
		Eventually(func() []string { return w.events("etcd") }).Should(HaveLen(1))
	})

	It("is silent over a restart, and runs no nu", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "broken", "1.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.start()
		for i := range 20 {
			w.apply(api.TaskservType, fmt.Sprint("etcd-", i), "", func(ext *api.Extension) { ext.Spec.Name = "etcd" })
		}
		w.apply(api.TaskservType, "broken", "")
		w.apply(api.TaskservType, "missing", "")
		for i := range 20 {
			w.becomes(fmt.Sprint("etcd-", i), ready)
		}
		w.becomes("broken", "False LoadFailed Stalled")
		w.becomes("missing", "False ExtensionNotFound Stalled")
		w.reload("etcd-7", "once")
		Eventually(func() string { return w.get("etcd-7").Status.LastHandledReloadAt }).Should(Equal("once"))
		w.stop()

		w.writes.Store(0)
		w.start()
		Consistently(w.writes.Load, 3*time.Second).Should(BeZero())
		Expect(w.loader.Stats().Runs).To(BeZero())
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		Eventually(func() string { return w.get("etcd-0").Status.Version }).Should(Equal("3.6.0"), "it is awake all the same")
	})

	It("says what was loaded when the process ended before it could", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.patch = func(context.Context, func() error, client.Object) error { return errors.New("the wire is cut") }
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		Eventually(func() uint64 { return w.loader.Stats().Runs }).Should(BeEquivalentTo(1))
		w.stop()
		Expect(w.verdict("etcd")).To(Equal("unseen"))
		w.patch = nil
		w.start()
		w.becomes("etcd", ready)
	})
})

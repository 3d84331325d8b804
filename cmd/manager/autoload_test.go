// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

var _ = Describe("without automatic loading", func() {
	const awaiting = "False AwaitingRequest"

	onRequest := func() *world {
		w := newWorld()
		w.settings.AutoLoad = false
		return w
	}
	runs := func(w *world) uint64 { return w.loader.Stats().Runs }
	asked := func(w *world, name, token string) {
		GinkgoHelper()
		w.reload(name, token)
		Eventually(func() string { return w.get(name).Status.LastHandledReloadAt }).Should(Equal(token), func() string { return w.message(name) })
	}

	It("an Extension is loaded when its token asks, and only then", func() {
		w := onRequest()
		w.publishNeeding("etcd", "3.5.9", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", awaiting)
		Expect(w.message("etcd")).To(HavePrefix("taskserv:etcd:3.5.9 was found and is not loaded"))
		w.stays("etcd", awaiting)
		Expect(runs(w)).To(BeZero())
		Expect(w.writes.Load()).To(BeEquivalentTo(1))
		Eventually(func() []string { return w.events("etcd") }).Should(HaveLen(1))
		events := &eventsv1.EventList{}
		Expect(admin.List(context.Background(), events, client.InNamespace(w.namespace))).To(Succeed())
		Expect(events.Items[0].Type).To(Equal(corev1.EventTypeNormal))

		asked(w, "etcd", "first")
		w.becomes("etcd", ready)
		Expect(w.dependencies("etcd")).To(Equal([]string{"taskserv:etcd:3.5.9 -> base@ 1.0.0 Loaded"}), "with its whole plan")
		Expect(runs(w)).To(BeEquivalentTo(2))

		By("a restart, with and without its cache")
		w.stop()
		w.writes.Store(0)
		w.start()
		w.stays("etcd", ready)
		w.settings.CacheDir = w.t.TempDir()
		w.stop()
		w.start()
		w.stays("etcd", ready)
		Expect(w.writes.Load()).To(BeZero())
		Expect(runs(w)).To(BeZero())

		By("a newer version, and changed content of a dependency")
		w.publishNeeding("etcd", "3.6.0", "base")
		w.saysThat("etcd", "loaded taskserv:etcd:3.5.9; taskserv:etcd:3.6.0 waits for a reload token")
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": goodModule + "# changed\n"})
		w.stays("etcd", ready)
		Expect(w.get("etcd").Status.Version).To(Equal("3.5.9"))
		Expect(w.writes.Load()).To(BeEquivalentTo(2), "it was said once, and with what is wanted now")
		Expect(runs(w)).To(BeZero())
		asked(w, "etcd", "second")
		Expect(w.becomes("etcd", ready).Status.Version).To(Equal("3.6.0"))
		Expect(w.message("etcd")).To(Equal("loaded taskserv:etcd:3.6.0"))
	})

	It("a token that was there at the creation asks, and a dependency's own Extension awaits its own", func() {
		w := onRequest()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "base", "")
		w.becomes("base", awaiting)
		w.apply(api.TaskservType, "top", "", func(ext *api.Extension) {
			ext.Annotations = map[string]string{api.ReloadAnnotation: "created"}
		})
		Expect(w.becomes("top", ready).Status.LastHandledReloadAt).To(Equal("created"))
		w.stays("base", awaiting)
		asked(w, "base", "first")
		w.becomes("base", ready)
	})

	It("a spec that wants something else awaits a token, and the last good stays", func() {
		w := onRequest()
		for _, version := range []string{"1.0.0", "1.1.0", "2.0.0"} {
			w.publish(api.TaskservType, "etcd", version, nil)
		}
		w.start()
		w.apply(api.TaskservType, "etcd", "^1")
		w.becomes("etcd", awaiting)
		asked(w, "etcd", "first")
		Expect(w.becomes("etcd", ready).Status.Version).To(Equal("1.1.0"))
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Version = "2.0.0" })
		Expect(w.becomes("etcd", awaiting).Status.Version).To(Equal("1.1.0"))
		w.stays("etcd", awaiting)

		By("one that takes what is loaded, and a suspension")
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Version = ">=1.1" })
		w.becomes("etcd", ready)
		w.saysThat("etcd", "taskserv:etcd:2.0.0 waits for a reload token")
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Suspend = true })
		w.becomes("etcd", ready)
		w.reload("etcd", "while suspended")
		w.stays("etcd", ready)
		Expect(w.get("etcd").Status.Version).To(Equal("1.1.0"))
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Suspend = false })
		Eventually(func() string { return w.get("etcd").Status.Version }).Should(Equal("2.0.0"))
		Expect(w.get("etcd").Status.LastHandledReloadAt).To(Equal("while suspended"))
	})

	It("what requires Ready Extensions has its token wait for them, and keeps what it was loaded with", func() {
		w := onRequest()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "base", "")
		w.apply(api.TaskservType, "top", "", policy(api.RequireDependencies))
		w.becomes("base", awaiting)
		w.becomes("top", notReady)
		w.saysThat("top", "Extension base is not Ready (AwaitingRequest)")
		w.reload("top", "first")
		w.stays("top", notReady)
		asked(w, "base", "first")
		w.becomes("top", ready)
		Expect(w.get("top").Status.LastHandledReloadAt).To(Equal("first"))

		By("a newer dependency that waits")
		w.publish(api.TaskservType, "base", "1.1.0", nil)
		w.saysThat("base", "taskserv:base:1.1.0 waits for a reload token")
		w.stays("top", ready)
		Expect(w.message("top")).To(Equal("loaded taskserv:top:1.0.0"))

		By("one that was loaded")
		asked(w, "base", "second")
		w.saysThat("top", "changed content of it or of a dependency")
		w.stays("top", ready)
		Expect(w.get("top").Status.LoadedDependencies).To(Equal([]string{"taskserv:base:1.0.0"}))
		asked(w, "top", "second")
		Expect(w.get("top").Status.LoadedDependencies).To(Equal([]string{"taskserv:base:1.1.0"}))

		By("one that goes")
		Expect(admin.Delete(context.Background(), w.get("base"))).To(Succeed())
		w.becomes("top", "False DependencyMissing")
		w.apply(api.TaskservType, "base", "1.1.0")
		w.becomes("base", awaiting)
		w.becomes("top", notReady)
		asked(w, "base", "third")
		w.becomes("top", ready)
	})

	It("a storm of changes is told once to each of many", func() {
		w := onRequest()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		for i := range 10 {
			w.apply(api.TaskservType, fmt.Sprint("etcd-", i), "", func(ext *api.Extension) {
				ext.Spec.Name, ext.Annotations = "etcd", map[string]string{api.ReloadAnnotation: "created"}
			})
		}
		for i := range 10 {
			w.becomes(fmt.Sprint("etcd-", i), ready)
		}
		Expect(w.writes.Load()).To(BeEquivalentTo(10))
		for i := range 4 {
			w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": fmt.Sprintf("%s# %d\n", goodModule, i)})
			w.saysThat("etcd-3", "changed content")
			w.stays("etcd-3", ready)
		}
		Expect(w.writes.Load()).To(BeEquivalentTo(20))
	})
})

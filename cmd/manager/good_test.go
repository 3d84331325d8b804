// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

var _ = Describe("the main job", func() {
	It("loads one extension of each type and says so in one write and one Event", func() {
		w := newWorld()
		w.publish(api.ProviderType, "local", "0.1.0", nil)
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "etcd", "3.5.9") +
				"author = \"somebody\"\nrepository = \"https://example.com/etcd\"\ndependencies = [\"containerd@^2.0\", \"provider/local\"]\n",
			"mod.nu": goodModule + `export def configure [values: record<name: string>]: nothing -> record<files: record, objects: list> {
    {files: {a: $values.name}, objects: []}
}
`,
		})
		w.publish(api.TaskservType, "containerd", "2.1.0", nil)
		w.publish(api.ClusterType, "buildkit", "1.0.0", nil)
		w.start()
		w.apply(api.ProviderType, "local", "")
		w.apply(api.TaskservType, "etcd", "3.5.9")
		w.apply(api.ClusterType, "buildkit", "^1.0")

		for _, name := range []string{"local", "etcd", "buildkit"} {
			w.becomes(name, ready)
			Eventually(func() []string { return w.events(name) }).Should(HaveLen(1))
		}
		s := w.get("etcd").Status
		Expect(s.Version).To(Equal("3.5.9"))
		Expect(s.Key).To(Equal("taskserv:etcd:3.5.9"))
		Expect(s.Catalog).To(Equal("extensions"))
		Expect(s.Path).To(Equal("extensions/taskservs/etcd/3.5.9"))
		Expect(s.Hooks).To(Equal([]string{"configure", "install"}))
		Expect(s.Digest).To(MatchRegexp(`^sha256:[0-9a-f]{64}$`))
		Expect(s.InputDigest).To(MatchRegexp(`^sha256:[0-9a-f]{64}$`))
		Expect(s.LoadedAt.Time).To(BeTemporally("~", time.Now(), time.Minute))
		Expect(*s.Metadata).To(Equal(api.ExtensionMetadata{
			Description: "etcd for a test", Author: "somebody", Repository: "https://example.com/etcd",
			Dependencies: []string{"taskserv/containerd@^2.0", "provider/local"},
		}))
		Expect(s.LastAttempted).To(Equal(&api.Attempt{
			Version: "3.5.9", Catalog: "extensions", Digest: s.Digest, InputDigest: s.InputDigest, Generation: 1,
		}))
		Expect(s.History).To(Equal([]api.HistoryEntry{{Version: "3.5.9", Digest: s.Digest, LoadedAt: *s.LoadedAt}}))
		Expect(w.events("etcd")).To(Equal([]string{"Loaded: loaded taskserv:etcd:3.5.9"}))
		Expect(w.writes.Load()).To(BeEquivalentTo(3))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4), "provider local was loaded once for two")
	})

	It("says what the sandbox enforces", func() {
		w := newWorld()
		w.publish(api.ProviderType, "local", "0.1.0", nil)
		w.start()
		w.apply(api.ProviderType, "local", "")
		Expect(w.becomes("local", ready).Status.Sandbox).To(Equal(
			&api.SandboxStatus{Level: "Enforced"}))
	})

	It("loads what several objects ask for once", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		for _, name := range []string{"one", "two", "three", "four"} {
			w.apply(api.TaskservType, name, "", func(ext *api.Extension) { ext.Spec.Name = "etcd" })
		}
		for _, name := range []string{"one", "two", "three", "four"} {
			w.becomes(name, ready)
		}
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
	})

	It("takes the newest that fits, and follows the library", func() {
		w := newWorld()
		for _, v := range []string{"1.27.9", "1.28.0", "1.28.3", "2.0.0-rc.1"} {
			w.publish(api.TaskservType, "kubernetes", v, nil)
		}
		w.start()
		w.apply(api.TaskservType, "kubernetes", "~1.28")
		w.apply(api.TaskservType, "newest", "", func(ext *api.Extension) { ext.Spec.Name = "kubernetes" })
		w.apply(api.TaskservType, "exact", "1.27.9", func(ext *api.Extension) { ext.Spec.Name = "kubernetes" })
		w.becomes("newest", ready)
		w.becomes("exact", ready)
		ext := w.becomes("kubernetes", ready)
		Expect(ext.Status.Version).To(Equal("1.28.3"))
		Expect(ext.Spec.Version).To(Equal("~1.28"), "the operator never writes the spec")
		Expect(ext.Status.Resolution).To(Equal([]api.Candidate{
			{Version: "2.0.0-rc.1", Refused: `does not fit "~1.28"`}, {Version: "1.28.3"},
		}))
		Expect(w.get("newest").Status.Version).To(Equal("1.28.3"))

		w.publish(api.TaskservType, "kubernetes", "1.28.4", nil)
		Eventually(func() string { return w.get("kubernetes").Status.Version }).Should(Equal("1.28.4"))
		Eventually(func() string { return w.get("newest").Status.Version }).Should(Equal("1.28.4"))
		history := w.get("kubernetes").Status.History
		Expect(history).To(HaveLen(2))
		Expect(history[0].Version).To(Equal("1.28.4"))
		w.stays("exact", ready)
		Expect(w.get("exact").Status.Version).To(Equal("1.27.9"))
	})

	It("loads changed content again without being asked", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "3.5.9")
		before := w.becomes("etcd", ready).Status
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": goodModule + "export def verify [ctx: record]: nothing -> record<message: string> { {message: ok} }\n"})
		Eventually(func() []string { return w.get("etcd").Status.Hooks }).Should(Equal([]string{"install", "verify"}))
		after := w.becomes("etcd", ready).Status
		Expect(after.Digest).NotTo(Equal(before.Digest))
		Expect(after.History).To(HaveLen(2))
	})

	It("deletes at once, also when nothing else works", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.NushellPath = "/nonexistent/nu"
		w.start()
		w.apply(api.TaskservType, "etcd", "3.5.9")
		ext := w.becomes("etcd", "False NushellUnavailable Reconciling")
		Expect(ext.Finalizers).To(BeEmpty())
		Expect(admin.Delete(context.Background(), ext)).To(Succeed())
		Eventually(func() error {
			return client.IgnoreNotFound(admin.Get(context.Background(), client.ObjectKeyFromObject(ext), ext))
		}).Should(Succeed())
	})

	It("holds back while suspended", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		suspended := func(ext *api.Extension) { ext.Spec.Suspend = true }
		w.apply(api.TaskservType, "etcd", "", suspended)
		w.becomes("etcd", "False Suspended")
		Expect(w.loader.Stats().Runs).To(BeZero())
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Suspend = false })
		w.becomes("etcd", ready)

		w.change("etcd", suspended)
		w.becomes("etcd", ready)
		w.reload("etcd", "while suspended")
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		w.stays("etcd", ready)
		Expect(w.get("etcd").Status.Version).To(Equal("3.5.9"))
		Expect(w.get("etcd").Status.LastHandledReloadAt).To(BeEmpty())
		w.change("etcd", func(ext *api.Extension) { ext.Spec.Suspend = false })
		Eventually(func() string { return w.get("etcd").Status.LastHandledReloadAt }).Should(Equal("while suspended"))
		Expect(w.get("etcd").Status.Version).To(Equal("3.6.0"))
	})

	It("gives two namespaces the same answer and none of each other's objects", func() {
		one, two := newWorld(), newWorld()
		one.publish(api.TaskservType, "etcd", "3.5.9", nil)
		two.publish(api.TaskservType, "etcd", "3.6.0", nil)
		one.start()
		two.start()
		one.apply(api.TaskservType, "etcd", "")
		two.apply(api.TaskservType, "etcd", "")
		Expect(one.becomes("etcd", ready).Status.Version).To(Equal("3.5.9"))
		Expect(two.becomes("etcd", ready).Status.Version).To(Equal("3.6.0"))
	})
})

// seconds is a timeout as spec.timeout has it.
func seconds(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Second}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// slowly gives a world a loading program that waits first: computing would take
// longer or shorter with the machine.
func (w *world) slowly(wait string) {
	GinkgoHelper()
	program, err := os.ReadFile(filepath.Join(w.settings.ProvisioningPath, "load.nu"))
	Expect(err).NotTo(HaveOccurred())
	w.withProgram("sleep " + wait + "\n" + string(program))
}

// endlessModule takes more CPU time than the limit to parse, and little memory:
// each constant is computed, and forgotten, while parsing.
var endlessModule = goodModule + strings.Repeat("const SLOW = (1..500000 | math sum)\n", 10000)

var _ = Describe("a reload", func() {
	handled := func(w *world, name string) func() string {
		return func() string { return w.get(name).Status.LastHandledReloadAt }
	}

	It("runs nu again, once per token", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		before := w.becomes("etcd", ready).Status
		time.Sleep(time.Second) // loadedAt counts in seconds
		w.reload("etcd", "first")
		Eventually(handled(w, "etcd")).Should(Equal("first"))
		after := w.becomes("etcd", ready).Status
		Expect(after.LoadedAt.Time).To(BeTemporally(">", before.LoadedAt.Time))
		Expect(after.Digest).To(Equal(before.Digest))
		Expect(after.History).To(HaveLen(1))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(2))

		w.reload("etcd", "first")
		w.reload("etcd", "")
		w.stays("etcd", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(2), "neither the same token nor an empty one is a request")
		Expect(w.writes.Load()).To(BeEquivalentTo(2))
	})

	It("is done by the first load when it was asked for before", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "", func(ext *api.Extension) {
			ext.Annotations = map[string]string{api.ReloadAnnotation: "early"}
		})
		w.becomes("etcd", ready)
		Expect(handled(w, "etcd")()).To(Equal("early"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
		Expect(w.writes.Load()).To(BeEquivalentTo(1))
	})

	It("reads the catalog again, whatever events came", func() {
		w := newWorld()
		w.settings.LibraryInterval = time.Hour
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		w.reload("etcd", "now")
		Eventually(handled(w, "etcd")).Should(Equal("now"))
		Expect(w.get("etcd").Status.Version).To(Equal("3.6.0"))
	})

	It("survives a storm of tokens: one load per ten seconds, the newest token wins", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		began := time.Now()
		for i := range 40 {
			w.reload("etcd", fmt.Sprint("token-", i))
		}
		Eventually(handled(w, "etcd"), 30*time.Second).Should(Equal("token-39"))
		allowed := 2 + int(time.Since(began)/(10*time.Second))
		Expect(w.loader.Stats().Runs).To(BeNumerically("<=", 1+allowed))
		Expect(w.writes.Load()).To(BeNumerically("<=", 1+allowed))
	})

	It("waits its turn when the token changes while loading", func() {
		w := newWorld()
		w.slowly("2sec")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "", func(ext *api.Extension) {
			ext.Annotations = map[string]string{api.ReloadAnnotation: "one"}
		})
		Eventually(func() uint64 { return w.loader.Stats().Runs }).Should(BeEquivalentTo(1))
		w.reload("etcd", "two")
		Eventually(handled(w, "etcd"), 40*time.Second).Should(Equal("one"), "the load that ran answers the token it began with")
		Eventually(handled(w, "etcd"), 40*time.Second).Should(Equal("two"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(2))
	})

	It("records a long token by its digest", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.reload("etcd", strings.Repeat("x", 200<<10))
		Eventually(handled(w, "etcd")).Should(MatchRegexp(`^sha256:[0-9a-f]{64}$`))
		w.stays("etcd", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(2))
	})

	It("keeps the last good load when it fails, and counts as answered", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "3.5.9")
		good := w.becomes("etcd", ready).Status
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": "export def install [ {"})
		w.reload("etcd", "broken")
		Eventually(handled(w, "etcd")).Should(Equal("broken"))
		s := w.becomes("etcd", "False LoadFailed Stalled").Status
		Expect(s.Digest).To(Equal(good.Digest))
		Expect(s.LoadedAt).To(Equal(good.LoadedAt))
		Expect(s.LastAttempted.Digest).NotTo(Equal(good.Digest))
	})

	It("is not answered while the failure may pass", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.NushellPath = GinkgoT().TempDir() + "/nu"
		w.start()
		w.apply(api.TaskservType, "etcd", "", func(ext *api.Extension) {
			ext.Annotations = map[string]string{api.ReloadAnnotation: "patience"}
		})
		w.becomes("etcd", "False NushellUnavailable Reconciling")
		Expect(handled(w, "etcd")()).To(BeEmpty())
		Expect(os.Symlink(nu, w.settings.NushellPath)).To(Succeed())
		w.becomes("etcd", ready)
		Expect(handled(w, "etcd")()).To(Equal("patience"))
	})
})

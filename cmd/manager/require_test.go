// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

const notReady = "False DependencyNotReady"

var _ = Describe("dependencies under Require", func() {
	named := func(name string) func(*api.Extension) {
		return func(ext *api.Extension) { ext.Name = name }
	}
	require := policy(api.RequireDependencies)

	It("are Ready Extensions of the namespace, whichever comes first", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base@^1")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "", require)
		w.becomes("top", "False DependencyMissing")
		Expect(w.message("top")).To(Equal("a dependency is missing: base@^1, required by taskserv:top:1.0.0, has no Extension in namespace " +
			w.namespace + "; create one with spec.type taskserv and spec.name base"))
		w.apply(api.TaskservType, "base", "", named("any-name"))
		w.becomes("top", ready)
		Expect(w.dependencies("top")).To(Equal([]string{"taskserv:top:1.0.0 -> base@^1 1.0.0 Ready"}))
		Expect(w.get("top").Status.Dependencies[0].Digest).To(Equal(w.get("any-name").Status.Digest))
		Expect(w.dependenciesReady("top")).To(Equal("True DependenciesReady"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(2))
	})

	It("are followed when they change", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base@^1")
		for _, v := range []string{"1.0.0", "1.1.0", "2.0.0"} {
			w.publish(api.TaskservType, "base", v, nil)
		}
		w.start()
		w.apply(api.TaskservType, "base", "1.0.0")
		w.apply(api.TaskservType, "top", "", require)
		w.becomes("top", ready)

		By("another version")
		w.change("base", func(ext *api.Extension) { ext.Spec.Version = "1.1.0" })
		Eventually(func() []string { return w.dependencies("top") }).Should(ContainElement("taskserv:top:1.0.0 -> base@^1 1.1.0 Ready"))
		w.becomes("top", ready)

		By("one that does not fit")
		w.change("base", func(ext *api.Extension) { ext.Spec.Version = "2.0.0" })
		w.becomes("top", notReady)
		w.saysThat("top", "Extension base is at 2.0.0; change its spec.version")
		Expect(w.get("top").Status.Version).To(Equal("1.0.0"), "the last good stays")

		By("downgraded")
		w.change("base", func(ext *api.Extension) { ext.Spec.Version = "1.0.0" })
		w.becomes("top", ready)

		By("suspended: it keeps its verdict")
		stop := w.flaps()
		w.change("base", func(ext *api.Extension) { ext.Spec.Suspend = true })
		w.becomes("base", ready)
		w.stays("top", ready)
		Expect(stop()).To(BeEmpty())
		w.change("base", func(ext *api.Extension) { ext.Spec.Suspend = false })

		By("failing after it was Ready")
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.becomes("base", "False LoadFailed Stalled")
		w.becomes("top", notReady)
		w.saysThat("top", "Extension base is not Ready (LoadFailed)")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.becomes("top", ready)

		By("deleted")
		Expect(admin.Delete(context.Background(), w.get("base"))).To(Succeed())
		w.becomes("top", "False DependencyMissing")
		w.apply(api.TaskservType, "base", "1.0.0")
		w.becomes("top", ready)
	})

	It("are satisfied by any of several that fits, and by none of another namespace", func() {
		w, other := newWorld(), newWorld()
		w.publishNeeding("top", "1.0.0", "base@^1")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.alsoIn = other.namespace
		w.start()
		w.apply(api.TaskservType, "top", "", require)
		w.apply(api.TaskservType, "base", "1.0.0", func(ext *api.Extension) { ext.Namespace = other.namespace })
		other.becomes("base", ready)
		w.apply(api.TaskservType, "base", "2.0.0", named("newest"))
		w.becomes("newest", ready)
		w.becomes("top", notReady)
		w.apply(api.TaskservType, "base", "1.0.0", named("older"))
		w.becomes("top", ready)
	})

	It("of dependencies are wanted too", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "middle")
		w.publishNeeding("middle", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "middle", "")
		w.becomes("middle", ready)
		w.apply(api.TaskservType, "top", "", require)
		w.becomes("top", "False DependencyMissing")
		w.saysThat("top", "base, required by taskserv:middle:1.0.0, has no Extension")
		w.apply(api.TaskservType, "base", "")
		w.becomes("top", ready)
	})

	It("are what their Extensions have loaded, whatever the library holds by now", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "base", "")
		w.becomes("base", ready)
		w.change("base", func(ext *api.Extension) { ext.Spec.Suspend = true })
		w.becomes("base", ready)
		digest := w.get("base").Status.Digest
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": goodModule + "# changed\n"})
		w.apply(api.TaskservType, "top", "", require)
		w.becomes("top", ready)
		Expect(w.get("top").Status.Dependencies[0].Digest).To(Equal(digest))

		By("a restart with an empty cache, when that content is nowhere any more")
		w.stop()
		Expect(os.RemoveAll(w.settings.CacheDir)).To(Succeed())
		w.writes.Store(0)
		w.start()
		w.stays("top", ready)
		Expect(w.writes.Load()).To(BeZero())
		Expect(w.loader.Stats().Runs).To(BeZero())
		w.change("base", func(ext *api.Extension) { ext.Spec.Suspend = false })
		Eventually(func() string { return w.get("base").Status.Digest }).ShouldNot(Equal(digest))
		w.becomes("top", ready)
		Eventually(func() string { return w.get("top").Status.Dependencies[0].Digest }).Should(Equal(w.get("base").Status.Digest))
	})

	It("wake nobody else, and nobody polls", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.publish(api.TaskservType, "other", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "", require)
		w.becomes("top", "False DependencyMissing")
		for i := range 20 {
			w.apply(api.TaskservType, "other", "", named(fmt.Sprint("other-", i)))
			w.becomes(fmt.Sprint("other-", i), ready)
		}
		Eventually(reconciles).Should(stayTheSame())
		before := reconciles()
		Consistently(reconciles, "2s").Should(Equal(before), "whoever waits is not looked at")
		w.apply(api.TaskservType, "base", "")
		w.becomes("top", ready)
		Eventually(reconciles).Should(stayTheSame())
		Expect(reconciles()-before).To(BeNumerically("<=", 12), "base and top, a few times each")
	})
})

var _ = Describe("cycles", func() {
	const stalled = "False DependencyCycle Stalled"

	for _, p := range []api.DependencyPolicy{api.LoadDependencies, api.RequireDependencies} {
		It("are told whole, with the same text on every member, and clear by themselves under "+string(p), func() {
			w := newWorld()
			w.publishNeeding("a", "1.0.0", "b")
			w.publishNeeding("b", "1.0.0", "c")
			w.publishNeeding("c", "1.0.0", "a")
			w.publishNeeding("user", "1.0.0", "c")
			w.start()
			for _, name := range []string{"c", "b", "a", "user"} {
				w.apply(api.TaskservType, name, "", policy(p))
			}
			for _, name := range []string{"a", "b", "c", "user"} {
				w.becomes(name, stalled)
				Expect(w.message(name)).To(Equal("dependencies form a cycle: a → b → c → a; remove one of these dependencies from its manifest"))
				Expect(w.dependenciesReady(name)).To(Equal("False DependencyCycle"))
			}
			Expect(w.dependencies("user")).To(ContainElement("taskserv:c:1.0.0 -> a@ 1.0.0 Cycle"))
			Expect(w.loader.Stats().Runs).To(BeZero())
			w.publish(api.TaskservType, "c", "1.0.0", nil)
			for _, name := range []string{"a", "b", "c", "user"} {
				w.becomes(name, ready)
			}
		})
	}

	It("of fifty are told whole", func() {
		w := newWorld()
		path := []string{"n00"}
		for i := range 50 {
			next := fmt.Sprintf("n%02d", (i+1)%50)
			w.publishNeeding(fmt.Sprintf("n%02d", i), "1.0.0", next)
			path = append(path, next)
		}
		w.start()
		for _, name := range []string{"n00", "n25", "n49"} {
			w.apply(api.TaskservType, name, "")
		}
		for _, name := range []string{"n00", "n25", "n49"} {
			w.becomes(name, stalled)
			Expect(w.message(name)).To(ContainSubstring(strings.Join(path, " → ")))
		}
	})

	It("of one are refused in the manifest", func() {
		w := newWorld()
		w.publishNeeding("a", "1.0.0", "a")
		w.start()
		w.apply(api.TaskservType, "a", "")
		w.becomes("a", badMetadata)
		w.saysThat("a", `dependency "a" is the extension itself; remove it`)
	})

	It("that appear under Ready Extensions keep the last good", func() {
		w := newWorld()
		w.publishNeeding("a", "1.0.0", "b")
		w.publish(api.TaskservType, "b", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "a", "", policy(api.RequireDependencies))
		w.apply(api.TaskservType, "b", "", policy(api.RequireDependencies))
		w.becomes("a", ready)
		w.publishNeeding("b", "1.0.0", "a")
		w.becomes("a", stalled)
		w.becomes("b", stalled)
		Expect(w.get("a").Status.Version).To(Equal("1.0.0"))
		w.publish(api.TaskservType, "b", "1.0.0", nil)
		w.becomes("a", ready)
		w.becomes("b", ready)
	})
})

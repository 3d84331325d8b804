// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// needing is a taskserv's files with dependencies in its manifest.
func needing(name, version string, dependencies ...string) map[string]string {
	return map[string]string{"manifest.toml": manifest(api.TaskservType, name, version) +
		"dependencies = [\"" + strings.Join(dependencies, "\", \"") + "\"]\n"}
}

// publishNeeding puts a taskserv with dependencies into the library.
func (w *world) publishNeeding(name, version string, dependencies ...string) {
	GinkgoHelper()
	w.publish(api.TaskservType, name, version, needing(name, version, dependencies...))
}

// dependencies of an Extension's status as "requiredBy -> name@constraint version state".
func (w *world) dependencies(name string) []string {
	GinkgoHelper()
	var list []string
	for _, d := range w.get(name).Status.Dependencies {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s -> %s@%s %s %s", d.RequiredBy, d.Name, d.Constraint, d.Version, d.State)))
	}
	return list
}

// dependenciesReady is the condition as "status reason".
func (w *world) dependenciesReady(name string) string {
	GinkgoHelper()
	c := meta.FindStatusCondition(w.get(name).Status.Conditions, api.DependenciesReadyCondition)
	if c == nil {
		return ""
	}
	return string(c.Status) + " " + c.Reason
}

// saysThat waits for Ready's message to hold a text.
func (w *world) saysThat(name, text string) {
	GinkgoHelper()
	Eventually(func() string { return w.message(name) }).Should(ContainSubstring(text))
}

func policy(p api.DependencyPolicy) func(*api.Extension) {
	return func(ext *api.Extension) { ext.Spec.DependencyPolicy = p }
}

var _ = Describe("dependencies under Load", func() {
	It("are resolved together, loaded first and told", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "left", "right@^1")
		w.publishNeeding("left", "1.0.0", "base@>=1.1")
		w.publishNeeding("right", "1.0.0", "base@<2")
		w.publishNeeding("right", "2.0.0", "base@<2")
		for _, v := range []string{"1.0.0", "1.5.0", "2.0.0"} {
			w.publish(api.TaskservType, "base", v, nil)
		}
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", ready)
		Expect(w.dependencies("top")).To(Equal([]string{
			"taskserv:left:1.0.0 -> base@>=1.1 1.5.0 Loaded",
			"taskserv:right:1.0.0 -> base@<2 1.5.0 Loaded",
			"taskserv:top:1.0.0 -> left@ 1.0.0 Loaded",
			"taskserv:top:1.0.0 -> right@^1 1.0.0 Loaded",
		}))
		Expect(w.dependenciesReady("top")).To(Equal("True DependenciesReady"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4), "each member once")
		Expect(w.writes.Load()).To(BeEquivalentTo(1), "and one write")

		By("another object that asks for one of them loads nothing")
		w.apply(api.TaskservType, "base", "1.5.0")
		w.becomes("base", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4))

		By("a new version of a dependency is followed")
		digest := w.get("top").Status.InputDigest
		w.publish(api.TaskservType, "base", "1.6.0", nil)
		Eventually(func() []string { return w.dependencies("top") }).Should(ContainElement("taskserv:right:1.0.0 -> base@<2 1.6.0 Loaded"))
		w.becomes("top", ready)
		Expect(w.get("top").Status.InputDigest).NotTo(Equal(digest))
		w.stays("base", ready)
		Expect(w.get("base").Status.Version).To(Equal("1.5.0"))
	})

	It("are reached by the module, at the versions of the plan and no others", func() {
		w := newWorld()
		for _, v := range []string{"1.0.0", "2.0.0"} {
			w.publish(api.TaskservType, "base", v, map[string]string{
				"mod.nu": goodModule + "export const VERSION_" + v[:1] + " = '" + v + "'\n",
			})
		}
		uses := needing("top", "1.0.0", "base@^1")
		uses["mod.nu"] = goodModule + "use taskserv/base [VERSION_1]\nexport const SEEN = $VERSION_1\n"
		w.publish(api.TaskservType, "top", "1.0.0", uses)
		hidden := needing("nosy", "1.0.0", "base@^1")
		hidden["mod.nu"] = goodModule + "use taskserv/top\n"
		w.publish(api.TaskservType, "nosy", "1.0.0", hidden)
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.apply(api.TaskservType, "nosy", "")
		w.becomes("top", ready)
		w.becomes("nosy", "False LoadFailed Stalled")
		w.saysThat("nosy", "mod.nu")

		By("a dependency that changes is looked at again with its dependents")
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": goodModule})
		w.becomes("top", "False LoadFailed Stalled")
		w.saysThat("top", "extensions/taskservs/top/1.0.0/mod.nu")
		Expect(w.get("top").Status.Version).To(Equal("1.0.0"), "the last good stays")
	})

	It("say everything that is missing, who requires it and what there is", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "contaynerd", "left", "provider/etcd", "etcd@^9")
		w.publishNeeding("left", "1.0.0", "nothing-like-it")
		w.publish(api.TaskservType, "containerd", "2.0.0", nil)
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "top", "")
		ext := w.becomes("top", "False DependencyMissing Stalled")
		message := w.message("top")
		for _, text := range []string{
			"4 dependencies are missing: ", "contaynerd, required by taskserv:top:1.0.0, is in no catalog; did you mean containerd?",
			"provider/etcd, required by taskserv:top:1.0.0, is in no catalog; there is a taskserv of that name",
			"etcd@^9, required by taskserv:top:1.0.0, fits no version; available: 3.5.9",
			"nothing-like-it, required by taskserv:left:1.0.0, is in no catalog",
		} {
			Expect(message).To(ContainSubstring(text))
		}
		Expect(w.dependenciesReady("top")).To(Equal("False DependencyMissing"))
		Expect(meta.IsStatusConditionTrue(ext.Status.Conditions, api.ResolvedCondition)).To(BeTrue(), "its own version was found")
		Expect(w.dependencies("top")).To(Equal([]string{
			"taskserv:top:1.0.0 -> etcd@  Missing", "taskserv:top:1.0.0 -> contaynerd@  Missing", "taskserv:top:1.0.0 -> etcd@^9  Missing",
			"taskserv:left:1.0.0 -> nothing-like-it@  Missing", "taskserv:top:1.0.0 -> left@ 1.0.0",
		}))
		Expect(w.loader.Stats().Runs).To(BeZero())

		By("each that appears wakes it")
		w.publish(api.TaskservType, "contaynerd", "1.0.0", nil)
		w.saysThat("top", "3 dependencies are missing")
		w.publish(api.ProviderType, "etcd", "1.0.0", nil)
		w.publish(api.TaskservType, "etcd", "9.0.0", nil)
		w.publish(api.TaskservType, "nothing-like-it", "1.0.0", nil)
		w.becomes("top", ready)
	})

	It("that load with an error are named with the reason", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "left", "fine")
		w.publishNeeding("left", "1.0.0", "base")
		w.publish(api.TaskservType, "fine", "1.0.0", nil)
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": "export def install [ {\n" + strings.Repeat("def x [ {\n", 50)})
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", "False LoadFailed Stalled")
		message := w.message("top")
		Expect(message).To(HavePrefix("a dependency failed: taskserv base 1.0.0 does not load: extensions/taskservs/base/1.0.0/mod.nu:"))
		Expect(len(message)).To(BeNumerically("<", 450))
		Expect(w.dependenciesReady("top")).To(Equal("False LoadFailed"))
		Expect(w.dependencies("top")[0]).To(Equal("taskserv:left:1.0.0 -> base@ 1.0.0 NotReady"))
		runs := w.loader.Stats().Runs
		w.stays("top", "False LoadFailed Stalled")
		Expect(w.loader.Stats().Runs).To(Equal(runs))

		By("repairing it wakes the dependents")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.becomes("top", ready)
	})

	It("that are broken in their manifest are named", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"manifest.toml": "manifest = 1\n"})
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", "False InvalidMetadata Stalled")
		w.saysThat("top", "dependency taskserv:base:1.0.0, required by taskserv:top:1.0.0, is broken: extensions/taskservs/base/1.0.0/manifest.toml: name is missing")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.becomes("top", ready)
	})

	It("that contradict each other are told as the smallest group that does", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "left", "right", "bystander")
		w.publishNeeding("left", "1.0.0", "base@^1")
		w.publishNeeding("right", "1.0.0", "base@^2", "bystander")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.publish(api.TaskservType, "bystander", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", "False DependencyConflict Stalled")
		Expect(w.message("top")).To(Equal("no versions of the dependencies go together: top 1.0.0 needs left; top 1.0.0 needs right; " +
			"left 1.0.0 needs base@^1; right 1.0.0 needs base@^2; change one of these ranges, or publish a version that fits"))
		Expect(w.dependencies("top")).To(HaveLen(4))
		w.publishNeeding("right", "1.1.0", "base@>=1")
		w.becomes("top", ready)
		Expect(w.dependencies("top")).To(ContainElement("taskserv:left:1.0.0 -> base@^1 1.0.0 Loaded"))
	})

	It("make a newer version of the extension be passed over, and say why", func() {
		w := newWorld()
		w.publish(api.TaskservType, "top", "1.0.0", nil)
		w.publishNeeding("top", "2.0.0", "base")
		w.start()
		w.apply(api.TaskservType, "top", "")
		ext := w.becomes("top", ready)
		Expect(ext.Status.Resolution).To(Equal([]api.Candidate{
			{Version: "2.0.0", Refused: "a dependency is missing: base, required by taskserv:top:2.0.0, is in no catalog"}, {Version: "1.0.0"},
		}))
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		Eventually(func() string { return w.get("top").Status.Version }).Should(Equal("2.0.0"))
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "1.0.0"))).To(Succeed())
		w.becomes("top", "False DependencyMissing Stalled")
		Expect(w.get("top").Status.Version).To(Equal("2.0.0"), "it does not go down by itself")
	})

	It("never go down by themselves", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", ready)
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "2.0.0"))).To(Succeed())
		w.becomes("top", "False DependencyMissing Stalled")
		w.saysThat("top", "is gone at version 2.0.0, which is loaded")
		Expect(w.dependencies("top")).To(Equal([]string{"taskserv:top:1.0.0 -> base@ 2.0.0 Missing"}))
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.becomes("top", ready)
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "2.0.0"))).To(Succeed())
		w.becomes("top", "False DependencyMissing Stalled")
		w.stop()
		w.start()
		w.stays("top", "False DependencyMissing Stalled")
		w.reload("top", "take the older one")
		w.becomes("top", ready)
		Expect(w.dependencies("top")).To(Equal([]string{"taskserv:top:1.0.0 -> base@ 1.0.0 Loaded"}))
	})

	It("do not go down when a broken version came between", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "")
		Expect(w.becomes("top", ready).Status.LoadedDependencies).To(Equal([]string{"taskserv:base:2.0.0"}))
		w.publish(api.TaskservType, "base", "2.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.becomes("top", "False LoadFailed Stalled")
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "2.0.0"))).To(Succeed())
		w.becomes("top", "False DependencyMissing Stalled")
		w.saysThat("top", "is gone at version 2.0.0, which is loaded")

		By("what never loaded holds nobody back")
		w.publish(api.TaskservType, "base", "3.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.becomes("top", "False LoadFailed Stalled")
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "3.0.0"))).To(Succeed())
		w.becomes("top", ready)
	})

	It("that a reload has lowered stay asked for while they fail", func() {
		w := newWorld()
		w.publishNeeding("top", "1.0.0", "base")
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.publish(api.TaskservType, "base", "2.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "top", "")
		w.becomes("top", ready)
		Expect(os.RemoveAll(w.folder(api.TaskservType, "base", "2.0.0"))).To(Succeed())
		w.becomes("top", "False DependencyMissing Stalled")
		w.reload("top", "lower it")
		w.becomes("top", "False LoadFailed Stalled")
		w.stop()
		w.writes.Store(0)
		w.start()
		w.stays("top", "False LoadFailed Stalled")
		Expect(w.writes.Load()).To(BeZero())
		w.publish(api.TaskservType, "base", "1.0.0", nil)
		w.becomes("top", ready)
	})

	It("beyond what the status holds are counted", func() {
		w := newWorld()
		var groups []string
		for i := range 4 {
			var names []string
			for j := range 50 {
				name := fmt.Sprintf("leaf-%d-%d", i, j)
				w.publish(api.TaskservType, name, "1.0.0", map[string]string{"mod.nu": ""})
				names = append(names, name)
			}
			groups = append(groups, fmt.Sprintf("group-%d", i))
			w.publishNeeding(groups[i], "1.0.0", names...)
		}
		w.publishNeeding("top", "1.0.0", groups...)
		w.start()
		w.apply(api.TaskservType, "top", "", func(ext *api.Extension) { ext.Spec.Timeout = seconds(60) })
		Eventually(func() string { return w.verdict("top") }, "90s").Should(Equal(ready))
		s := w.get("top").Status
		Expect(len(s.Dependencies) + int(s.DependenciesOmitted)).To(Equal(204))
		Expect(len(s.Dependencies)).To(BeNumerically(">", 40))

		tooMany := make([]string, 200)
		for i := range tooMany {
			tooMany[i] = fmt.Sprintf("leaf-0-%d", i)
		}
		w.publishNeeding("many", "1.0.0", tooMany...)
		w.apply(api.TaskservType, "many", "")
		w.becomes("many", "False LimitExceeded Stalled")
		w.saysThat("many", "200 dependencies, over the limit of 64")
	})
})

var _ = Describe("dependencies under Ignore", func() {
	It("are staged where they resolve, and nobody looks whether they are there or load", func() {
		w := newWorld()
		uses := needing("top", "1.0.0", "base", "absent")
		uses["mod.nu"] = goodModule + "use taskserv/base [GREETING]\nexport const SEEN = $GREETING\n"
		w.publish(api.TaskservType, "top", "1.0.0", uses)
		badHook := "export const GREETING = 'hello'\nexport def install [] { 1 }\n"
		w.publish(api.TaskservType, "base", "1.0.0", map[string]string{"mod.nu": badHook})
		w.start()
		w.apply(api.TaskservType, "top", "", policy(api.IgnoreDependencies))
		w.becomes("top", ready)
		Expect(w.dependenciesReady("top")).To(Equal("Unknown DependenciesIgnored"))
		Expect(w.dependencies("top")).To(Equal([]string{"taskserv:top:1.0.0 -> absent@  Missing", "taskserv:top:1.0.0 -> base@ 1.0.0"}))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))

		By("another policy looks at them")
		w.change("top", policy(api.LoadDependencies))
		w.becomes("top", "False DependencyMissing Stalled")
		w.publish(api.TaskservType, "absent", "1.0.0", nil)
		w.becomes("top", "False LoadFailed Stalled")
		w.saysThat("top", "a dependency failed: taskserv base 1.0.0 does not load")
	})
})

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// notFoundGrace is the default of --not-found-grace.
const notFoundGrace = 2 * time.Minute

// waiting is where an Extension waits for a version that does not come.
var waiting room

func sampleSpecs() {
	It("has every sample Ready, each loaded in the whole sandbox", Label("samples"), func(ctx SpecContext) {
		list := &api.ExtensionList{}
		Expect(admin.List(ctx, list, client.InNamespace(samples))).To(Succeed())
		Expect(len(list.Items)).To(BeNumerically(">=", 8))
		for i := range list.Items {
			ext := room{samples}.becomes(ctx, list.Items[i].Name, ready)
			Expect(*ext.Status.Sandbox).To(Equal(api.SandboxStatus{Level: "Enforced"}), "%s: with nothing missing", ext.Name)
		}
	})

	It("says which versions there are where one is not found, and waits for it", Label("samples"), func(ctx SpecContext) {
		waiting = newHall(ctx)
		waiting.extends(ctx, api.TaskservType, "kubernetes", "1.99.0")
		ext := waiting.becomes(ctx, "kubernetes", "False VersionNotFound")
		Expect(message(ext.Status.Conditions)).To(Equal("version 1.99.0 of taskserv kubernetes not found; available: 1.29.14, 1.28.0, 1.27.16"))
		Expect(ext.Status.AvailableVersions).To(Equal([]string{"1.29.14", "1.28.0", "1.27.16"}))
	})

	It("waits for a chain of required Extensions, applied in the wrong order", Label("samples"), func(ctx SpecContext) {
		r := newRoom(ctx)
		require := func(e *api.Extension) { e.Spec.DependencyPolicy = api.RequireDependencies }
		r.extends(ctx, api.TaskservType, "kubernetes", "1.28.0", require)
		Expect(message(r.becomes(ctx, "kubernetes", "False DependencyMissing").Status.Conditions)).To(ContainSubstring("etcd"))
		r.extends(ctx, api.TaskservType, "etcd", "", require)
		r.extends(ctx, api.TaskservType, "containerd", "", require)
		ext := r.becomes(ctx, "kubernetes", ready)
		states := map[string]string{}
		for _, d := range ext.Status.Dependencies {
			states[d.Name] = d.State
		}
		Expect(states).To(HaveKeyWithValue("etcd", "Ready"))
		Expect(states).To(HaveKeyWithValue("containerd", "Ready"))
	})
}

// graceSpecs are some time after sampleSpecs, so that what they wait for takes no time of its own; the manager must not have been
// restarted between them.
func graceSpecs() {
	It("gives up on a version that has not come in the time that it is given", Label("samples"), func(ctx SpecContext) {
		ext := waiting.becomes(ctx, "kubernetes", "False VersionNotFound Stalled")
		stalled := meta.FindStatusCondition(ext.Status.Conditions, api.StalledCondition)
		given := stalled.LastTransitionTime.Sub(ext.CreationTimestamp.Time)
		Expect(given).To(And(BeNumerically(">=", notFoundGrace-time.Second), BeNumerically("<", notFoundGrace+30*time.Second)))
		Expect(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metaNamed(waiting.name)})).To(Succeed())
	})
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

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

	It("says which versions there are where one is not found", Label("samples"), func(ctx SpecContext) {
		r := newRoom(ctx)
		r.extends(ctx, api.TaskservType, "kubernetes", "1.99.0")
		// It is Stalled, too, when every library was read again, which takes a minute.
		ext := r.becomes(ctx, "kubernetes", "False VersionNotFound", "False VersionNotFound Reconciling", "False VersionNotFound Stalled")
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

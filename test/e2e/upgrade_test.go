// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// consulted are the samples that the one changed file of the library is of, or that depend on it.
var consulted = []string{"etcd", "kubernetes", "cicd"}

// versions are the resourceVersions of the samples.
func versions(ctx context.Context) map[string]string {
	GinkgoHelper()
	list := &api.ExtensionList{}
	Expect(admin.List(ctx, list, client.InNamespace(samples))).To(Succeed())
	found := map[string]string{}
	for i := range list.Items {
		room{samples}.becomes(ctx, list.Items[i].Name, ready)
		found[list.Items[i].Name] = room{samples}.extension(ctx, list.Items[i].Name).ResourceVersion
	}
	return found
}

func upgradeSpecs() {
	It("loads what consulted the one changed file and installs nothing, where the operator is upgraded", Label("upgrade"), func(ctx SpecContext) {
		By("installing the release before")
		removeAll()
		kubectl("apply", "--server-side", "-f", need("E2E_OLD_MANIFEST"))
		applySamples()
		rolledOut()
		r := newRoom(ctx)
		r.hello(ctx)
		before := versions(ctx)
		hello, digest := r.installation(ctx, "hello"), room{samples}.extension(ctx, "etcd").Status.Digest

		By("upgrading it")
		from := time.Now()
		kubectl("apply", "--server-side", "--force-conflicts", "-f", need("E2E_MANIFEST"))
		rolledOut()
		figure("rolling upgrade of both Deployments", time.Since(from).Round(100*time.Millisecond))
		for _, deployment := range []string{manager, installer} {
			Eventually(func() []corev1.Pod { return podsOf(ctx, deployment) }).Should(HaveLen(2))
			leader(ctx, deployment)
		}
		Eventually(func() string { return room{samples}.extension(ctx, "etcd").Status.Digest }).ShouldNot(Equal(digest))
		r.extends(ctx, api.TaskservType, "containerd", "") // whoever leads now works
		r.becomes(ctx, "containerd", ready)
		var after map[string]string
		Eventually(func(g Gomega) {
			after = versions(ctx)
			for _, name := range consulted {
				g.Expect(after[name]).NotTo(Equal(before[name]), name)
			}
		}).Should(Succeed())
		for name, was := range before {
			if !slices.Contains(consulted, name) {
				Expect(after[name]).To(Equal(was), "%s was not to be written", name)
			}
		}
		Consistently(func() int { return len(r.jobs(ctx, "hello")) }).Should(Equal(1), "no Job is made by an upgrade")
		Expect(r.installation(ctx, "hello").Status.Attempt).To(Equal(hello.Status.Attempt))
		if ownCluster() {
			all := requestsOfOperator(from)
			Expect(refused(all)).To(BeEmpty())
			// One for each that is loaded again and one for the new one; twice that where loads take long.
			Expect(len(writes(all))).To(BeNumerically("<=", 2*(len(consulted)+1)), "%v", writes(all))
			figure("writes of the operator during the upgrade", len(writes(all)))
		}
	})
}

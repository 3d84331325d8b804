// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// loaded are the Extensions of some namespaces, by namespace and name, once each is Ready.
func loaded(ctx context.Context, namespaces ...string) map[client.ObjectKey]*api.Extension {
	GinkgoHelper()
	found := map[client.ObjectKey]*api.Extension{}
	for _, namespace := range namespaces {
		list := &api.ExtensionList{}
		Expect(admin.List(ctx, list, client.InNamespace(namespace))).To(Succeed())
		for i := range list.Items {
			found[client.ObjectKeyFromObject(&list.Items[i])] = room{namespace}.becomes(ctx, list.Items[i].Name, ready)
		}
	}
	return found
}

// untouched holds that Extensions were not written since.
func untouched(ctx context.Context, before map[client.ObjectKey]*api.Extension) {
	GinkgoHelper()
	for key, was := range before {
		is := room{key.Namespace}.extension(ctx, key.Name)
		Expect(is.ResourceVersion).To(Equal(was.ResourceVersion), "%s was not to be written, and has\n%s\nafter\n%s", key, asJSON(is.Status), asJSON(was.Status))
	}
}

func upgradeSpecs() {
	It("loads what the two images have different and installs nothing, where the operator is upgraded", Label("upgrade"), func(ctx SpecContext) {
		By("installing the release before")
		removeAll()
		kubectl("apply", "--server-side", "-f", need("E2E_OLD_MANIFEST"))
		applySamplesOf(need("E2E_OLD_SAMPLES"))
		rolledOut()
		r := newRoom(ctx)
		jobs := r.watchJobs(ctx)
		r.hello(ctx)
		before, was := loaded(ctx, samples, r.name), shipped(ctx)
		attempt := r.installation(ctx, "hello").Status.Attempt

		By("upgrading it")
		from := time.Now()
		kubectl("apply", "--server-side", "--force-conflicts", "-f", need("E2E_MANIFEST"))
		rolledOut()
		figure("rolling upgrade of both Deployments", time.Since(from).Round(100*time.Millisecond))
		for _, deployment := range []string{manager, installer} {
			Eventually(func() []corev1.Pod { return podsOf(ctx, deployment) }).Should(HaveLen(2))
			leader(ctx, deployment)
		}
		is := shipped(ctx)
		again, others := map[client.ObjectKey]*api.Extension{}, map[client.ObjectKey]*api.Extension{}
		asked := 0
		for key, ext := range before {
			must, may := due(ext, was, is)
			if must {
				again[key] = ext
			}
			if may {
				asked++
			} else {
				others[key] = ext
			}
		}
		Expect(again).NotTo(BeEmpty(), "the images differ in nothing that is loaded: an upgrade from one to the other shows nothing")

		for key, ext := range again {
			Eventually(func() string { return room{key.Namespace}.extension(ctx, key.Name).Status.InputDigest }).ShouldNot(Equal(ext.Status.InputDigest), key.String())
		}
		r.extends(ctx, api.TaskservType, "containerd", "") // whoever leads now works
		r.becomes(ctx, "containerd", ready)
		loaded(ctx, samples, r.name)
		Consistently(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed"), "no Job is made by an upgrade")
		Expect(r.installation(ctx, "hello").Status.Attempt).To(Equal(attempt))
		untouched(ctx, others)
		if ownCluster() {
			all := requestsOfOperator(from)
			Expect(refused(all)).To(BeEmpty())
			// One for each that is loaded again and one for the new one; twice that where loads take long.
			Expect(len(writes(all))).To(BeNumerically("<=", 2*(asked+1)), "%v", writes(all))
			figure("Extensions loaded again, writes of the operator during the upgrade", len(again), len(writes(all)))
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

func evictionSpecs() {
	It("tells of an eviction in the middle of an install, and a retry makes it good", Label("eviction"), func(ctx SpecContext) {
		withLibrary(ctx)
		r := newRoom(ctx)
		jobs := r.watchJobs(ctx)
		r.lasting(ctx, 10)
		pods := r.pods(ctx, "lasting")
		Expect(pods).To(HaveLen(1))
		Expect(clientset.PolicyV1().Evictions(r.name).Evict(ctx, &policyv1.Eviction{ObjectMeta: r.named(pods[0].Name)})).To(Succeed())
		inst := r.ends(ctx, "lasting", "False Disrupted Stalled")
		Expect(message(inst.Status.Conditions)).To(ContainSubstring("the cluster took the pod away while Install was under way"))
		Expect(inst.Status.Installed).To(BeNil())
		Consistently(jobs.all).Should(ConsistOf("Apply, 0 succeeded, 1 failed"), "nothing is tried again by itself")
		Expect(r.installation(ctx, "lasting").Status.Attempt.Number).To(BeEquivalentTo(1))

		r.kubectl("annotate", "installation", "lasting", api.RetryAnnotation+"=now-1")
		r.kubectl("wait", "installation", "lasting", "--for=jsonpath={.status.lastHandledRetryAt}=now-1", "--timeout=2m")
		inst = r.ends(ctx, "lasting", installed)
		Expect(inst.Status.Attempt.Number).To(BeEquivalentTo(2))
		Eventually(jobs.all).Should(ConsistOf("Apply, 0 succeeded, 1 failed", "Apply, 1 succeeded, 0 failed"))
	})
}

// disturb has what loads and installs disturbed in the middle of both, and holds that each ran once and that nothing else was
// touched.
func disturb(ctx context.Context, slow string, disturbance func()) {
	GinkgoHelper()
	withLibrary(ctx)
	r := newRoom(ctx)
	r.extends(ctx, api.TaskservType, "steady", "")
	before := r.becomes(ctx, "steady", ready)
	r.lasting(ctx, 20)
	r.extends(ctx, api.TaskservType, slow, "")
	r.becomes(ctx, slow, "False Loading Reconciling")
	disturbance()
	r.ends(ctx, "lasting", installed)
	r.ranOnce(ctx, "lasting")
	Expect(r.becomes(ctx, slow, ready).Status.History).To(HaveLen(1))
	rolledOut()
	Expect(r.loads(ctx)[slow]).To(ConsistOf(loadRecord{Outcome: "Loaded", Sandbox: "Enforced"}), "by the managers that run now")

	// Whoever leads now works, and has not touched what was loaded.
	r.extends(ctx, api.TaskservType, "changing", "")
	r.becomes(ctx, "changing", ready)
	Expect(r.extension(ctx, "steady").ResourceVersion).To(Equal(before.ResourceVersion))
	list := &api.ExtensionList{}
	Expect(admin.List(ctx, list, client.InNamespace(samples))).To(Succeed())
	for i := range list.Items {
		Expect(meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, api.ReadyCondition)).To(BeTrue(), list.Items[i].Name)
	}
}

// served waits for the API server, and for every node.
func served() {
	GinkgoHelper()
	Eventually(func() error { _, err := try("get", "--raw", "/readyz"); return err }).Should(Succeed())
	Eventually(func() error {
		_, err := try("wait", "node", "--all", "--for=condition=Ready", "--timeout=5s")
		return err
	}).Should(Succeed())
}

func nodeSpecs() {
	It("has nothing run twice where containerd and the kubelet are restarted", Label("node", "own"), func(ctx SpecContext) {
		disturb(ctx, "sluggish", func() {
			clusterTool("restart", "containerd", "kubelet")
			served()
		})
	})

	It("has nothing run twice where the API server is restarted, and its leaders lead on or others do", Label("node", "own"), func(ctx SpecContext) {
		withLibrary(ctx)
		held := map[string]string{}
		for _, deployment := range []string{manager, installer} {
			leader(ctx, deployment)
			held[deployment] = holder(ctx, deployment)
		}
		disturb(ctx, "heavy", func() {
			from := time.Now()
			clusterTool("restart", "kube-apiserver")
			served()
			figure("API server restarted", time.Since(from).Round(100*time.Millisecond))
		})
		for deployment, by := range held {
			leads := "another leads"
			if leader(ctx, deployment); holder(ctx, deployment) == by {
				leads = "the same leads"
			}
			figure("API server restarted, "+deployment, leads)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// The operator's Deployments.
const (
	manager   = "extension-manager"
	installer = "extension-installer"
)

// lease is the one by which replicas of a Deployment agree on who leads.
var lease = map[string]string{
	manager:   "extension-operator.provisioning.dev",
	installer: "extension-installer.provisioning.dev",
}

// installByManifest applies install.yaml and the samples, and measures how long it takes to the first Ready Extension.
func installByManifest(ctx context.Context) {
	GinkgoHelper()
	from := time.Now()
	kubectl("apply", "--server-side", "-f", need("E2E_MANIFEST"))
	applySamples()
	firstReady(ctx, "install.yaml applied → first Extension Ready", from)
	rolledOut()
}

// applySamples applies what config/samples has, as the README says.
func applySamples() {
	GinkgoHelper()
	applySamplesOf("config/samples")
}

// applySamplesOf applies those of a folder once the CRDs are served.
func applySamplesOf(folder string) {
	GinkgoHelper()
	kubectl("wait", "--for=condition=Established", "--timeout=2m", "crd", crds[0], crds[1])
	kubectl("apply", "-n", samples, "-k", folder)
}

// firstReady waits for any Extension of the samples and writes down how long that took.
func firstReady(ctx context.Context, what string, from time.Time) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		list := &api.ExtensionList{}
		g.Expect(admin.List(ctx, list, client.InNamespace(samples))).To(Succeed())
		verdicts := []string{}
		for i := range list.Items {
			verdicts = append(verdicts, verdict(list.Items[i].Generation, list.Items[i].Status.Conditions))
		}
		g.Expect(verdicts).To(ContainElement(ready))
	}).Should(Succeed())
	figure(what, time.Since(from).Round(100*time.Millisecond))
}

// rolledOut waits for both Deployments.
func rolledOut() {
	GinkgoHelper()
	for _, name := range []string{manager, installer} {
		kubectl("-n", system, "rollout", "status", "deployment/"+name, "--timeout=3m")
	}
}

// podsOf are the running pods of a Deployment.
func podsOf(ctx context.Context, deployment string) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(system), client.MatchingLabels{
		"app.kubernetes.io/name": "extension-operator", "app.kubernetes.io/component": strings.TrimPrefix(deployment, "extension-"),
	})).To(Succeed())
	running := []corev1.Pod{}
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp == nil {
			running = append(running, list.Items[i])
		}
	}
	return running
}

// removeAll deletes what the suite makes, Installations before the operator.
func removeAll() {
	GinkgoHelper()
	By("removing everything")
	if _, err := try("-n", system, "get", "deployment", installer); err != nil {
		// A spec has failed between the operator's end and that of its Installations.
		cmd := exec.Command(managerProgram(), "release-finalizers", "--all-namespaces")
		cmd.Stdout, cmd.Stderr = GinkgoWriter, GinkgoWriter
		_ = cmd.Run() // there may be no such kind
	}
	_, _ = try("delete", "installations", "--all", "--all-namespaces", "--timeout=2m") // there may be no such kind
	_, _ = try("delete", "extensions", "--all", "--all-namespaces", "--timeout=1m")
	kubectl("delete", "namespaces", "-l", suiteLabel, "--ignore-not-found", "--timeout=2m")
	kubectl("delete", "-f", need("E2E_MANIFEST"), "--ignore-not-found", "--timeout=2m")
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func installSpecs() {
	It("is installed by install.yaml, and runs restricted in two replicas each of this very image", Label("install"), func(ctx SpecContext) {
		ns := &corev1.Namespace{}
		Expect(admin.Get(ctx, client.ObjectKey{Name: system}, ns)).To(Succeed())
		Expect(ns.Labels).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
		for _, deployment := range []string{manager, installer} {
			pods := podsOf(ctx, deployment)
			Expect(pods).To(HaveLen(2))
			for i := range pods {
				Expect(pods[i].Spec.Containers[0].Image).To(Equal(need("E2E_IMAGE")))
				Expect(pods[i].Status.ContainerStatuses[0].Ready).To(BeTrue())
				Expect(pods[i].Status.ContainerStatuses[0].RestartCount).To(BeZero(), kubectl("-n", system, "logs", pods[i].Name, "--all-containers"))
			}
		}
	})
}

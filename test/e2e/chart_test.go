// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

func chartSpecs() {
	It("is installed by the chart, and lets go of its Installations when that is uninstalled", Label("chart"), func(ctx SpecContext) {
		removeAll()
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		helm("version", "--short") // the first time it is built, which does not count
		from := time.Now()
		reader{}.types(ctx, "chart")
		reader{}.types(ctx, "chart-namespace")
		applySamples()
		firstReady(ctx, "helm install → first Extension Ready", from)
		rolledOut()
		for _, name := range []string{"cicd", "kubernetes"} {
			Expect(*room{samples}.becomes(ctx, name, ready).Status.Sandbox).To(Equal(api.SandboxStatus{Level: "Enforced"}))
		}
		learner := newRoom(ctx)
		learner.tutorial(ctx)
		r := newRoom(ctx)
		inst := r.hello(ctx)

		reader{}.types(ctx, "chart-uninstall")
		Expect(apierrors.IsNotFound(admin.Get(ctx, client.ObjectKey{Namespace: system, Name: manager}, &appsv1.Deployment{}))).To(BeTrue())
		Expect(r.installation(ctx, "hello").Finalizers).To(BeEmpty(), "the Job has let go of it, and the CRDs stay")
		Expect(admin.Get(ctx, client.ObjectKey{Namespace: r.name, Name: "hello"}, &appsv1.Deployment{})).To(Succeed(), "what was installed stays")
		Expect(admin.Delete(ctx, inst)).To(Succeed())
		gone(ctx, inst)

		By("letting go in the cluster of what an operator that is gone has kept")
		kept := learner.installation(ctx, "motd")
		kept.Finalizers = append(kept.Finalizers, "extensions.provisioning.dev/uninstall")
		Expect(admin.Update(ctx, kept)).To(Succeed())
		Expect(admin.Delete(ctx, kept)).To(Succeed())
		kubectl("delete", "namespace", system, "--timeout=2m")
		reader{}.types(ctx, "stuck-in-cluster")
		gone(ctx, kept)
		kubectl("delete", "namespace", system, r.name, learner.name, "--timeout=2m")
		reader{}.types(ctx, "crds")
	})
}

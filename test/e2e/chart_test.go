// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"crypto/tls"
	"net/http"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

func chartSpecs() {
	It("is installed by the chart, and loads and installs nothing again where that is upgraded, uninstalled and installed again", Label("chart"), func(ctx SpecContext) {
		removeAll()
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		helm("version", "--short") // the first time it is built, which does not count
		from := time.Now()
		reader{}.types(ctx, "chart")
		reader{}.types(ctx, "chart-namespace")
		applySamples()
		firstReady(ctx, "helm install → first Extension Ready", from)
		rolledOut()
		r, stuck := newRoom(ctx), newRoom(ctx)
		jobs := r.watchJobs(ctx)
		for _, place := range []room{r, stuck} {
			place.beginHello(ctx)
		}
		for _, place := range []room{r, stuck} {
			place.endHello(ctx)
		}
		before, attempt := loaded(ctx, samples, r.name), r.installation(ctx, "hello").Status.Attempt
		for key, ext := range before {
			Expect(*ext.Status.Sandbox).To(Equal(api.SandboxStatus{Level: "Enforced"}), key.String())
		}
		same := func() {
			GinkgoHelper()
			untouched(ctx, before)
			Expect(r.installation(ctx, "hello").Status.Attempt).To(Equal(attempt))
			Consistently(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed"), "no Job is made")
		}

		By("upgrading it to other values, as the tutorial does")
		learner := newRoom(ctx)
		from = time.Now()
		learner.tutorial(ctx)
		same()
		if ownCluster() {
			Expect(writes(outside(learner.name, requestsOfOperator(from)))).To(BeEmpty(), "nothing is written but of what is new")
		}
		learner.kubectl("delete", "installations,extensions", "--all", "--timeout=2m")

		By("uninstalling it, which keeps the CRDs")
		reader{}.types(ctx, "chart-uninstall")
		Expect(missing(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}})).To(BeTrue())
		Expect(r.installation(ctx, "hello").Finalizers).To(BeEmpty(), "the Job has let go of it")
		same()

		By("installing it again with other values, which takes over what is there")
		helm(append([]string{"install", chartName, chart}, chartValues("manager: {replicas: 3, extraArgs: [--log-level=debug]}")...)...)
		rolledOut()
		Eventually(func() []corev1.Pod { return podsOf(ctx, manager) }).Should(HaveLen(3))
		r.extends(ctx, api.TaskservType, "containerd", "") // whoever leads now works
		r.becomes(ctx, "containerd", ready)
		for _, place := range []room{r, stuck} {
			Eventually(func() []string { return place.installation(ctx, "hello").Finalizers }).ShouldNot(BeEmpty(), "it is held again")
		}
		same()
		r.kubectl("delete", "installation", "hello", "--timeout=2m")
		gone(ctx, &appsv1.Deployment{ObjectMeta: r.named("hello")})
		Eventually(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed", "Uninstall, 1 succeeded, 0 failed"))

		By("uninstalling it without its Job, and letting go by a Job in the cluster of what then is stuck")
		helm("uninstall", chartName, "--no-hooks")
		kubectl("delete", "namespace", system, "--timeout=2m")
		inst := stuck.installation(ctx, "hello")
		Expect(admin.Delete(ctx, inst)).To(Succeed())
		Consistently(func() []string { return stuck.installation(ctx, "hello").Finalizers }).ShouldNot(BeEmpty(), "it waits for an operator that is gone")
		reader{}.types(ctx, "stuck-in-cluster")
		gone(ctx, inst)
		Expect(stuck.kubectl("logs", "deployment/hello")).To(ContainSubstring(greeting), "what was installed stays")
		kubectl("delete", "namespace", system, r.name, stuck.name, learner.name, "--timeout=2m")
		reader{}.types(ctx, "crds")
	})

	It("is installed by the chart with a library, a configuration, a certificate and readers of its metrics, and without Installations", Label("chart"), func(ctx SpecContext) {
		removeAll()
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		restricted(ctx)
		r := newRoom(ctx)
		const host = "extension-manager-api." + system + ".svc"
		trusted := certificate(ctx, "own-certificate", host)
		helm(append([]string{"install", chartName, chart}, chartValues(motdLibrary(ctx)+`
builtinLibrary: last
manager: {replicas: 1}
installations: {enabled: false}
config: |
  [orchestrator.extensions]
  auto_load = false
api: {tls: {secretName: own-certificate}}
metrics: {readers: [{name: scraper, namespace: `+r.name+`}]}
crds: {keep: false}
`)...)...)
		kubectl("-n", system, "rollout", "status", "deployment/"+manager, "--timeout=3m")
		Expect(podsOf(ctx, manager)).To(HaveLen(1))
		for _, absent := range []client.Object{
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}},
			&rbacv1.ClusterRole{ObjectMeta: metaNamed(installer)},
		} {
			Expect(missing(ctx, absent)).To(BeTrue(), "%T", absent)
		}

		for name, catalog := range map[string]string{"motd": "own", "etcd": "extensions"} {
			r.extends(ctx, api.TaskservType, name, "")
			r.becomes(ctx, name, "False AwaitingRequest")
			r.kubectl("annotate", "extension", name, api.ReloadAnnotation+"=now-1")
			Expect(r.becomes(ctx, name, ready).Status.Catalog).To(Equal(catalog))
		}
		user, scraper, stranger := r.account(ctx, "user", "extension-api-user"), r.account(ctx, "scraper"), r.account(ctx, "stranger")
		url := forward("extension-manager-api", 8090)
		Eventually(func(g Gomega) {
			code, answer := askOver(&tls.Config{RootCAs: trusted, ServerName: host}, http.MethodGet, url+"/api/v1/extensions/loaded", user, "")
			g.Expect(code).To(Equal(http.StatusOK), answer)
			g.Expect(answer).To(ContainSubstring(`"name":"motd"`))
		}).Should(Succeed())
		metrics := forward("extension-manager-metrics", 8443) + "/metrics"
		code, answer := ask(http.MethodGet, metrics, scraper, "")
		Expect(code).To(Equal(http.StatusOK), answer)
		Expect(answer).To(ContainSubstring(`extension_operator_extensions{reason="Loaded"`))
		code, answer = ask(http.MethodGet, metrics, stranger, "")
		Expect(code).To(Equal(http.StatusForbidden), answer)

		helm("uninstall", chartName, "--timeout=4m")
		for _, name := range crds {
			gone(ctx, &apiextensions.CustomResourceDefinition{ObjectMeta: metaNamed(name)})
		}
		kubectl("delete", "namespace", system, "--timeout=2m")
	})
}

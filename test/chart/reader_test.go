// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// TestPrometheusShowsATokenThatMayRead: the chart's own, or that of a Secret or of a ScrapeClass, whose account metrics.readers names.
func TestPrometheusShowsATokenThatMayRead(t *testing.T) {
	g := NewWithT(t)
	endpoint := func(all objects) (spec, first map[string]any) {
		spec = all.of("ServiceMonitor")["extension-operator"].Object["spec"].(map[string]any)
		return spec, spec["endpoints"].([]any)[0].(map[string]any)
	}
	secret := func(first map[string]any) map[string]any {
		of, _, err := unstructured.NestedMap(first, "authorization", "credentials")
		g.Expect(err).NotTo(HaveOccurred())
		return of
	}

	own := rendered(t, g, matrix["own reader"])
	_, first := endpoint(own)
	g.Expect(secret(first)).To(Equal(map[string]any{"name": "extension-metrics-reader", "key": "token"}))
	token := as[corev1.Secret](g, own, "Secret", "extension-metrics-reader")
	g.Expect(token.Type).To(Equal(corev1.SecretTypeServiceAccountToken))
	account := as[corev1.ServiceAccount](g, own, "ServiceAccount", token.Annotations[corev1.ServiceAccountNameKey])
	bound := as[rbacv1.ClusterRoleBinding](g, own, "ClusterRoleBinding", "extension-metrics-reader")
	g.Expect(bound.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: namespace}}))

	prometheus := []rbacv1.Subject{{Kind: "ServiceAccount", Name: "prometheus-k8s", Namespace: "monitoring"}}
	for values, want := range map[string]map[string]any{everything: {"name": "own", "key": "bearer"}, matrix["scrape class"]: nil, matrix["plain metrics"]: nil} {
		all := rendered(t, g, values)
		spec, first := endpoint(all)
		g.Expect(secret(first)).To(Equal(want))
		g.Expect(all.of("Secret")).To(BeEmpty())
		g.Expect(spec["scrapeClass"] == "in-cluster").To(Equal(values == matrix["scrape class"]))
		if values != matrix["plain metrics"] {
			g.Expect(as[rbacv1.ClusterRoleBinding](g, all, "ClusterRoleBinding", "extension-metrics-reader").Subjects).To(Equal(prometheus))
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// extension is a right one, for specs to spoil.
func extensionOf() *api.Extension {
	return &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "schema-"},
		Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: "kubernetes"},
	}
}

var _ = Describe("the schema", func() {
	DescribeTable("refuses, and says what to do",
		func(spoil func(*api.ExtensionSpec), message string) {
			ext := extensionOf()
			spoil(&ext.Spec)
			err := admin.Create(context.Background(), ext, client.DryRunAll)
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("an unknown type", func(s *api.ExtensionSpec) { s.Type = "service" }, `supported values: "provider", "taskserv", "cluster"`),
		Entry("no type", func(s *api.ExtensionSpec) { s.Type = "" }, "spec.type"),
		Entry("no name", func(s *api.ExtensionSpec) { s.Name = "" }, "spec.name"),
		Entry("a name with /", func(s *api.ExtensionSpec) { s.Name = "taskserv/kubernetes" }, "name must be a DNS label"),
		Entry("a name with quotes", func(s *api.ExtensionSpec) { s.Name = `kube"rnetes'` }, "name must be a DNS label"),
		Entry("a name with a newline", func(s *api.ExtensionSpec) { s.Name = "kube\nrnetes" }, "name must be a DNS label"),
		Entry("a name that ends with a newline", func(s *api.ExtensionSpec) { s.Name = "kubernetes\n" }, "name must be a DNS label"),
		Entry("a name with upper-case letters", func(s *api.ExtensionSpec) { s.Name = "Kubernetes" }, "name must be a DNS label"),
		Entry("a name out of the library", func(s *api.ExtensionSpec) { s.Name = ".." }, "name must be a DNS label"),
		Entry("an over-long name", func(s *api.ExtensionSpec) { s.Name = strings.Repeat("a", 64) }, "may not be more than 63"),
		Entry("a garbage version", func(s *api.ExtensionSpec) { s.Version = "the newest, please" }, "version must be exact"),
		Entry("a version with code", func(s *api.ExtensionSpec) { s.Version = "1.0.0'; rm -rf /" }, "version must be exact"),
		Entry("a version with build metadata", func(s *api.ExtensionSpec) { s.Version = "1.0.0+build" }, "version must be exact"),
		Entry("four numbers", func(s *api.ExtensionSpec) { s.Version = "1.2.3.4" }, "version must be exact"),
		Entry("an over-long version", func(s *api.ExtensionSpec) { s.Version = strings.Repeat("1", 129) }, "may not be more than 128"),
		Entry("an unknown policy", func(s *api.ExtensionSpec) { s.DependencyPolicy = "Maybe" }, `supported values: "Load", "Require", "Ignore"`),
		Entry("too short a timeout", func(s *api.ExtensionSpec) { s.Timeout = &metav1.Duration{} }, "timeout must be between 1s and 60s"),
		Entry("too long a timeout", func(s *api.ExtensionSpec) { s.Timeout = seconds(61) }, "timeout must be between 1s and 60s"),
		Entry("a catalog that cannot be", func(s *api.ExtensionSpec) { s.CatalogRef = &api.CatalogReference{Name: "../x"} }, "catalogRef.name must be a DNS label"),
		Entry("a catalog without a name", func(s *api.ExtensionSpec) { s.CatalogRef = &api.CatalogReference{} }, "spec.catalogRef.name"),
	)

	It("has no category that is called like a kind, which would stand for both", func() {
		c, err := discovery.NewDiscoveryClientForConfig(cluster.Config)
		Expect(err).NotTo(HaveOccurred())
		resources, err := c.ServerResourcesForGroupVersion(api.GroupVersion.String())
		Expect(err).NotTo(HaveOccurred())
		var names, categories []string
		for _, r := range resources.APIResources {
			names, categories = append(names, r.Name), append(categories, r.Categories...)
		}
		Expect(names).To(ContainElements("extensions", "installations"))
		Expect(categories).To(HaveEach("provisioning"))
	})

	DescribeTable("takes every version that the grammar has", func(version string) {
		ext := extensionOf()
		ext.Spec.Version = version
		Expect(admin.Create(context.Background(), ext, client.DryRunAll)).To(Succeed())
	},
		Entry(nil, "1.28.0"), Entry(nil, "1.28.0-rc.1"), Entry(nil, "1.28"), Entry(nil, "1"), Entry(nil, "~1.28"), Entry(nil, "^1.28.3"),
		Entry(nil, ">=1.27 <1.30"), Entry(nil, ">= 1.27, < 1.30"), Entry(nil, "1.27.x || 1.29.x"), Entry(nil, "1.27 - 1.29"), Entry(nil, "*"),
		Entry(nil, "!=1.28.1"), Entry(nil, ">1.0.0-0"),
	)

	It("keeps type and name as they were", func() {
		ext := extensionOf()
		Expect(admin.Create(context.Background(), ext)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(context.Background(), ext)).To(Succeed()) })
		renamed := ext.DeepCopy()
		renamed.Spec.Name = "etcd"
		Expect(admin.Update(context.Background(), renamed)).To(MatchError(ContainSubstring("name cannot be changed; create another Extension")))
		retyped := ext.DeepCopy()
		retyped.Spec.Type = api.ClusterType
		Expect(admin.Update(context.Background(), retyped)).To(MatchError(ContainSubstring("type cannot be changed; create another Extension")))
	})

	It("fills the defaults, and marks a new object as not yet seen", func() {
		ext := extensionOf()
		Expect(admin.Create(context.Background(), ext)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(context.Background(), ext)).To(Succeed()) })
		Expect(ext.Spec.DependencyPolicy).To(Equal(api.LoadDependencies))
		Expect(ext.Spec.Timeout).To(Equal(seconds(30)))
		Expect(ext.Status.ObservedGeneration).To(BeEquivalentTo(-1))
	})

	It("lets objects be selected by type and name", func() {
		ext := extensionOf()
		Expect(admin.Create(context.Background(), ext)).To(Succeed())
		DeferCleanup(func() { Expect(admin.Delete(context.Background(), ext)).To(Succeed()) })
		list := &api.ExtensionList{}
		selector := client.MatchingFields{"spec.type": "taskserv", "spec.name": "kubernetes"}
		Expect(admin.List(context.Background(), list, client.InNamespace("default"), selector)).To(Succeed())
		Expect(list.Items).To(HaveLen(1))
		selector["spec.type"] = "cluster"
		Expect(admin.List(context.Background(), list, client.InNamespace("default"), selector)).To(Succeed())
		Expect(list.Items).To(BeEmpty())
	})
})

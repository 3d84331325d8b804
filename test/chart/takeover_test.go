// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/env"
)

const extensionsCRD = "extensions.extensions.provisioning.dev"

// TestKeptCRDsAreTakenUp as docs/install.md says: by a release of the same name at once, by another and after kubectl where helm is told to. What
// is of their kinds stays, as it is.
func TestKeptCRDsAreTakenUp(t *testing.T) {
	g := NewWithT(t)
	cluster, admin := started(t, g)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
	to := func(args ...string) error {
		t.Helper()
		_, err := helm(t, append(args, "--kubeconfig="+kubeconfig, "--namespace="+namespace)...)
		return err
	}
	install := func(name string, more ...string) error {
		t.Helper()
		return to(append([]string{"install", name, chart, "--set=uninstall.releaseFinalizers=false"}, more...)...)
	}
	owner := func() string {
		crd := &apiextensions.CustomResourceDefinition{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Name: extensionsCRD}, crd)).To(Succeed())
		return crd.Annotations["meta.helm.sh/release-name"]
	}
	refused := MatchError(ContainSubstring("cannot be imported into the current release"))

	kubectlApplied(t, g, admin)
	ext := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"type": "taskserv", "name": "etcd"}}}
	ext.SetAPIVersion("extensions.provisioning.dev/v1alpha1")
	ext.SetKind("Extension")
	ext.SetNamespace(namespace)
	ext.SetName("etcd")
	g.Expect(admin.Create(t.Context(), ext)).To(Succeed())
	uid := ext.GetUID()

	g.Expect(install("first")).To(refused)
	g.Expect(install("first", "--take-ownership")).To(MatchError(ContainSubstring("conflict")))
	g.Expect(to("uninstall", "first")).To(Succeed(), "a failed release is there")
	g.Expect(install("first", "--take-ownership", "--force-conflicts")).To(Succeed())
	g.Expect(owner()).To(Equal("first"))

	g.Expect(to("uninstall", "first")).To(Succeed())
	g.Expect(install("first")).To(Succeed(), "the same name needs no word")

	g.Expect(to("uninstall", "first")).To(Succeed())
	g.Expect(install("second")).To(refused)
	g.Expect(owner()).To(Equal("first"))
	g.Expect(install("second", "--take-ownership")).To(Succeed())
	g.Expect(owner()).To(Equal("second"))

	g.Expect(to("uninstall", "second")).To(Succeed())
	g.Expect(install("third", "--set=crds.install=false")).To(Succeed())
	g.Expect(owner()).To(Equal("second"))

	g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(ext), ext)).To(Succeed())
	g.Expect(ext.GetUID()).To(Equal(uid), "it was there all the time")
}

// kubectlApplied has the CRD as kubectl apply --server-side made it, of a version that says something else in one place.
func kubectlApplied(t *testing.T, g *WithT, admin client.Client) {
	text, err := os.ReadFile(filepath.Join(root, "config", "crd", "bases", "extensions.provisioning.dev_extensions.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	crd := &unstructured.Unstructured{}
	g.Expect(yaml.Unmarshal(text, &crd.Object)).To(Succeed())
	g.Expect(unstructured.SetNestedStringSlice(crd.Object, []string{"ext", "extns"}, "spec", "names", "shortNames")).To(Succeed())
	err = admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(crd), client.FieldOwner("kubectl"), client.ForceOwnership)
	g.Expect(err).NotTo(HaveOccurred())
}

// TestTheChartTakesOverFromKubectl all that kubectl made of config/default, as docs/install.md says.
func TestTheChartTakesOverFromKubectl(t *testing.T) {
	g := NewWithT(t)
	cluster, admin := started(t, g)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
	for _, object := range kustomized(g, "default") {
		err := admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kubectl"), client.ForceOwnership)
		g.Expect(err).NotTo(HaveOccurred(), object.GetName())
	}
	const system = "extension-system"
	before := map[string]appsv1.Deployment{}
	list := &appsv1.DeploymentList{}
	g.Expect(admin.List(t.Context(), list, client.InNamespace(system))).To(Succeed())
	for i := range list.Items {
		before[list.Items[i].Name] = list.Items[i]
	}
	g.Expect(before).To(HaveLen(2))

	_, err := helm(t, "install", "extension-operator", chart, "--kubeconfig="+kubeconfig, "--namespace="+system, "--take-ownership", "--force-conflicts")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.List(t.Context(), list, client.InNamespace(system))).To(Succeed())
	for i := range list.Items {
		now, was := list.Items[i], before[list.Items[i].Name]
		g.Expect(now.UID).To(Equal(was.UID), "it was not made anew")
		g.Expect(now.Labels).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"))
		g.Expect(now.Spec.Template.Spec).To(Equal(was.Spec.Template.Spec))
	}
	_, err = helm(t, "uninstall", "extension-operator", "--kubeconfig="+kubeconfig, "--namespace="+system, "--no-hooks")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(leftOf(t, g, admin)).To(BeEmpty(), "it is the release's")
}

// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/manifests"
)

// chart renders the operator's chart with the values of an example, as both tools do.
func chart(t *testing.T, g *WithT, values map[string]any) []*unstructured.Unstructured {
	t.Helper()
	text, err := yaml.Marshal(values)
	g.Expect(err).NotTo(HaveOccurred())
	out, err := manifests.Helm(t, string(text), "template", "extension-operator", "charts/extension-operator",
		"--namespace=extension-system", "--kube-version=1.36.3", "--values=-")
	g.Expect(err).NotTo(HaveOccurred())
	objects, err := manifests.Decode(out)
	g.Expect(err).NotTo(HaveOccurred())
	return objects
}

func TestTheOperatorIsTheSameByBothTools(t *testing.T) {
	g := NewWithT(t)
	app, release := read(g, "argocd/apps/operator.yaml"), read(g, "flux/operator/release.yaml")
	values := field[map[string]any](g, app, "spec", "source", "helm", "valuesObject")
	g.Expect(values).To(Equal(field[map[string]any](g, release, "spec", "values")))
	g.Expect(field[string](g, app, "spec", "source", "path")).To(Equal("charts/extension-operator"))
	g.Expect(field[string](g, release, "spec", "chart", "spec", "chart")).To(Equal("./charts/extension-operator"))
	// What neither names is called after the object.
	g.Expect([]string{app.GetName(), field[string](g, app, "spec", "source", "helm", "releaseName"), release.GetName()}).To(HaveEach("extension-operator"))
	g.Expect([]string{field[string](g, app, "spec", "destination", "namespace"), release.GetNamespace()}).To(HaveEach("extension-system"))
	revision := field[string](g, app, "spec", "source", "targetRevision")
	g.Expect(revision).To(Equal(field[string](g, read(g, "flux/operator/source.yaml"), "spec", "ref", "tag")))
	g.Expect(values).To(HaveKeyWithValue("image", HaveKeyWithValue("tag", revision)), "the chart in Git names no version of the image")

	labels := field[map[string]any](g, app, "spec", "syncPolicy", "managedNamespaceMetadata", "labels")
	g.Expect(labels).To(Equal(field[map[string]any](g, read(g, "flux/operator/namespace.yaml"), "metadata", "labels")))
	for _, object := range chart(t, g, values) {
		g.Expect(object.GetKind()).NotTo(Equal("Namespace"), "both make it themselves")
	}
}

// What an API server writes otherwise than it is in Git would be out of sync for ever, or need ignoreDifferences.
func TestNothingOfTheOperatorDrifts(t *testing.T) {
	g := NewWithT(t)
	applied := 0
	for _, object := range chart(t, g, field[map[string]any](g, read(g, "argocd/apps/operator.yaml"), "spec", "source", "helm", "valuesObject")) {
		if _, hook := object.GetAnnotations()["helm.sh/hook"]; hook {
			continue
		}
		applied++
		what := object.GetKind() + " " + object.GetName()
		g.Expect(apply(t, object.DeepCopy())).To(Succeed(), what)
		live := &unstructured.Unstructured{}
		live.SetGroupVersionKind(object.GroupVersionKind())
		g.Expect(admin.Get(t.Context(), client.ObjectKeyFromObject(object), live)).To(Succeed())
		g.Expect(differences("", object.Object, live.Object)).To(BeEmpty(), what)
		again := object.DeepCopy()
		g.Expect(apply(t, again)).To(Succeed(), what)
		g.Expect(again.GetResourceVersion()).To(Equal(live.GetResourceVersion()), "%s is applied again", what)
	}
	g.Expect(applied).To(BeNumerically(">", 20))
}

// differences are the fields of what is in Git that are not so in what is live.
func differences(path string, git, live any) (found []string) {
	switch g := git.(type) {
	case map[string]any:
		l, _ := live.(map[string]any)
		for key, value := range g {
			found = append(found, differences(path+"."+key, value, l[key])...)
		}
	case []any:
		l, _ := live.([]any)
		if len(l) != len(g) {
			return []string{fmt.Sprintf("%s: %v is %v", path, git, live)}
		}
		for i, value := range g {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), value, l[i])...)
		}
	default:
		if git != live {
			found = []string{fmt.Sprintf("%s: %v is %v", path, git, live)}
		}
	}
	return found
}

func TestADifferenceIsSeen(t *testing.T) {
	g := NewWithT(t)
	git := map[string]any{"a": []any{map[string]any{"b": "1"}}, "c": map[string]any{}}
	g.Expect(differences("", git, map[string]any{"a": []any{map[string]any{"b": "1", "more": true}}, "more": true})).To(BeEmpty())
	g.Expect(differences("", git, map[string]any{"a": []any{map[string]any{"b": "2"}}})).To(ConsistOf(".a[0].b: 1 is 2"))
	g.Expect(differences("", git, map[string]any{})).To(HaveLen(1))
}

// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// examples are all objects of config/samples/gitops, whatever folder they are in.
func examples(g Gomega) []*unstructured.Unstructured {
	all := []*unstructured.Unstructured{read(g, "argocd/root.yaml"), read(g, "argocd/argocd-cm.yaml")}
	top := filepath.Join("..", "..", "config", "samples", "gitops")
	g.Expect(fs.WalkDir(os.DirFS(top), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "kustomization.yaml" {
			all = append(all, build(g, filepath.Dir(path))...)
		}
		return err
	})).To(Succeed())
	return all
}

// try has the API server look at an object as if it were applied.
func try(t *testing.T, object *unstructured.Unstructured) error {
	t.Helper()
	if object.GetNamespace() == "" && object.GetKind() != "Namespace" {
		object.SetNamespace("default")
	}
	return apply(t, object, client.DryRunAll)
}

func TestEveryExampleIsWhatAnAPIServerTakes(t *testing.T) {
	g := NewWithT(t)
	kinds := map[string]int{}
	for _, object := range examples(g) {
		kinds[object.GroupVersionKind().GroupVersion().String()+" "+object.GetKind()]++
		g.Expect(try(t, object)).To(Succeed(), "%s %s", object.GetKind(), object.GetName())
	}
	g.Expect(kinds).To(Equal(map[string]int{
		"argoproj.io/v1alpha1 Application":                  3,
		"kustomize.toolkit.fluxcd.io/v1 Kustomization":      4,
		"source.toolkit.fluxcd.io/v1 GitRepository":         1,
		"helm.toolkit.fluxcd.io/v2 HelmRelease":             1,
		"extensions.provisioning.dev/v1alpha1 Extension":    2,
		"extensions.provisioning.dev/v1alpha1 Installation": 2,
		"v1 ConfigMap":                             1,
		"v1 Namespace":                             1,
		"v1 ServiceAccount":                        2,
		"rbac.authorization.k8s.io/v1 Role":        2,
		"rbac.authorization.k8s.io/v1 RoleBinding": 2,
	}))
}

// What was wrong would pass where the API server knew less than Argo CD and Flux do.
func TestAWrongExampleIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		path    []string
		value   any
		message string
	}{
		"a misspelt field of a Kustomization":  {"flux/operator.yaml", []string{"spec", "waits"}, true, ".spec.waits: field not declared in schema"},
		"a word that Flux does not have":       {"flux/installation.yaml", []string{"spec", "deletionPolicy"}, "Wait", "Unsupported value"},
		"a duration that is none":              {"flux/extensions.yaml", []string{"spec", "timeout"}, "soon", "spec.timeout"},
		"a chart without a source":             {"flux/operator/release.yaml", []string{"spec", "chart", "spec"}, map[string]any{"chart": "a"}, "sourceRef: Required value"},
		"another strategy of a release":        {"flux/operator/release.yaml", []string{"spec", "install", "strategy", "name"}, "Retry", "Unsupported value"},
		"a source of another kind":             {"flux/operator/source.yaml", []string{"spec", "url"}, "oci://registry.example.com/chart", "spec.url"},
		"a misspelt field of an Application":   {"argocd/apps/operator.yaml", []string{"spec", "syncPolicy", "automatic"}, true, ".spec.syncPolicy.automatic: field not declared in schema"},
		"an option that is no text":            {"argocd/root.yaml", []string{"spec", "syncPolicy", "syncOptions"}, []any{true}, "syncOptions"},
		"an Installation without an Extension": {"flux/hello/installation/hello.yaml", []string{"spec", "extensionRef"}, map[string]any{}, "extensionRef.name"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			object := read(g, c.file)
			g.Expect(unstructured.SetNestedField(object.Object, c.value, c.path...)).To(Succeed())
			g.Expect(try(t, object)).To(MatchError(ContainSubstring(c.message)))
		})
	}
}

// The folders for Flux have in parts what Argo CD's has whole, and what config/samples/installations has.
func TestBothToolsApplyTheSame(t *testing.T) {
	g := NewWithT(t)
	byName := func(folders ...string) map[string]any {
		all := map[string]any{}
		for _, folder := range folders {
			for _, object := range build(g, folder) {
				object.SetNamespace("")
				object.SetAnnotations(nil)
				if subjects := field[[]any](g, object, "subjects"); subjects != nil {
					delete(subjects[0].(map[string]any), "namespace")
				}
				all[object.GetKind()+" "+object.GetName()] = object.Object
			}
		}
		return all
	}
	g.Expect(byName("flux/extensions", "flux/hello/access", "flux/hello/installation")).To(Equal(byName("app")))
}

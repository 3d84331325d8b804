// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"os"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/argocd"
)

// waves of objects, by kind or by name.
func waves(g Gomega, objects []*unstructured.Unstructured, by func(*unstructured.Unstructured) string) map[string]int {
	all := map[string]int{}
	for _, object := range objects {
		wave := 0
		if text, has := object.GetAnnotations()["argocd.argoproj.io/sync-wave"]; has {
			var err error
			wave, err = strconv.Atoi(text)
			g.Expect(err).NotTo(HaveOccurred())
		}
		all[by(object)] = wave
	}
	return all
}

// An account outlives the Installation, whose hooks take away what they made, and the operator outlives all.
func TestWavesComeInTheOrderThatDeletionNeeds(t *testing.T) {
	g := NewWithT(t)
	g.Expect(waves(g, build(g, "app"), (*unstructured.Unstructured).GetKind)).To(Equal(map[string]int{
		"ServiceAccount": -1, "Role": -1, "RoleBinding": -1, "Extension": 0, "Installation": 1,
	}))
	apps := build(g, "argocd/apps")
	g.Expect(waves(g, apps, (*unstructured.Unstructured).GetName)).To(Equal(map[string]int{"extension-operator": -1, "hello": 0}))
	for _, app := range append(apps, read(g, "argocd/root.yaml")) {
		g.Expect(app.GetFinalizers()).To(ConsistOf("resources-finalizer.argocd.argoproj.io"), "%s is gone when its objects are", app.GetName())
	}
	for _, app := range apps {
		_, stays := app.GetAnnotations()["argocd.argoproj.io/sync-options"]
		g.Expect(stays).To(Equal(app.GetName() == "extension-operator"), app.GetName())
	}
	g.Expect(read(g, "argocd/apps/operator.yaml").GetAnnotations()).To(HaveKeyWithValue("argocd.argoproj.io/sync-options", "Prune=false"))
}

func TestApplicationsAreOfFoldersThatAreThere(t *testing.T) {
	g := NewWithT(t)
	root := read(g, "argocd/root.yaml")
	folder := func(app *unstructured.Unstructured) string {
		path, here := strings.CutPrefix(field[string](g, app, "spec", "source", "path"), "config/samples/gitops/")
		g.Expect(here).To(BeTrue(), app.GetName())
		return path
	}
	g.Expect(folder(root)).To(Equal("argocd/apps"))
	g.Expect(field[string](g, root, "spec", "destination", "namespace")).To(Equal(root.GetNamespace()))
	g.Expect(build(g, folder(read(g, "argocd/apps/hello.yaml")))).NotTo(BeEmpty())
}

// Without it Argo CD takes an Application for healthy as soon as it exists, and the operator's wave is over at once.
func TestAnApplicationFaresAsItSays(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../config/samples/gitops/argocd/argocd-cm.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var cm corev1.ConfigMap
	g.Expect(yaml.UnmarshalStrict(text, &cm)).To(Succeed())
	customizations, err := argocd.Read(cm)
	g.Expect(err).NotTo(HaveOccurred())
	for name, c := range map[string]struct {
		status any
		want   argocd.Health
	}{
		"new":                     {nil, argocd.Health{Status: "Progressing", Message: "not looked at yet"}},
		"without health":          {map[string]any{"sync": map[string]any{}}, argocd.Health{Status: "Progressing", Message: "not looked at yet"}},
		"not looked at":           {map[string]any{"health": map[string]any{}}, argocd.Health{Status: "Progressing", Message: "not looked at yet"}},
		"not yet applied":         {map[string]any{"health": map[string]any{"status": "Missing"}}, argocd.Health{Status: "Missing"}},
		"healthy":                 {map[string]any{"health": map[string]any{"status": "Healthy"}}, argocd.Health{Status: "Healthy"}},
		"degraded, with a reason": {map[string]any{"health": map[string]any{"status": "Degraded", "message": "why"}}, argocd.Health{Status: "Degraded", Message: "why"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			app := read(g, "argocd/apps/operator.yaml")
			app.Object["status"] = c.status
			health, err := customizations.Health(app)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(health).To(Equal(c.want))
		})
	}
}

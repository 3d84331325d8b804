// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"provisioning.dev/extension-operator/test/manifests"
)

// documented is the first YAML of a page that has the text.
func documented(g *WithT, page, text string) string {
	content, err := os.ReadFile(filepath.Join(root, "docs", page))
	g.Expect(err).NotTo(HaveOccurred())
	for _, block := range strings.Split(string(content), "```yaml\n")[1:] {
		yaml, _, ended := strings.Cut(block, "\n```")
		g.Expect(ended).To(BeTrue())
		if strings.Contains(yaml, text) {
			return yaml + "\n"
		}
	}
	g.Expect(content).To(BeEmpty(), "no YAML has %q", text)
	return ""
}

// overlaid builds a kustomization over config/default of this source tree, with files beside it.
func overlaid(t *testing.T, g *WithT, kustomization string, files map[string]string) objects {
	dir := t.TempDir()
	absolute, err := filepath.Abs(filepath.Join(root, "config", "default"))
	g.Expect(err).NotTo(HaveOccurred())
	here, err := filepath.Rel(dir, absolute)
	g.Expect(err).NotTo(HaveOccurred())
	const remote = "https://git.example/extension-operator//config/default?ref=v0.1.0"
	g.Expect(kustomization).To(ContainSubstring(remote))
	files["kustomization.yaml"] = strings.ReplaceAll(kustomization, remote, here)
	for name, text := range files {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	objects, err := manifests.Kustomize(dir)
	g.Expect(err).NotTo(HaveOccurred())
	return objects
}

// TestTheDocumentedKustomizationsAreWhatTheySay, and an API server takes them.
func TestTheDocumentedKustomizationsAreWhatTheySay(t *testing.T) {
	g := NewWithT(t)
	_, admin := started(t, g)
	g.Expect(admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "extension-system"}})).To(Succeed())
	strict := client.WithFieldValidation(admin, "Strict")
	taken := func(all objects) map[string]corev1.PodSpec {
		pods := map[string]corev1.PodSpec{}
		for _, object := range all {
			if object.GetKind() == "Deployment" {
				pods[object.GetName()] = as[appsv1.Deployment](g, all, "Deployment", object.GetName()).Spec.Template.Spec
			}
			err := strict.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.DryRunAll, client.FieldOwner("kubectl"), client.ForceOwnership)
			g.Expect(err).NotTo(HaveOccurred(), object.GetName())
		}
		return pods
	}
	plain := taken(kustomized(g, "default"))

	const image = "registry.example.com/extension-operator:v0.1.0"
	pods := taken(overlaid(t, g, documented(g, "install.md", "kind: Kustomization"), map[string]string{}))
	for name, pod := range pods {
		g.Expect(pod.Containers[0].Image).To(Equal(image), name)
		g.Expect(pod.Containers[0].Args).To(Equal(plain[name].Containers[0].Args), name)
		want := environment(plain[name].Containers[0])
		want["EXTOP_LOADING_SANDBOX"] = "best-effort"
		if name == "extension-installer" {
			want["EXTOP_INSTALLATION_RUNNER_IMAGE"], want["EXTOP_INSTALLATION_RUNNER_SANDBOX"] = image, "best-effort"
		}
		g.Expect(environment(pod.Containers[0])).To(Equal(want), name)
	}

	all := overlaid(t, g, documented(g, "configuration.md", "kind: Kustomization"), map[string]string{"config.toml": "[manager]\nworkers = 8\n"})
	pods = taken(all)
	g.Expect(pods["extension-installer"]).To(Equal(plain["extension-installer"]))
	pod, before := pods["extension-manager"], plain["extension-manager"]
	g.Expect(pod.Containers[0].Args).To(Equal(append(before.Containers[0].Args, "--config=/etc/extension-operator/config.toml")))
	want := environment(before.Containers[0])
	delete(want, "EXTOP_LOADING_SANDBOX")
	g.Expect(environment(pod.Containers[0])).To(Equal(want))
	g.Expect(pod.Containers[0].VolumeMounts).To(ContainElement(corev1.VolumeMount{Name: "config", MountPath: "/etc/extension-operator", ReadOnly: true}))
	g.Expect(pod.Volumes).To(HaveLen(len(before.Volumes) + 1))
	for _, volume := range pod.Volumes {
		if volume.Name == "config" {
			config := as[corev1.ConfigMap](g, all, "ConfigMap", volume.ConfigMap.Name)
			g.Expect(config.Data).To(HaveKeyWithValue("config.toml", ContainSubstring("workers = 8")))
		}
	}
}

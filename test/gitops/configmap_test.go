// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"provisioning.dev/extension-operator/test/env"
	"provisioning.dev/extension-operator/test/manifests"
)

// patches are the commands of docs/gitops.md that change Argo CD's ConfigMap.
var patches = regexp.MustCompile(`(?m)^kubectl \S+ configmap argocd-cm -n argocd .*$`)

// The ConfigMap is one that kubectl apply has made, as Argo CD's own instructions do. It loses nothing.
func TestTheCustomizationsAreAddedToWhatIsThere(t *testing.T) {
	g := NewWithT(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "argocd-"}}
	g.Expect(admin.Create(t.Context(), ns)).To(Succeed())
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
	kubectl := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), cluster.Kubectl, append(args, "--kubeconfig="+kubeconfig, "--namespace="+ns.Name)...)
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(out))
	}
	theirs := "--filename=" + filepath.Join("test", "argocd", "testdata", "argocd-cm.yaml")
	kubectl("apply", theirs)

	docs, err := os.ReadFile("../../docs/gitops.md")
	g.Expect(err).NotTo(HaveOccurred())
	commands := patches.FindAllString(string(docs), -1)
	g.Expect(commands).To(HaveLen(2))
	for _, command := range commands {
		kubectl(strings.Fields(strings.NewReplacer("kubectl ", "", " -n argocd ", " ").Replace(command))...)
	}

	want := map[string]string{"url": "https://argocd.example.com"}
	for _, shipped := range []*unstructured.Unstructured{read(g, "../../argocd/argocd-cm.yaml"), read(g, "argocd/argocd-cm.yaml")} {
		for key := range field[map[string]any](g, shipped, "data") {
			want[key] = field[string](g, shipped, "data", key)
		}
	}
	g.Expect(want).To(HaveLen(6))
	for _, then := range []func(){func() {}, func() { kubectl("apply", theirs) }} {
		then()
		cm := &corev1.ConfigMap{}
		g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: ns.Name, Name: "argocd-cm"}, cm)).To(Succeed())
		g.Expect(cm.Data).To(Equal(want))
		g.Expect(cm.Labels).To(HaveKeyWithValue("app.kubernetes.io/part-of", "argocd"), "without it Argo CD does not see the ConfigMap")
	}
}

func TestTheCustomizationsAreAddedByKustomizeToo(t *testing.T) {
	g := NewWithT(t)
	built, err := manifests.Kustomize(filepath.Join("test", "argocd", "testdata"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(built).To(HaveLen(1))
	want := field[map[string]any](g, read(g, "../../argocd/argocd-cm.yaml"), "data")
	g.Expect(want).To(HaveLen(4))
	want["url"] = "https://argocd.example.com"
	g.Expect(field[map[string]any](g, built[0], "data")).To(Equal(want))
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/test/docs"
)

// documentedTime bounds what a block does.
const documentedTime = 5 * time.Minute

// reader types what documents say.
type reader struct {
	// instead has in pairs what a page says and what this reader writes in its place.
	instead []string
	// environ is besides that of the suite.
	environ []string
}

// types has a shell do what the blocks with a word say, in the root of the source tree, and returns what was printed.
func (r reader) types(ctx context.Context, word string) string {
	GinkgoHelper()
	sessions, err := docs.Sessions(os.DirFS(root), word, append(r.instead, imageInstead()...)...)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(ctx, documentedTime)
	defer cancel()
	environ := append([]string{"PATH=" + programs() + ":" + filepath.Dir(need("E2E_KUBECTL")) + ":" + os.Getenv("PATH")}, r.environ...)
	var all strings.Builder
	for _, s := range sessions {
		By(s.Document + ":\n" + s.Commands)
		out, err := s.Run(ctx, root, environ...)
		GinkgoWriter.Println(out)
		Expect(err).NotTo(HaveOccurred())
		all.WriteString(out)
	}
	return all.String()
}

// imageInstead has the suite's image in place of the one that documents name.
func imageInstead() []string {
	GinkgoHelper()
	return []string{
		"registry.example.com/extension-operator:v0.1.0", need("E2E_IMAGE"),
		"--set image.repository=registry.example.com/extension-operator --set image.tag=v0.1.0", strings.Join(imageValues(), " "),
	}
}

// programs is a folder with what a reader has on the PATH: the pinned helm, and the manager of this source tree.
func programs() string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	modfile, err := filepath.Abs(filepath.Join(root, "hack", "tools", "helm.mod"))
	Expect(err).NotTo(HaveOccurred())
	for name, command := range map[string]string{"helm": "go tool -modfile=" + modfile + " helm", "manager": "env CGO_ENABLED=0 go run ./cmd/manager"} {
		Expect(os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\nexec "+command+" \"$@\"\n"), 0o755)).To(Succeed())
	}
	return dir
}

func docsSpecs() {
	It("does what the documents say, with the samples", Label("docs"), func(ctx SpecContext) {
		r := room{samples}
		DeferCleanup(func() {
			_, _ = try("-n", samples, "delete", "installation", "hello", "--ignore-not-found", "--timeout=2m")
			kubectl("-n", samples, "delete", "-k", "config/samples/installations", "--ignore-not-found", "--timeout=1m")
		})
		reader{}.types(ctx, "install")
		Expect(reader{}.types(ctx, "samples")).To(ContainSubstring("landlock"), "the sandbox in the pod")
		r.ends(ctx, "hello", installed)
		reader{}.types(ctx, "installed")
		Expect(reader{instead: []string{"NAME", "kubernetes"}}.types(ctx, "look")).To(ContainSubstring("[+]sandbox ok"))

		By("approving a plan")
		r.kubectl("patch", "extinst", "hello", "--type=merge", `--patch={"spec":{"mode":"Plan","values":{"greeting":"Approved"}}}`)
		r.ends(ctx, "hello", "False AwaitingApproval")
		reader{}.types(ctx, "approve")
		r.ends(ctx, "hello", installed)
		Expect(r.kubectl("get", "configmap", "hello", "-o", "yaml")).To(ContainSubstring("Approved"))

		By("handing over what another one left")
		left := r.leftBy(ctx, "00000000-gone")
		now := r.installation(ctx, "hello").UID
		reader{instead: []string{"OLD", "00000000-gone", "NEW", string(now), "UID", string(now), "NAME", "hello", "now-1", "now-2"}}.types(ctx, "handover")
		for _, object := range left {
			Expect(admin.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
			Expect(object.GetLabels()).To(HaveKeyWithValue(uidLabel, string(now)))
		}
		Eventually(func() string { return r.installation(ctx, "hello").Status.LastHandledRetryAt }).Should(Equal("now-2"))
		r.ends(ctx, "hello", installed)
	})

	It("lets in who has a token, as the documents say", Label("docs"), func(ctx SpecContext) {
		r := newRoom(ctx)
		r.extends(ctx, api.TaskservType, "etcd", "")
		r.becomes(ctx, "etcd", ready)
		said := reader{instead: []string{"team-a", r.name}}.types(ctx, "api")
		Expect(said).To(And(ContainSubstring(`"name":"etcd"`), ContainSubstring("Fingerprint=")))

		DeferCleanup(func() {
			kubectl("delete", "clusterrolebinding", "extension-scraper", "--ignore-not-found")
			kubectl("-n", system, "delete", "serviceaccount", "scraper", "--ignore-not-found")
		})
		Expect(reader{}.types(ctx, "scrape")).To(ContainSubstring(`extension_operator_extensions{reason="Loaded"`))
	})

	It("adds to what Argo CD has", Label("docs"), func(ctx SpecContext) {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "argocd", Labels: map[string]string{suiteLabel: ""}}}
		Expect(admin.Create(ctx, ns)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, ns)).To(Succeed()) })
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "argocd-cm"}, Data: map[string]string{"url": "https://argocd.example"}}
		Expect(admin.Create(ctx, cm)).To(Succeed())
		reader{}.types(ctx, "argocd")
		Expect(admin.Get(ctx, client.ObjectKeyFromObject(cm), cm)).To(Succeed())
		Expect(cm.Data).To(HaveLen(6))
		Expect(cm.Data).To(HaveKey("url"))
	})

	It("makes the image as a file", Label("docs"), func(ctx SpecContext) {
		Expect(reader{}.types(ctx, "image")).To(ContainSubstring("extension-operator-amd64.tar"))
	})
}

// uidLabel is on what an Installation has installed.
const uidLabel = "extensions.provisioning.dev/installation-uid"

// leftBy makes what an Installation with this uid, which is gone, has left: data and a password.
func (r room) leftBy(ctx context.Context, uid string) []client.Object {
	GinkgoHelper()
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: r.name, Name: name, Labels: map[string]string{uidLabel: uid}}
	}
	objects := []client.Object{
		&corev1.Secret{ObjectMeta: meta("hello-password")},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta("hello-data"), Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resourceOf("1Mi")}},
		}},
	}
	for _, object := range objects {
		Expect(admin.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(admin.Delete(ctx, object)).To(Succeed()) })
	}
	return objects
}

// configurationSpecs change the settings of the installation, which is taken away after them.
func configurationSpecs() {
	It("is configured by a file, as the documents say", Label("docs"), func(ctx SpecContext) {
		r := newRoom(ctx)
		kubectl("apply", "--server-side", "--force-conflicts", "-k", kustomizationShown("[orchestrator.extensions]\nauto_load = false\n"))
		rolledOut()
		Expect(reader{}.types(ctx, "configured")).To(MatchRegexp(`auto_load = false .*config\.toml`))

		r.extends(ctx, api.TaskservType, "kubernetes", "")
		r.becomes(ctx, "kubernetes", "False AwaitingRequest")
		reader{environ: []string{"KUBECONFIG=" + r.kubeconfig()}}.types(ctx, "on-request")
		r.becomes(ctx, "kubernetes", ready)

		file := kubectl("-n", system, "get", "deployment", manager, "-o", `jsonpath={.spec.template.spec.volumes[?(@.name=="config")].configMap.name}`)
		kubectl("-n", system, "patch", "configmap", file, "--type=merge", `--patch={"data":{"config.toml":""}}`)
		reader{}.types(ctx, "restart")
		rolledOut()
		r.extends(ctx, api.TaskservType, "etcd", "")
		r.becomes(ctx, "etcd", ready)
	})
}

// kustomizationShown is a folder with the kustomization of docs/configuration.md over this installation, and this file.
func kustomizationShown(configuration string) string {
	GinkgoHelper()
	blocks, err := docs.Blocks(os.DirFS(root))
	Expect(err).NotTo(HaveOccurred())
	at := slices.IndexFunc(blocks, func(b docs.Block) bool { return b.Document == "docs/configuration.md" && b.Language == "yaml" })
	Expect(at).To(BeNumerically(">=", 0))
	installation, err := os.ReadFile(need("E2E_MANIFEST"))
	Expect(err).NotTo(HaveOccurred())
	shown := strings.Replace(blocks[at].Text, "https://git.example/extension-operator//config/default?ref=v0.1.0", "installation.yaml", 1)
	dir := GinkgoT().TempDir()
	for name, text := range map[string]string{"kustomization.yaml": shown, "installation.yaml": string(installation), "config.toml": configuration} {
		Expect(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)).To(Succeed())
	}
	return dir
}

// tutorial does in a room, with the operator of the chart, what the last part of the tutorial says, and leaves the Installation there.
func (r room) tutorial(ctx context.Context) {
	GinkgoHelper()
	reader{environ: []string{"KUBECONFIG=" + r.kubeconfig()}, instead: []string{"$HOME", GinkgoT().TempDir()}}.types(ctx, "tutorial")
	rolledOut()
}

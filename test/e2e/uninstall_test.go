// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// crds are the names of our kinds.
var crds = []string{"extensions.extensions.provisioning.dev", "installations.extensions.provisioning.dev"}

func metaNamed(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }

// ensureInstalled installs the operator again where a spec before has taken it away.
func ensureInstalled(ctx context.Context) {
	GinkgoHelper()
	if apierrors.IsNotFound(admin.Get(ctx, client.ObjectKey{Name: system}, &corev1.Namespace{})) {
		kubectl("apply", "--server-side", "-f", need("E2E_MANIFEST"))
		kubectl("wait", "--for=condition=Established", "--timeout=2m", "crd", crds[0], crds[1])
	}
	rolledOut()
}

// kubeconfig is one whose namespace is the room's.
func (r room) kubeconfig() string {
	GinkgoHelper()
	text, err := os.ReadFile(need("KUBECONFIG"))
	Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(path, text, 0o600)).To(Succeed())
	kubectl("--kubeconfig="+path, "config", "set-context", "--current", "--namespace="+r.name)
	return path
}

func uninstallSpecs() {
	It("leaves nothing where Installations are deleted before the operator", Label("uninstall"), func(ctx SpecContext) {
		ensureInstalled(ctx)
		r := newRoom(ctx)
		r.hello(ctx)
		reader{}.types(ctx, "uninstall-installations")
		gone(ctx, &appsv1.Deployment{ObjectMeta: r.named("hello")})
		reader{instead: []string{"dist/install.yaml", need("E2E_MANIFEST")}}.types(ctx, "uninstall")
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		for _, name := range crds {
			gone(ctx, &apiextensions.CustomResourceDefinition{ObjectMeta: metaNamed(name)})
		}
		Expect(kubectl("get", "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings",
			"-l", "app.kubernetes.io/name=extension-operator", "-o", "name")).To(BeEmpty())
	})

	It("lets go by the documented commands of what the wrong order left", Label("uninstall"), func(ctx SpecContext) {
		ensureInstalled(ctx)
		byHand, byCommand := newRoom(ctx), newRoom(ctx)
		rooms := []room{byHand, byCommand}
		for _, r := range rooms {
			r.beginHello(ctx)
		}
		for _, r := range rooms {
			r.endHello(ctx)
		}
		kubectl("-n", system, "delete", "deployments", "--all", "--cascade=foreground", "--timeout=2m")
		kubectl("delete", "-f", need("E2E_MANIFEST"), "--ignore-not-found", "--wait=false")
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		for _, r := range rooms {
			Eventually(func() *metav1.Time { return r.installation(ctx, "hello").DeletionTimestamp }).ShouldNot(BeNil())
			Consistently(func() error {
				return admin.Get(ctx, client.ObjectKey{Namespace: r.name, Name: "hello"}, &api.Installation{})
			}).Should(Succeed(), "it waits for an operator that is gone")
		}

		reader{instead: []string{"NAME", "hello"}, environ: []string{"KUBECONFIG=" + byHand.kubeconfig()}}.types(ctx, "stuck-by-hand")
		gone(ctx, &api.Installation{ObjectMeta: byHand.named("hello")})
		Expect(byCommand.installation(ctx, "hello").Finalizers).NotTo(BeEmpty(), "another namespace's was left alone")
		reader{}.types(ctx, "stuck")
		for _, name := range crds {
			gone(ctx, &apiextensions.CustomResourceDefinition{ObjectMeta: metaNamed(name)})
		}
		for _, r := range rooms {
			Expect(r.kubectl("logs", "deployment/hello")).To(ContainSubstring(greeting), "what was installed stays")
			kubectl("delete", "namespace", r.name, "--timeout=2m") // nothing in it has a finalizer any more
		}
	})
}

// managerProgram is the manager of this source tree, built once.
var managerProgram = sync.OnceValue(func() string {
	path := filepath.Join(need("E2E_OUT"), "manager")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/manager")
	cmd.Dir, cmd.Stderr = root, GinkgoWriter
	Expect(cmd.Run()).To(Succeed())
	return path
})

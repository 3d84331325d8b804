// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"provisioning.dev/extension-operator/internal/step"
)

const (
	kubeDir  = "../../extensions/providers/kube"
	helloDir = "../../extensions/taskservs/hello"
	owner    = "extensions.provisioning.dev/installation-uid"
	otherUID = "6f1c8e0a-0000-4000-8000-000000000002"
)

// helloPod is a pod for taskserv/hello of the built-in library.
func helloPod(t *testing.T) *pod {
	t.Helper()
	return newPodOf(t, map[string]fs.FS{
		"provider:kube:1.0.0": os.DirFS(kubeDir), "taskserv:hello:1.0.0": os.DirFS(helloDir),
	}, "provider:kube:1.0.0", "taskserv:hello:1.0.0")
}

// installer is a pod for hello with the service account that its rbac.yaml makes, configured.
func (n tenant) installer(values string) *pod {
	n.t.Helper()
	n.apply(filepath.Join(helloDir, "rbac.yaml"))
	p := helloPod(n.t).values(values)
	n.mount(p, "hello-installer")
	if e := p.run(step.Configure); e.State != step.Succeeded {
		n.t.Fatal(e.everything())
	}
	return p
}

func (n tenant) deployment() *appsv1.Deployment {
	n.t.Helper()
	d, err := n.admin.AppsV1().Deployments(n.namespace).Get(n.t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return d
}

func (n tenant) configMap() *corev1.ConfigMap {
	n.t.Helper()
	c, err := n.admin.CoreV1().ConfigMaps(n.namespace).Get(n.t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return c
}

// rollOut does what a cluster's controllers do: nothing does in the tests' control plane.
func (n tenant) rollOut(replicas int32) {
	n.t.Helper()
	d := n.deployment()
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: replicas, UpdatedReplicas: replicas, AvailableReplicas: replicas, ReadyReplicas: replicas}
	if _, err := n.admin.AppsV1().Deployments(n.namespace).UpdateStatus(n.t.Context(), d, metav1.UpdateOptions{}); err != nil {
		n.t.Fatal(err)
	}
}

func expectSuccess(t *testing.T, e ended, says string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(e.State).To(Equal(step.Succeeded), e.everything())
	g.Expect(e.Message).To(Equal(says))
}

func expectFailure(t *testing.T, e ended, code string, says ...string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(e.Reason).To(Equal(step.HookFailed), e.everything())
	g.Expect(e.Code).To(Equal(code))
	for _, text := range says {
		g.Expect(e.Message).To(ContainSubstring(text))
	}
}

// The whole life of one Installation of hello, with no more rights than its sample gives.
func TestHelloIsInstalled(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("{greeting: Good day., replicas: 2, patience_s: 3}")

	expectSuccess(t, p.run(step.Install), "ConfigMap and Deployment web are applied")
	d := n.deployment()
	g.Expect(d.Labels).To(Equal(map[string]string{owner: p.order.UID, "app.kubernetes.io/managed-by": "extension-operator"}))
	g.Expect(d.Spec.Replicas).To(HaveValue(BeEquivalentTo(2)))
	g.Expect(d.Spec.Selector.MatchLabels).To(HaveKeyWithValue(owner, p.order.UID))
	g.Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal(p.order.Image))
	g.Expect(d.Spec.Template.Spec.Volumes[0].ConfigMap.Name).To(Equal("web"))
	g.Expect(d.ManagedFields).To(HaveLen(1))
	g.Expect(d.ManagedFields[0].Manager).To(Equal("extension-installation-" + p.order.UID))
	g.Expect(d.ManagedFields[0].Operation).To(Equal(metav1.ManagedFieldsOperationApply))
	g.Expect(n.configMap().Data).To(Equal(map[string]string{"greeting.txt": "Good day.\n"}))

	expectFailure(t, p.run(step.Verify), "kube::NotRolledOut",
		"Deployment web is not rolled out after 3sec: it is not looked at yet; its images are extension-operator:test; look at its pods")
	n.rollOut(1)
	expectFailure(t, p.run(step.Verify), "kube::NotRolledOut", "1 of 2 replicas are of this version")
	n.rollOut(2)
	expectSuccess(t, p.run(step.Verify), "2 of 2 replicas of Deployment web are available")

	// A step that was done twice is as if done once.
	before := n.deployment()
	expectSuccess(t, p.run(step.Install), "ConfigMap and Deployment web are applied")
	g.Expect(n.deployment().ResourceVersion).To(Equal(before.ResourceVersion))
	expectSuccess(t, p.run(step.Verify), "2 of 2 replicas of Deployment web are available")

	// Another greeting, fewer replicas; what somebody changed is set right, and what somebody added stays.
	edited := n.deployment()
	edited.Spec.Replicas = new(int32)
	edited.Annotations = map[string]string{"theirs": "stays"}
	_, err := n.admin.AppsV1().Deployments(n.namespace).Update(t.Context(), edited, metav1.UpdateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	changed := n.installer("{greeting: Good night., replicas: 1}")
	expectSuccess(t, changed.run(step.Install), "ConfigMap and Deployment web are applied")
	after := n.deployment()
	g.Expect(after.Spec.Replicas).To(HaveValue(BeEquivalentTo(1)))
	g.Expect(after.Annotations).To(HaveKeyWithValue("theirs", "stays"))
	g.Expect(after.Spec.Template.Annotations).NotTo(Equal(before.Spec.Template.Annotations))
	g.Expect(n.configMap().Data).To(Equal(map[string]string{"greeting.txt": "Good night.\n"}))

	// Its end needs no configuration, and may come twice.
	g.Expect(os.Remove(filepath.Join(p.order.Work, configFile))).To(Succeed())
	expectSuccess(t, p.run(step.Uninstall), "Deployment deleted, ConfigMap deleted")
	expectSuccess(t, p.run(step.Uninstall), "Deployment absent, ConfigMap absent")
}

// Its pods are of what the image has, and may run where pods are restricted.
func TestHellosPodsMayRun(t *testing.T) {
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("")
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	template := n.deployment().Spec.Template
	g.Expect(template.Spec.Containers[0].Command[0]).To(Equal(step.Defaults().Nushell))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: template.Labels}, Spec: template.Spec}
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	_, err := n.admin.CoreV1().Pods(n.namespace).Create(t.Context(), pod, dry)
	g.Expect(err).NotTo(HaveOccurred())
	pod.Spec.SecurityContext.RunAsNonRoot = nil
	_, err = n.admin.CoreV1().Pods(n.namespace).Create(t.Context(), pod, dry)
	g.Expect(err).To(MatchError(ContainSubstring("violates PodSecurity")), "it is looked at")
}

// verify waits: the rollout ends while it looks.
func TestVerifyWaits(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("patience_s: 60")
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	done := make(chan ended)
	go func() { done <- p.run(step.Verify) }()
	g.Consistently(done, 3*time.Second).ShouldNot(Receive())
	n.rollOut(1)
	var e ended
	g.Eventually(done, 10*time.Second).Should(Receive(&e))
	expectSuccess(t, e, "1 of 1 replicas of Deployment web are available")
}

func TestAnObjectOfAnotherIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		labels map[string]string
		whose  string
	}{
		"of another Installation": {map[string]string{owner: otherUID}, "of the Installation with uid " + otherUID},
		"of nobody":               {nil, "of no Installation"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTenant(t)
			p := n.installer("")
			theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: c.labels}, Data: map[string]string{"theirs": "stays"}}
			made, err := n.admin.CoreV1().ConfigMaps(n.namespace).Create(t.Context(), theirs, metav1.CreateOptions{})
			g.Expect(err).NotTo(HaveOccurred())
			for range 2 {
				expectFailure(t, p.run(step.Install), "kube::Foreign", "ConfigMap web is there already and is "+c.whose, "it is not taken over")
			}
			expectSuccess(t, p.run(step.Uninstall), "Deployment absent, ConfigMap foreign")
			g.Expect(n.configMap().ResourceVersion).To(Equal(made.ResourceVersion))
			g.Expect(n.configMap().Data).To(Equal(theirs.Data))
		})
	}
}

// An object that another Installation makes between the look and the making is not taken either.
func TestARaceForAName(t *testing.T) {
	g := NewWithT(t)
	n := newTenant(t)
	first := n.installer("greeting: First.")
	second := n.installer("greeting: Second.")
	second.order.UID = otherUID
	var late atomic.Bool
	n.newFront(second, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/configmaps/web") && late.CompareAndSwap(false, true) {
			if e := first.run(step.Install); e.State != step.Succeeded {
				t.Error(e.everything())
			}
			status(w, http.StatusNotFound, "not there a moment ago")
			return true
		}
		return false
	})
	expectFailure(t, second.run(step.Install), "kube::Conflict", "conflict", "remove that, or choose another name")
	g.Expect(n.configMap().Labels).To(HaveKeyWithValue(owner, first.order.UID))
	g.Expect(n.configMap().Data).To(Equal(map[string]string{"greeting.txt": "First.\n"}))

	// The same, of one that carries no label: nothing holds it, so it is told that it was there.
	third := n.installer("greeting: Third.")
	third.order.Installation = "bare"
	n.newFront(third, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, "/configmaps/bare") {
			return false
		}
		_, err := n.admin.CoreV1().ConfigMaps(n.namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "bare"}}, metav1.CreateOptions{})
		if err != nil {
			t.Error(err)
		}
		status(w, http.StatusNotFound, "not there a moment ago")
		return true
	})
	expectFailure(t, third.run(step.Install), "kube::Foreign", "was made by somebody else at the same time")
}

// An object that was deleted and made anew by another since the look is not deleted.
func TestUninstallDeletesWhatItLookedAt(t *testing.T) {
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("")
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	maps := n.admin.CoreV1().ConfigMaps(n.namespace)
	n.newFront(p, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, "/configmaps/web") {
			if err := maps.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "web"}}, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	expectFailure(t, p.run(step.Uninstall), "kube::Conflict", "the UID in the precondition")
	g.Expect(n.configMap().Labels).To(BeEmpty(), "theirs is still there")
}

func TestAServiceAccountThatMayNot(t *testing.T) {
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("")
	_, err := n.admin.CoreV1().ServiceAccounts(n.namespace).Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "nobody"}}, metav1.CreateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	token := n.mount(p, "nobody")
	for _, s := range []step.Step{step.Install, step.Verify, step.Uninstall} {
		e := p.run(s)
		expectFailure(t, e, "kube::Forbidden", `"system:serviceaccount:`+n.namespace+`:nobody" cannot get resource`, "allow it in a Role")
		g.Expect(e.everything()).NotTo(ContainSubstring(token))
	}
	p.write(filepath.Join(p.order.ServiceAccount, "token"), token+"x")
	expectFailure(t, p.run(step.Install), "kube::Unauthorized", "the Kubernetes API says: Unauthorized")

	p.order.HideOutput = true
	e := p.run(step.Install)
	g.Expect(e.Code).To(Equal("kube::Unauthorized"))
	g.Expect(e.Message).To(Equal("install failed: " + hidden))
}

func TestWithoutAServiceAccount(t *testing.T) {
	n := newTenant(t)
	p := n.installer("")
	if err := os.RemoveAll(p.order.ServiceAccount); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, p.run(step.Install), "kube::NoServiceAccount", "there is no service account to reach the Kubernetes API with; set spec.serviceAccountName")
}

// Whoever is not of the cluster's authority is not told the token.
func TestTLSIsVerified(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("")
	front := n.newFront(p, func(http.ResponseWriter, *http.Request) bool { return false })
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded), "with its own authority it is reached")
	reached := len(front.seen())
	g.Expect(reached).To(BeNumerically(">", 3))
	for name, authority := range map[string]string{
		"the cluster's, not its own": string(cluster.Config.CAData), "none": "", "no certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		p.write(filepath.Join(p.order.ServiceAccount, "ca.crt"), authority)
		e := p.run(step.Install)
		g.Expect(e.State).To(Equal(step.Failed), name)
		g.Expect(e.Code).To(Equal("kube::Unreachable"), e.everything())
		g.Expect(e.Message).To(ContainSubstring("its certificate must be of the service account's ca.crt"))
		g.Expect(front.seen()).To(HaveLen(reached), name)
	}
}

// An API server that restarts does not fail a look; one that stays away does.
func TestAnAPIServerThatIsAway(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	n := newTenant(t)
	p := n.installer("")
	var failures atomic.Int32
	front := n.newFront(p, func(w http.ResponseWriter, _ *http.Request) bool {
		if failures.Add(-1) >= 0 {
			status(w, http.StatusServiceUnavailable, "starting")
			return true
		}
		return false
	})
	failures.Store(2)
	g.Expect(p.run(step.Install).State).To(Equal(step.Succeeded))
	failures.Store(100)
	expectFailure(t, p.run(step.Install), "kube::Status503", "the Kubernetes API says: starting")

	front.answer = func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, "https://"+r.Host+"/elsewhere", http.StatusFound)
		return true
	}
	seen := len(front.seen())
	g.Expect(p.run(step.Install).State).To(Equal(step.Failed))
	for _, request := range front.seen()[seen:] {
		g.Expect(request).NotTo(ContainSubstring("elsewhere"), "nobody is followed with the token")
	}
}

// What the helper refuses before it asks for anything to be made.
func TestObjectsThatAreNotAnInstallations(t *testing.T) {
	g := NewWithT(t)
	n := newTenant(t)
	for name, c := range map[string]struct{ object, code, says string }{
		"another name":     {`{apiVersion: v1, kind: ConfigMap, metadata: {name: website}}`, "kube::WrongName", `ConfigMap is named "website"; name it web, or web-…`},
		"a path":           {`{apiVersion: v1, kind: ConfigMap, metadata: {name: "web-/../x"}}`, "kube::WrongName", "after the Installation"},
		"of no namespace":  {`{apiVersion: v1, kind: Namespace, metadata: {name: web}}`, "kube::WrongKind", "Namespace is not of a namespace"},
		"no such kind":     {`{apiVersion: v1, kind: Thing, metadata: {name: web}}`, "kube::WrongKind", "the Kubernetes API has no Thing of v1"},
		"no such group":    {`{apiVersion: example.com/v1, kind: Thing, metadata: {name: web}}`, "kube::WrongKind", "has no Thing of example.com/v1"},
		"no version":       {`{apiVersion: "v1/../..", kind: Thing, metadata: {name: web}}`, "kube::WrongKind", "is no apiVersion"},
		"not of its type":  {`{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: {b: c}}}`, "kube::Status", "the Kubernetes API says: "},
		"a field too many": {`{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, dat: {a: b}}`, "kube::Status", "field not declared in schema"},
	} {
		t.Run(name, func(t *testing.T) {
			n.t = t
			n.apply(filepath.Join(helloDir, "rbac.yaml"))
			module := "use provider/kube\n" + hook("install", "kube apply $ctx "+c.object+"; {message: applied}")
			p := newPodOf(t, map[string]fs.FS{
				"provider:kube:1.0.0": os.DirFS(kubeDir), "taskserv:hello:1.0.0": fstest.MapFS{"mod.nu": {Data: []byte(module)}},
			}, "provider:kube:1.0.0", "taskserv:hello:1.0.0").configured()
			n.mount(p, "hello-installer")
			e := p.run(step.Install)
			NewWithT(t).Expect(e.Code).To(HavePrefix(c.code), e.everything())
			NewWithT(t).Expect(e.Message).To(ContainSubstring(c.says))
		})
	}
	_, err := n.admin.CoreV1().ConfigMaps(n.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "nothing was made")
}

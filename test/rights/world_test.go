// SPDX-License-Identifier: Apache-2.0

package rights_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/step"
	"provisioning.dev/extension-operator/test/env"
	"provisioning.dev/extension-operator/test/manifests"
)

const (
	shippedNamespace = "extension-system"
	// patience is for one thing on a small machine that does much else.
	patience = 60 * time.Second
)

// world is a cluster with everything that is shipped, and with the programs of it run as their own ServiceAccounts.
type world struct {
	*WithT
	t       *testing.T
	cluster *env.Cluster
	admin   client.Client
	manager string
	shelf   string
	// shipped are the containers of the Deployments, by the names of these.
	shipped map[string]corev1.Container
}

func newWorld(t *testing.T) *world {
	w := &world{WithT: NewWithT(t), t: t, shelf: t.TempDir(), shipped: map[string]corev1.Container{}}
	var err error
	w.cluster, err = env.StartAudited()
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { w.Expect(w.cluster.Stop()).To(Succeed()) })
	stop, err := w.cluster.RunControllers(env.JobController, env.GarbageCollector)
	w.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { w.Expect(stop()).To(Succeed()) })
	scheme := runtime.NewScheme()
	w.Expect(errors.Join(clientgoscheme.AddToScheme(scheme), api.AddToScheme(scheme))).To(Succeed())
	w.admin, err = client.New(w.cluster.Config, client.Options{Scheme: scheme})
	w.Expect(err).NotTo(HaveOccurred())
	w.manager, err = env.Build("./cmd/manager")
	w.Expect(err).NotTo(HaveOccurred())
	for _, folder := range []string{"default", "uninstall"} {
		for _, object := range w.kustomized(folder) {
			if object.GetKind() == "Deployment" {
				deployment := &appsv1.Deployment{}
				w.Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, deployment)).To(Succeed())
				w.shipped[deployment.Name] = deployment.Spec.Template.Spec.Containers[0]
			}
			if object.GetKind() != "Job" {
				w.Expect(client.IgnoreAlreadyExists(w.admin.Create(t.Context(), object))).To(Succeed(), object.GetName())
			}
		}
	}
	return w
}

// place is a namespace that somebody uses. What is there is called after it too.
type place struct {
	*world
	namespace string
}

// in makes a namespace the first time.
func (w *world) in(namespace string) place {
	w.t.Helper()
	w.Expect(client.IgnoreAlreadyExists(w.admin.Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
	return place{w, namespace}
}

func (w place) own(name string) string { return name + "-" + w.namespace }

func (w place) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.namespace, Name: w.own(name)}
}

func (w place) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.namespace, Name: w.own(name)}
}

func (w *world) kustomized(folder string) []*unstructured.Unstructured {
	objects, err := manifests.Kustomize(filepath.Join("config", folder))
	w.Expect(err).NotTo(HaveOccurred())
	return objects
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, object := range objects {
		w.Expect(w.admin.Create(w.t.Context(), object)).To(Succeed())
	}
}

// token is one that the API server issues for a ServiceAccount.
func (w *world) token(namespace, name string) string {
	w.t.Helper()
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	w.Expect(w.admin.SubResource("token").Create(w.t.Context(), account, request)).To(Succeed())
	return request.Status.Token
}

// kubeconfig of a shipped ServiceAccount.
func (w *world) kubeconfig(account string) string {
	w.t.Helper()
	config := rest.AnonymousClientConfig(w.cluster.Config)
	config.BearerToken = w.token(shippedNamespace, account)
	path := filepath.Join(w.t.TempDir(), "kubeconfig")
	w.Expect(env.WriteKubeconfig(path, config)).To(Succeed())
	return path
}

// process is one of a shipped Deployment.
type process struct {
	w            *world
	cmd          *exec.Cmd
	api, metrics string
	log          *lockedBuffer
	stopped      bool
}

// lockedBuffer is written by a process and read by the test.
type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.Lock()
	defer b.Unlock()
	return b.String()
}

// run starts the program as a Deployment has it; only where things lie and listen is this machine's.
func (w *world) run(deployment string) *process {
	w.t.Helper()
	nu, err := env.Nushell()
	w.Expect(err).NotTo(HaveOccurred())
	helper, err := env.SandboxHelper()
	w.Expect(err).NotTo(HaveOccurred())
	p := &process{w: w, api: w.free(), metrics: w.free(), log: &lockedBuffer{}}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	w.Expect(err).NotTo(HaveOccurred())
	args := append(append([]string{}, w.shipped[deployment].Args...),
		"--kubeconfig="+w.kubeconfig(deployment), "--leader-election-namespace="+shippedNamespace, "--library=own="+w.shelf, "--library="+filepath.Join(root, "extensions"),
		"--library-interval=1s", "--nushell-path="+nu, "--provisioning-path="+filepath.Join(root, "nushell"), "--sandbox-path="+helper, "--data-dir="+w.t.TempDir(),
		"--metrics-bind-address="+p.metrics, "--health-probe-bind-address=0", "--api-bind-address="+p.api)
	p.cmd, err = env.Command(w.manager, args...)
	w.Expect(err).NotTo(HaveOccurred())
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Env = p.log, p.log, os.Environ()
	for _, variable := range w.shipped[deployment].Env {
		p.cmd.Env = append(p.cmd.Env, variable.Name+"="+variable.Value)
	}
	w.Expect(p.cmd.Start()).To(Succeed())
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("%s:\n%s", deployment, p.log.text())
		}
		p.stop()
	})
	return p
}

// kill ends it as nothing else can, so that it gives nothing back.
func (p *process) kill() {
	p.stopped = true
	p.w.Expect(syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)).To(Succeed()) // its group: where there is a tether, that too
	_ = p.cmd.Wait()                                                            // says that it was killed
}

// stop ends it in order.
func (p *process) stop() {
	if !p.stopped {
		p.stopped = true
		p.w.Expect(p.cmd.Process.Signal(os.Interrupt)).To(Succeed())
		p.w.Expect(p.cmd.Wait()).To(Succeed(), func() string { return p.log.text() })
	}
}

func (w *world) free() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { w.Expect(listener.Close()).To(Succeed()) }()
	return listener.Addr().String()
}

// call asks with a token until the answer has the status code.
func (w *world) call(method, url, token, body string, code int) {
	w.t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	asker := &http.Client{Transport: transport, Timeout: patience}
	w.Eventually(func() (string, error) {
		request, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		request.Header.Set("Content-Type", "application/json")
		response, err := asker.Do(request)
		if err != nil {
			return "", err
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		return fmt.Sprintf("%d %s", response.StatusCode, text[:min(len(text), 300)]), err
	}, patience, "200ms").Should(HavePrefix(strconv.Itoa(code)), url)
}

// publish puts a version into the library, at once.
func (w *world) publish(name, version, module string) {
	w.t.Helper()
	aside := w.t.TempDir()
	manifest := fmt.Sprintf("manifest = 1\nname = %q\ntype = \"taskserv\"\nversion = %q\ndescription = \"for a test\"\n", name, version)
	w.Expect(os.WriteFile(filepath.Join(aside, "manifest.toml"), []byte(manifest), 0o644)).To(Succeed())
	w.Expect(os.WriteFile(filepath.Join(aside, "mod.nu"), []byte(module), 0o644)).To(Succeed())
	folder := filepath.Join(w.shelf, "taskservs", name)
	w.Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	w.Expect(os.RemoveAll(filepath.Join(folder, version))).To(Succeed())
	w.Expect(os.Rename(aside, filepath.Join(folder, version))).To(Succeed())
}

// extension makes one that is called like what it asks for.
func (w place) extension(name string) {
	w.t.Helper()
	w.create(&api.Extension{ObjectMeta: w.named(name), Spec: api.ExtensionSpec{Type: api.TaskservType, Name: name}})
}

func (w place) installation(name, extension string, change ...func(*api.Installation)) {
	w.t.Helper()
	inst := &api.Installation{
		ObjectMeta: w.named(name),
		Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: w.own(extension)}, ServiceAccountName: w.own("hooks")},
	}
	for _, c := range change {
		c(inst)
	}
	w.create(inst)
}

// becomes waits for the reason of Ready.
func (w place) becomes(object client.Object, name, reason string) {
	w.t.Helper()
	w.Eventually(func() (string, error) {
		if err := w.admin.Get(w.t.Context(), w.key(name), object); err != nil {
			return "", err
		}
		var conditions []metav1.Condition
		switch o := object.(type) {
		case *api.Extension:
			conditions = o.Status.Conditions
		case *api.Installation:
			conditions = o.Status.Conditions
		}
		ready := meta.FindStatusCondition(conditions, api.ReadyCondition)
		if ready == nil {
			return "", nil
		}
		return ready.Reason + ": " + ready.Message, nil
	}, patience, "50ms").Should(HavePrefix(reason+":"), name)
}

func (w place) isGone(object client.Object, name string) {
	w.t.Helper()
	w.Eventually(func() error {
		err := w.admin.Get(w.t.Context(), w.key(name), object)
		if err == nil {
			return errors.New("it is there")
		}
		return client.IgnoreNotFound(err)
	}, patience, "50ms").Should(Succeed(), name)
}

// of selects what belongs to an Installation.
func (w place) of(installation string) client.MatchingLabels {
	return client.MatchingLabels{"extensions.provisioning.dev/installation": w.own(installation)}
}

// pod waits for one of an Installation that has not ended, and returns it with its Job's name.
func (w place) pod(installation string) *corev1.Pod {
	w.t.Helper()
	var pod *corev1.Pod
	w.Eventually(func() *corev1.Pod {
		list := &corev1.PodList{}
		w.Expect(w.admin.List(w.t.Context(), list, client.InNamespace(w.namespace), w.of(installation))).To(Succeed())
		pod = nil
		for i := range list.Items {
			if list.Items[i].Status.Phase == corev1.PodPending {
				pod = &list.Items[i]
			}
		}
		return pod
	}, patience, "50ms").ShouldNot(BeNil(), func() string {
		inst := &api.Installation{}
		_ = w.admin.Get(w.t.Context(), w.key(installation), inst)
		return fmt.Sprintf("%s: %+v", installation, inst.Status)
	})
	return pod
}

// ends has every container of a pod end well, as a kubelet tells it.
func (w *world) ends(pod *corev1.Pod) {
	w.t.Helper()
	ended := func(containers []corev1.Container) []corev1.ContainerStatus {
		var all []corev1.ContainerStatus
		for _, c := range containers {
			report := step.NewReport(step.Step(c.Name), "", "done")
			if report.Step == step.Configure {
				report.ConfigDigest = extension.Digest("sha256:" + strings.Repeat("0a", 32))
			}
			now := metav1.Now()
			all = append(all, corev1.ContainerStatus{Name: c.Name, Image: c.Image, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Message: string(report.Encode()), StartedAt: now, FinishedAt: now},
			}})
		}
		return all
	}
	pod.Status.Phase = corev1.PodSucceeded
	pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = ended(pod.Spec.InitContainers), ended(pod.Spec.Containers)
	w.Expect(w.admin.Status().Update(w.t.Context(), pod)).To(Succeed())
}

// loses deletes the Job of an Installation as somebody does who is allowed to, and does not wait for the operator.
func (w place) loses(installation string) {
	w.t.Helper()
	jobs := &batchv1.JobList{}
	w.Expect(w.admin.List(context.Background(), jobs, client.InNamespace(w.namespace), w.of(installation))).To(Succeed())
	for i := range jobs.Items {
		w.Expect(w.admin.Patch(context.Background(), &jobs.Items[i], finalizers("null"))).To(Succeed())
		w.Expect(w.admin.Delete(context.Background(), &jobs.Items[i], client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	}
}

// holdJob puts the operator's finalizer on the Job of an Installation again.
func (w place) holdJob(installation string) {
	w.t.Helper()
	jobs := &batchv1.JobList{}
	w.Expect(w.admin.List(context.Background(), jobs, client.InNamespace(w.namespace), w.of(installation))).To(Succeed())
	w.Expect(jobs.Items).To(HaveLen(1))
	w.Expect(w.admin.Patch(context.Background(), &jobs.Items[0], finalizers(`["extensions.provisioning.dev/outcome"]`))).To(Succeed())
}

// finalizers sets them, whatever they were.
func finalizers(to string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":`+to+`}}`))
}

// fitsNowhere is what a scheduler says of a pod.
func (w *world) fitsNowhere(pod *corev1.Pod) {
	w.t.Helper()
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/1 nodes are available", LastTransitionTime: metav1.Now(),
	}}
	w.Expect(w.admin.Status().Update(w.t.Context(), pod)).To(Succeed())
}

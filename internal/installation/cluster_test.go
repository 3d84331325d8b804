// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/test/env"
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	code := m.Run()
	if stopCluster != nil {
		if err := stopCluster(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var stopCluster func() error

// controlPlane is one with the controllers of Jobs, started for the first test that needs it.
type controlPlane struct {
	// admin may do everything; operator what the shipped role says.
	admin    client.Client
	operator *rest.Config
	// root is how admin reaches it.
	root *rest.Config
}

var theCluster = sync.OnceValues(func() (*controlPlane, error) {
	cluster, err := env.Start()
	if err != nil {
		return nil, err
	}
	stopCluster = cluster.Stop
	stop, err := cluster.RunControllers(env.JobController, env.GarbageCollector, env.TTLController, env.PodGarbageCollector)
	if err != nil {
		return nil, err
	}
	stopCluster = func() error { return errors.Join(stop(), cluster.Stop()) }
	admin, err := client.New(cluster.Config, client.Options{Scheme: testScheme()})
	if err != nil {
		return nil, err
	}
	operator, err := cluster.AddUser("installer")
	if err != nil {
		return nil, err
	}
	operator.QPS = -1
	return &controlPlane{admin: admin, operator: operator, root: cluster.Config}, grantInstaller(admin)
})

func testScheme() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), api.AddToScheme(s)); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return s
}

// grantInstaller gives the user installer the shipped role.
func grantInstaller(admin client.Client) error {
	text, err := os.ReadFile("../../config/rbac/installer_role.yaml")
	if err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		return err
	}
	// Informers answer these where it is shipped; here nothing is cached.
	role.Rules = append(role.Rules,
		rbacv1.PolicyRule{APIGroups: []string{api.GroupVersion.Group}, Resources: []string{"extensions"}, Verbs: []string{"get"}},
		rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}})
	return errors.Join(admin.Create(context.Background(), role), admin.Create(context.Background(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "installer"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	}))
}

// shelf is what the Extension of a world has loaded; a test may put another there.
type shelf struct {
	atomic.Pointer[installation.Offered]
}

func (s *shelf) Offered(context.Context, *api.Extension) (installation.Offered, error) {
	return *s.Load(), nil
}

// twoParts packs every plan into two.
type twoParts struct{}

func (twoParts) Pack(_ context.Context, members []extension.Member) ([][]byte, error) {
	return [][]byte{[]byte(members[0].Key.String()), {1, 2, 3}}, nil
}

// world is one namespace with an Extension that is Ready, and the reconciler by hand: each
// look is a call, so that a test decides what comes between.
type world struct {
	g         Gomega
	admin     client.Client
	namespace string
	shelf     *shelf
	client    client.WithWatch
	// writes counts those of the reconciler; kill, where it is set, is asked before each
	// and told after it, and ends the process by an error.
	writes int
	kill   func(write int, done bool) bool
	// jobs counts the Jobs that were made, by name.
	jobs map[string]int
	// events are what people are told.
	events chan string
	// told is what observers are told.
	told *told
	// ahead is how much later it is for the reconciler.
	ahead time.Duration
	r     *installation.Reconciler
	mu    sync.Mutex
}

// told are the records of an observer.
type told struct {
	sync.Mutex
	ran  []extension.AttemptRecord
	left []extension.LeftRecord
}

func (o *told) Ran(record extension.AttemptRecord) {
	o.Lock()
	defer o.Unlock()
	o.ran = append(o.ran, record)
}

func (o *told) LeftBehind(record extension.LeftRecord) {
	o.Lock()
	defer o.Unlock()
	o.left = append(o.left, record)
}

var errKilled = errors.New("the manager was killed")

func newWorld(g Gomega) *world {
	cluster, err := theCluster()
	g.Expect(err).NotTo(HaveOccurred())
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "installations-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	g.Expect(cluster.admin.Create(context.Background(), ns)).To(Succeed())
	plain, err := client.NewWithWatch(cluster.operator, client.Options{Scheme: testScheme()})
	g.Expect(err).NotTo(HaveOccurred())
	w := &world{g: g, admin: cluster.admin, namespace: ns.Name, shelf: &shelf{}, jobs: map[string]int{}, events: make(chan string, 1000), told: &told{}}
	w.client = w.killable(plain)
	w.offer("16.4.0", "a")
	ext := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "postgresql"},
		Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: "postgresql"},
	}
	g.Expect(w.admin.Create(context.Background(), ext)).To(Succeed())
	ext.Status.Conditions = []metav1.Condition{{
		Type: api.ReadyCondition, Status: metav1.ConditionTrue, Reason: api.LoadedReason, Message: "loaded",
		ObservedGeneration: ext.Generation, LastTransitionTime: metav1.Now(),
	}}
	g.Expect(w.admin.Status().Update(context.Background(), ext)).To(Succeed())
	w.restart()
	return w
}

// offer puts a version on the shelf.
func (w *world) offer(version, hex string) {
	w.shelf.Store(&installation.Offered{Members: members(version, hex), Hooks: []string{"configure", "install", "verify"}})
}

// restart is another process: it knows nothing of the one before.
func (w *world) restart() { w.r = w.reconciler(w.client) }

// reconciler reads its informers' view from seen.
func (w *world) reconciler(seen client.Client) *installation.Reconciler {
	return installation.New(installation.Settings{
		Client: seen, Live: w.client, Recorder: &events.FakeRecorder{Events: w.events}, Observer: w.told, Extensions: w.shelf, Payloads: twoParts{},
		Image: image, Job: options, Limits: installation.Limits{Total: 1000, PerNamespace: 2},
		Now: func() time.Time { return time.Now().Add(w.ahead) },
	})
}

// write carries out one write of the reconciler, or ends the process before or after it.
func (w *world) write(send func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	if w.kill != nil && w.kill(w.writes, false) {
		return errKilled
	}
	err := send()
	if w.kill != nil && w.kill(w.writes, true) {
		return errKilled
	}
	return err
}

func (w *world) killable(plain client.WithWatch) client.WithWatch {
	return interceptor.NewClient(plain, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return w.write(func() error {
				err := c.Create(ctx, obj, opts...)
				if job, is := obj.(*batchv1.Job); is && err == nil {
					w.jobs[job.Name]++
				}
				return err
			})
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			return w.write(func() error { return c.Patch(ctx, obj, patch, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			return w.write(func() error { return c.Delete(ctx, obj, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			return w.write(func() error { return c.SubResource(sub).Patch(ctx, obj, patch, opts...) })
		},
	})
}

// install creates an Installation.
func (w *world) install(change ...func(*api.Installation)) {
	inst := newInstallation(change...)
	inst.Namespace, inst.UID, inst.Generation = w.namespace, "", 0
	inst.Spec.ServiceAccountName = ""
	inst.Status = api.InstallationStatus{}
	w.g.Expect(w.admin.Create(context.Background(), inst)).To(Succeed())
}

func (w *world) get() *api.Installation {
	inst := &api.Installation{}
	w.g.Expect(w.admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: "db"}, inst)).To(Succeed())
	return inst
}

func (w *world) change(edit func(*api.Installation)) {
	inst := w.get()
	base := inst.DeepCopy()
	edit(inst)
	w.g.Expect(w.admin.Patch(context.Background(), inst, client.MergeFrom(base))).To(Succeed())
}

// look reconciles once; a process that is killed is followed by another.
func (w *world) look() {
	_, err := w.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: w.namespace, Name: "db"}})
	if errors.Is(err, errKilled) {
		w.restart()
		return
	}
	if !apierrors.IsConflict(err) {
		w.g.Expect(err).NotTo(HaveOccurred())
	}
}

// until looks, and has the pods play their parts, until it is as wanted.
func (w *world) until(wanted func() bool) { w.untilWith(w.playPods, wanted) }

// untilWith has the pods play something else.
func (w *world) untilWith(play func(), wanted func() bool) {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		w.look()
		play()
		if wanted() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	inst := &api.Installation{}
	err := w.admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: "db"}, inst)
	w.g.Expect(true).To(BeFalse(), "never came to be as wanted: %v %s %+v", err, inst.Status.Step, inst.Status.Conditions)
}

// playPods has every pod that is there end well at once, as a kubelet would say it.
func (w *world) playPods() {
	pods := &corev1.PodList{}
	w.g.Expect(w.admin.List(context.Background(), pods, client.InNamespace(w.namespace))).To(Succeed())
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Status.Phase == corev1.PodPending {
			w.play(pod, corev1.PodSucceeded, map[string]corev1.ContainerState{
				"configure": terminated(0, configured), "install": terminated(0, says("install", "Succeeded", nil)),
				"verify": terminated(0, says("verify", "Succeeded", nil)), "uninstall": terminated(0, says("uninstall", "Succeeded", nil)),
			})
		}
	}
}

// playFailure has every pod that is there fail in install.
func (w *world) playFailure() {
	pods := &corev1.PodList{}
	w.g.Expect(w.admin.List(context.Background(), pods, client.InNamespace(w.namespace))).To(Succeed())
	for i := range pods.Items {
		if pods.Items[i].Status.Phase == corev1.PodPending {
			w.play(&pods.Items[i], corev1.PodFailed, map[string]corev1.ContainerState{
				"configure": terminated(0, configured), "install": terminated(1, says("install", "Failed", map[string]any{"message": "no storage class"})),
				"verify": waiting("PodInitializing", ""),
			})
		}
	}
}

// play writes what a kubelet would of a pod.
func (w *world) play(pod *corev1.Pod, phase corev1.PodPhase, states map[string]corev1.ContainerState) {
	pod.Status.Phase, pod.Status.StartTime = phase, ptr.To(metav1.Now())
	pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = nil, nil
	for _, c := range pod.Spec.InitContainers {
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image, State: states[c.Name]})
	}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, Image: c.Image, State: states[c.Name]})
	}
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()})
	w.g.Expect(client.IgnoreNotFound(w.admin.Status().Update(context.Background(), pod))).To(Succeed())
}

// pods of the world, by the name of their Job.
func (w *world) pods() map[string]int {
	pods := &corev1.PodList{}
	w.g.Expect(w.admin.List(context.Background(), pods, client.InNamespace(w.namespace))).To(Succeed())
	count := map[string]int{}
	for _, p := range pods.Items {
		count[p.Labels["batch.kubernetes.io/job-name"]]++
	}
	return count
}

func (w *world) ready() bool { return readyIs(w.get(), metav1.ConditionTrue, api.InstalledReason) }

func (w *world) gone() bool {
	return apierrors.IsNotFound(w.admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: "db"}, &api.Installation{}))
}

func readyIs(inst *api.Installation, is metav1.ConditionStatus, reason string) bool {
	ready := condition(inst, api.ReadyCondition)
	return ready != nil && ready.Status == is && ready.Reason == reason && inst.Status.ObservedGeneration == inst.Generation
}

func (w *world) delete() {
	w.g.Expect(w.admin.Delete(context.Background(), w.get(), client.PropagationPolicy(metav1.DeletePropagationForeground))).To(Succeed())
}

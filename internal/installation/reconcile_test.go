// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

// life goes from the creation to the end of an Installation that is uninstalled, and
// counts what it is made of.
func (w *world) life() {
	w.install(uninstalls)
	w.until(w.ready)
	pods := w.pods()
	w.g.Expect(pods).To(HaveLen(1))
	for _, n := range pods {
		w.g.Expect(n).To(Equal(1), "one pod of the Job")
	}
	inst := w.get()
	w.g.Expect(inst.Status.Attempt.Number).To(BeEquivalentTo(1))
	w.g.Expect(inst.Finalizers).To(ContainElement(installation.UninstallFinalizer))
	w.delete()
	w.until(w.gone)
	w.g.Expect(w.jobs).To(HaveLen(2), "one to apply and one to uninstall")
	for name, n := range w.jobs {
		w.g.Expect(n).To(Equal(1), "%s was made once", name)
	}
}

// Each attempt is recorded as it ends.
func TestAttemptsAreToldToObservers(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.life()
	w.g.Expect(w.told.ran).To(HaveLen(2))
	for i, purpose := range []string{api.ApplyPurpose, api.UninstallPurpose} {
		record := w.told.ran[i]
		w.g.Expect([]string{record.Namespace, record.Name, record.Purpose, record.Outcome, record.Version}).To(
			Equal([]string{w.namespace, "db", purpose, api.StepSucceeded, "16.4.0"}))
		w.g.Expect(record.Number).To(BeEquivalentTo(i + 1))
		w.g.Expect(record.Ended).To(BeTemporally(">", record.Began))
		w.g.Expect(w.jobs).To(HaveKey(record.Job))
	}
	w.g.Expect(w.told.left).To(BeEmpty())
}

// A payload that was made before is taken as it is, also where it would be packed in other
// bytes now; one that is not whole is made whole.
func TestAPayloadThatIsThereIsTaken(t *testing.T) {
	for name, parts := range map[string]int{"whole": 2, "cut off": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(NewWithT(t))
			w.install(func(i *api.Installation) { i.Spec.Suspend = true })
			bytes := [][]byte{{9}, {1, 2, 3}} // the second as this operator packs it
			made := installation.PayloadConfigMaps(w.get(), members("16.4.0", "a"), bytes)
			for i := range parts { // the first comes last
				w.g.Expect(w.admin.Create(t.Context(), made[len(made)-1-i])).To(Succeed())
			}
			w.change(func(i *api.Installation) { i.Spec.Suspend = false })
			w.until(w.ready)
			first := &corev1.ConfigMap{}
			w.g.Expect(w.admin.Get(t.Context(), client.ObjectKeyFromObject(made[0]), first)).To(Succeed())
			w.g.Expect(first.BinaryData["part"]).To(Equal(map[string][]byte{"whole": {9}, "cut off": []byte("taskserv:containerd:1.7.0")}[name]))
		})
	}
}

func TestALife(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.life()
	g.Expect(w.jobsWithFinalizer()).To(BeEmpty())
	t.Logf("%d writes", w.writes)
	uninstall := &batchv1.JobList{}
	g.Expect(w.admin.List(t.Context(), uninstall, client.InNamespace(w.namespace), client.MatchingLabels{installation.PurposeLabel: api.UninstallPurpose})).To(Succeed())
	g.Expect(uninstall.Items).To(HaveLen(1), "its log can be read")
	g.Expect(uninstall.Items[0].Status.Succeeded).To(BeEquivalentTo(1))
	g.Expect(uninstall.Items[0].Spec.TTLSecondsAfterFinished).NotTo(BeNil())
}

// jobsWithFinalizer are those that nobody could delete.
func (w *world) jobsWithFinalizer() []string {
	jobs := &batchv1.JobList{}
	w.g.Expect(w.admin.List(context.Background(), jobs, client.InNamespace(w.namespace))).To(Succeed())
	var names []string
	for i := range jobs.Items {
		if len(jobs.Items[i].Finalizers) > 0 && jobs.Items[i].Finalizers[0] == installation.JobFinalizer {
			names = append(names, jobs.Items[i].Name)
		}
	}
	return names
}

// The manager is killed before and after each write of a whole life, once each: every
// life ends, with one Job for each attempt and one pod for each Job.
// longLife goes by a plan and its approval, a failure, a retry, a cleaning of what an older
// attempt has left, and a policy that changes twice.
func (w *world) longLife() {
	w.install(planMode)
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.AwaitingApprovalReason) })
	w.change(approved)
	w.untilWith(w.playFailure, func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.InstallFailedReason) })
	w.change(uninstalls)
	w.until(func() bool { return len(w.get().Finalizers) == 1 })
	w.change(func(i *api.Installation) { i.Spec.DeletionPolicy = api.OrphanOnDeletion })
	w.until(func() bool { return len(w.get().Finalizers) == 0 })
	w.ahead = 2 * time.Hour // nothing is too young to be cleaned up
	w.change(func(i *api.Installation) {
		otherValues(i)
		i.Spec.Mode = api.ApplyMode
		i.Spec.ApprovedPlan = ""
		uninstalls(i)
	})
	w.until(w.ready)
	w.letGo()
	w.ahead = 0
	numbers := w.get().Status.Attempt.Number
	w.g.Expect(numbers).To(BeEquivalentTo(3), "plan, failure, success")
	w.delete()
	w.until(w.gone)
	w.g.Expect(w.jobs).To(HaveLen(4), "one for each attempt")
	for name, n := range w.jobs {
		w.g.Expect(n).To(Equal(1), "%s was made once", name)
	}
	w.g.Expect(w.told.left).To(BeEmpty())
	w.until(func() bool { return len(w.kept()) == 0 })
}

// Whenever the process ends, before or after a write, each attempt has one Job, and each Job
// one pod. A life is killed once, a long one at every seventh write.
func TestTheWalkOfKills(t *testing.T) {
	for name, c := range map[string]struct {
		life   func(*world)
		stride int
	}{"a life": {(*world).life, 0}, "a long life": {(*world).longLife, 7}} {
		whole := newWorld(NewWithT(t))
		c.life(whole)
		whole.g.Expect(whole.writes).To(BeNumerically(">=", 15))
		first := whole.writes
		if c.stride > 0 {
			first = c.stride
		}
		for write := 1; write <= first; write++ {
			for _, done := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, write %d, done %t", name, write, done), func(t *testing.T) {
					t.Parallel()
					w := newWorld(NewWithT(t))
					kills := 0
					w.kill = func(n int, after bool) bool {
						strike := after == done && (n == write && kills == 0 || c.stride > 0 && n%c.stride == write%c.stride)
						if strike {
							kills++
						}
						return strike
					}
					c.life(w)
					// A life whose transitions are seen together has fewer writes.
					w.g.Expect(kills > 0 || w.writes < write).To(BeTrue())
					w.g.Expect(w.jobsWithFinalizer()).To(BeEmpty())
				})
			}
		}
	}
}

func TestAnApprovedPlanIsInstalledAsItWasMade(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install(func(i *api.Installation) { i.Spec.Mode = api.PlanMode })
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.AwaitingApprovalReason) })
	g.Expect(w.get().Status.Installed).To(BeNil())
	w.offer("17.2.0", "b")
	w.change(approved)
	w.until(w.ready)
	g.Expect(w.get().Status.Installed.Version).To(Equal("16.4.0"))
	g.Expect(w.jobs).To(HaveLen(2))
}

func TestAnApprovedPlanWhoseBytesAreGoneNeedsARetry(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install(func(i *api.Installation) { i.Spec.Mode = api.PlanMode })
	planned := func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.AwaitingApprovalReason) }
	w.until(planned)
	w.removePayload()
	w.change(approved)
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.PayloadRefusedReason) })
	g.Expect(condition(w.get(), api.StalledCondition)).NotTo(BeNil())
	w.change(retry)
	w.until(w.ready) // the Extension still has them, so it is the plan that was approved
	g.Expect(w.jobs).To(HaveLen(2))
}

func TestAnUpgradeWaitsForARetry(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	w.until(w.ready)
	w.offer("17.2.0", "b")
	w.until(func() bool { return condition(w.get(), api.UpgradeAvailableCondition) != nil })
	for range 5 {
		w.look()
	}
	g.Expect(w.jobs).To(HaveLen(1), "a changed library makes no Job")
	w.change(retry)
	w.until(func() bool { return w.ready() && w.get().Status.Installed.Version == "17.2.0" })
	inst := w.get()
	g.Expect(inst.Status.LastHandledRetryAt).To(Equal("token-1"))
	g.Expect(condition(inst, api.UpgradeAvailableCondition)).To(BeNil())
	g.Expect(inst.Status.History).To(HaveLen(2))
	g.Expect(w.jobs).To(HaveLen(2))
}

// A Job that is deleted by hand, its finalizer taken off by force, is never made again.
func TestAJobThatIsGoneIsNotMadeAgain(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	for len(w.jobs) == 0 {
		w.look()
	}
	inst := w.get()
	key := client.ObjectKey{Namespace: w.namespace, Name: inst.Status.Steps[2].Job}
	job := &batchv1.Job{}
	g.Expect(w.admin.Get(t.Context(), key, job)).To(Succeed())
	g.Expect(string(job.UID)).To(Equal(inst.Status.Steps[2].JobUID))
	g.Expect(*job.Spec.Suspend).To(BeTrue(), "it is not resumed before its uid is in the status")
	job.Finalizers = nil
	g.Expect(w.admin.Update(t.Context(), job)).To(Succeed())
	g.Expect(w.admin.Delete(t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.OutcomeUnknownReason) })
	for range 5 {
		w.look()
	}
	g.Expect(w.jobs).To(HaveLen(1))
	w.change(retry)
	w.until(w.ready)
	g.Expect(w.jobs).To(HaveLen(2))
	g.Expect(w.get().Status.Attempt.Number).To(BeEquivalentTo(2))
}

// Two managers that both believe to lead look at the same object all the time.
func TestTwoLeadersRunNothingTwice(t *testing.T) {
	for n := range 4 {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(NewWithT(t))
			rival, request := w.reconciler(w.client), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: w.namespace, Name: "db"}}
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for ctx.Err() == nil {
					_, _ = rival.Reconcile(ctx, request) // the other was faster, or the context is over
				}
			}()
			w.life()
			cancel()
			<-ended
		})
	}
}

// frozen shows an Installation as it was, as a cache does that has not caught up.
type frozen struct {
	client.Client
	as *api.Installation
}

func (f frozen) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if inst, is := into.(*api.Installation); is {
		f.as.DeepCopyInto(inst)
		return nil
	}
	return f.Client.Get(ctx, key, into, opts...)
}

func TestAnOldViewRunsNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	before := w.get()
	for len(w.jobs) == 0 {
		w.look()
	}
	// It decides what was decided already, and with what the Extension has had since.
	stale := w.reconciler(frozen{w.client, before})
	request := ctrl.Request{NamespacedName: client.ObjectKeyFromObject(before)}
	for _, hex := range []string{"a", "b"} {
		w.offer("16.4.0", hex)
		result, err := stale.Reconcile(t.Context(), request)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.RequeueAfter).NotTo(BeZero(), "it looks again, soon")
	}
	g.Expect(w.jobs).To(HaveLen(2), "one of them suspended for ever")
	w.until(w.ready)
	g.Expect(w.get().Status.Attempt.Number).To(BeEquivalentTo(1))
	g.Expect(w.pods()).To(HaveLen(1))
	w.until(func() bool { return w.jobsThere() == 1 })
}

// jobsThere is how many Jobs the world has.
func (w *world) jobsThere() int {
	jobs := &batchv1.JobList{}
	w.g.Expect(w.admin.List(context.Background(), jobs, client.InNamespace(w.namespace))).To(Succeed())
	return len(jobs.Items)
}

func TestAFailureStaysUntilSomebodyActs(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	failed := func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.InstallFailedReason) }
	w.untilWith(w.playFailure, failed)
	inst := w.get()
	g.Expect(condition(inst, api.ReadyCondition).Message).To(ContainSubstring("Install failed with exit code 1: no storage class"))
	for range 5 {
		w.look()
	}
	g.Expect(w.jobs).To(HaveLen(1))
	w.change(otherValues)
	w.until(w.ready)
	g.Expect(w.jobs).To(HaveLen(2))
	var told []string
	for len(w.events) > 0 {
		told = append(told, <-w.events)
	}
	g.Expect(told).To(ContainElement(ContainSubstring("Warning InstallFailed attempt 1: Install failed")))
	g.Expect(told).To(ContainElement(ContainSubstring("Normal Installed postgresql 16.4.0 is installed and verified")))
}

func TestADeletionThatOrphansWaitsForNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	running := func() bool { return len(w.pods()) == 1 }
	w.untilWith(func() {}, running)
	w.delete()
	w.untilWith(func() {}, func() bool { return w.gone() && w.jobsThere() == 0 })
}

func TestWhatCannotBeUninstalledIsLeftAndTold(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(w *world)
		want  string
	}{
		"the payload is gone": {func(w *world) { w.removePayload() }, "because its payload is gone or damaged (read the payload: configmaps"},
		"the payload is another": {func(w *world) {
			other := w.removePayload()
			other.Data["members"] += "\ntaskserv:evil:1.0.0@" + string(digest("e"))
			w.g.Expect(w.admin.Create(context.Background(), other)).To(Succeed())
		}, "because its payload is gone or damaged (the ConfigMap"},
		"the account is gone": {func(w *world) {
			w.change(func(i *api.Installation) { i.Spec.ServiceAccountName = "gone" })
		}, "because its ServiceAccount gone is gone"},
		"the namespace goes": {func(w *world) {
			w.g.Expect(w.admin.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}})).To(Succeed())
		}, "because its namespace is being deleted"},
		"the Job is refused": {func(w *world) {
			w.refuseJobs()
			w.g.Eventually(func() error {
				return w.admin.Create(context.Background(), &batchv1.Job{
					ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, GenerateName: "other-"}, Spec: *w.anyJob().Spec.DeepCopy(),
				}, client.DryRunAll)
			}, 10*time.Second).Should(MatchError(ContainSubstring("exceeded quota")))
		}, "because the API server refuses the Job: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(NewWithT(t))
			w.install(uninstalls)
			w.until(w.ready)
			jobs := len(w.jobs)
			c.spoil(w)
			w.delete()
			w.until(w.gone)
			w.g.Expect(w.jobs).To(HaveLen(jobs), "nothing is run any more")
			var told []string
			for len(w.events) > 0 {
				told = append(told, <-w.events)
			}
			w.g.Expect(told).To(ContainElement(ContainSubstring("Warning LeftBehind what postgresql 16.4.0 installed is left behind, " + c.want)))
			w.g.Expect(w.told.left).NotTo(BeEmpty())
			w.g.Expect(w.told.left[0].Left).To(ContainSubstring(c.want))
		})
	}
}

// refuseJobs has the API server take no more Jobs in the namespace.
func (w *world) refuseJobs() {
	none := corev1.ResourceList{"count/jobs.batch": resource.MustParse("0")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "no-jobs"}, Spec: corev1.ResourceQuotaSpec{Hard: none}}
	w.g.Expect(w.admin.Create(context.Background(), quota)).To(Succeed())
	quota.Status = corev1.ResourceQuotaStatus{Hard: none, Used: none} // as the quota controller says it
	w.g.Expect(w.admin.Status().Update(context.Background(), quota)).To(Succeed())
}

// anyJob is like one of the operator's.
func (w *world) anyJob() *batchv1.Job {
	inst := w.get()
	return installation.Job(inst, planOf(w.g, inst, api.UninstallPurpose), options)
}

// removePayload deletes the first part by force, and returns what it was.
func (w *world) removePayload() *corev1.ConfigMap {
	inst := w.get()
	key := client.ObjectKey{Namespace: w.namespace, Name: installation.PayloadName(inst, extension.Digest(inst.Status.Plan.ContentDigest), 0)}
	payload := &corev1.ConfigMap{}
	w.g.Expect(w.admin.Get(context.Background(), key, payload)).To(Succeed())
	was := payload.DeepCopy()
	was.UID, was.ResourceVersion = "", ""
	w.g.Expect(w.admin.Patch(context.Background(), payload, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
	w.g.Expect(client.IgnoreNotFound(w.admin.Delete(context.Background(), payload))).To(Succeed()) // a deletion may have waited for the finalizer
	return was
}

// The finalizer follows deletionPolicy, on the payload too.
func TestTheFinalizerFollowsThePolicy(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install()
	w.until(w.ready)
	held := func(want int) func() bool {
		return func() bool {
			kept := &corev1.ConfigMapList{}
			g.Expect(w.admin.List(t.Context(), kept, client.InNamespace(w.namespace), client.HasLabels{installation.UIDLabel})).To(Succeed())
			count := len(w.get().Finalizers)
			for _, m := range kept.Items {
				count += len(m.Finalizers)
			}
			return count == want
		}
	}
	g.Expect(held(0)()).To(BeTrue())
	w.change(uninstalls)
	w.until(held(4)) // the object, its values, the two parts
	w.change(func(i *api.Installation) { i.Spec.DeletionPolicy = api.OrphanOnDeletion })
	w.until(held(0))
	g.Expect(w.jobs).To(HaveLen(1))
}

func TestAPayloadThatWasSwappedIsNotRun(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	w.install(func(i *api.Installation) { i.Spec.Suspend = true })
	inst := w.get()
	swapped := installation.PayloadConfigMaps(inst, members("16.4.0", "a"), [][]byte{{9}, {9}})
	g.Expect(w.admin.Create(t.Context(), swapped[1])).To(Succeed())
	w.change(func(i *api.Installation) { i.Spec.Suspend = false })
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.CreateRefusedReason) })
	g.Expect(condition(w.get(), api.ReadyCondition).Message).To(ContainSubstring("not what Installation db put there; delete it"))
	g.Expect(w.jobs).To(BeEmpty())
	g.Expect(w.admin.Delete(t.Context(), swapped[1])).To(Succeed())
	w.until(w.ready)
}

func TestADependencyComesFirst(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	offered := w.shelf.Load()
	offered.Needs = []extension.Demand{{By: offered.Members[1].Key, Dependency: extension.Dependency{Type: extension.Taskserv, Name: "containerd", Constraint: "^1.7"}}}
	w.install()
	waits := func(message string) func() bool {
		return func() bool {
			inst := w.get()
			return readyIs(inst, metav1.ConditionFalse, api.DependencyNotReadyReason) && strings.Contains(condition(inst, api.ReadyCondition).Message, message)
		}
	}
	w.until(waits("containerd@^1.7 has no Installation in the namespace; create one"))
	on := newInstallation()
	on.Namespace, on.Name, on.UID, on.Generation = w.namespace, "runtime", "", 0
	on.Spec.ExtensionRef.Name = "containerd"
	g.Expect(w.admin.Create(t.Context(), &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "containerd"}, Spec: api.ExtensionSpec{Type: api.TaskservType, Name: "containerd"},
	})).To(Succeed())
	g.Expect(w.admin.Create(t.Context(), on)).To(Succeed())
	w.until(waits("Installation runtime is not Ready"))
	w.pretend(on, "1.6.0")
	w.until(waits("Installation runtime has version 1.6.0, which does not fit"))
	g.Expect(w.jobs).To(BeEmpty())
	w.pretend(on, "1.7.3")
	w.until(w.ready)
}

// pretend writes into the status of another Installation that it is installed.
func (w *world) pretend(inst *api.Installation, version string) {
	w.g.Expect(w.admin.Get(context.Background(), client.ObjectKeyFromObject(inst), inst)).To(Succeed())
	inst.Status = api.InstallationStatus{
		ObservedGeneration: inst.Generation,
		Conditions:         []metav1.Condition{{Type: api.ReadyCondition, Status: metav1.ConditionTrue, Reason: api.InstalledReason, LastTransitionTime: metav1.Now()}},
		Installed:          &api.InstalledPlan{Version: version, At: metav1.Now()},
	}
	w.g.Expect(w.admin.Status().Update(context.Background(), inst)).To(Succeed())
}

func TestOnlySoManyRunAtOnce(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	var others []*api.Installation
	for _, name := range []string{"first", "second"} {
		other := newInstallation()
		other.Namespace, other.Name, other.UID, other.Generation = w.namespace, name, "", 0
		g.Expect(w.admin.Create(t.Context(), other)).To(Succeed())
		other.Status.Attempt = &api.InstallationAttempt{Number: 1, Purpose: api.ApplyPurpose, Generation: 1}
		other.Status.Plan = &api.InstallationPlan{}
		other.Status.Steps = []api.InstallationStep{{Name: api.InstallStep, State: api.StepRunning}}
		g.Expect(w.admin.Status().Update(t.Context(), other)).To(Succeed())
		others = append(others, other)
	}
	w.install()
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.QueuedReason) })
	g.Expect(condition(w.get(), api.ReadyCondition).Message).To(Equal("waits for its turn: 2 Installations of the namespace may run at once"))
	g.Expect(w.jobs).To(BeEmpty())
	others[0].Status.Steps[0].State = api.StepSucceeded
	g.Expect(w.admin.Status().Update(t.Context(), others[0])).To(Succeed())
	w.until(w.ready)
}

func TestWhyThereIsNoPodIsToldInTheClustersWords(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	least := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Mi")}
	limits := &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "small"},
		Spec:       corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Max: least}}},
	}
	g.Expect(w.admin.Create(t.Context(), limits)).To(Succeed())
	w.install()
	w.ahead = time.Minute
	w.until(func() bool {
		inst := w.get()
		return readyIs(inst, metav1.ConditionFalse, api.PodPendingReason) &&
			strings.Contains(condition(inst, api.ReadyCondition).Message, "maximum memory usage per Container is 1Mi, but limit is 512Mi")
	})
	g.Expect(w.get().Status.Step).To(Equal("Configure/Waiting"))
	g.Expect(w.admin.Delete(t.Context(), limits)).To(Succeed())
	w.until(w.ready)
	g.Expect(w.jobs).To(HaveLen(1))
}

// Nothing that the controller writes is in Git: the status, and the finalizer of what is
// uninstalled. Applying the same again changes nothing.
func TestTheControllerWritesNothingThatIsInGit(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	commit := func() *unstructured.Unstructured {
		u := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": api.GroupVersion.String(), "kind": "Installation",
			"metadata": map[string]any{"namespace": w.namespace, "name": "db", "labels": map[string]any{"team": "a"}},
			"spec": map[string]any{
				"extensionRef": map[string]any{"name": "postgresql"}, "deletionPolicy": "Uninstall", "values": map[string]any{"replicas": int64(3)},
			},
		}}
		g.Expect(w.admin.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("argocd-controller"), client.ForceOwnership)).To(Succeed())
		return u
	}
	commit()
	first := w.get()
	w.until(w.ready)
	w.change(retry)
	w.until(func() bool { return w.get().Status.LastHandledRetryAt == "token-1" && w.ready() })
	inst := w.get()
	g.Expect(inst.Spec).To(Equal(first.Spec))
	g.Expect(inst.Generation).To(BeEquivalentTo(1))
	g.Expect(inst.Labels).To(Equal(map[string]string{"team": "a"}))

	var written []string
	for _, entry := range inst.ManagedFields {
		var fields fieldpath.Set
		g.Expect(fields.FromJSON(entry.FieldsV1.GetRawReader())).To(Succeed())
		if entry.Operation == metav1.ManagedFieldsOperationApply {
			continue
		}
		fields.Leaves().Iterate(func(path fieldpath.Path) {
			if path[0].String() != ".status" {
				written = append(written, path.String())
			}
		})
	}
	g.Expect(written).To(ConsistOf(
		`.metadata.finalizers[="`+installation.UninstallFinalizer+`"]`,
		".metadata.annotations."+api.RetryAnnotation, // by the user who asked
	))
	g.Expect(commit().GetResourceVersion()).To(Equal(inst.ResourceVersion))
}

// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

// playing has every pod that waits get to these states.
func (w *world) playing(phase corev1.PodPhase, states map[string]corev1.ContainerState) func() {
	return func() {
		pods := &corev1.PodList{}
		w.g.Expect(w.admin.List(context.Background(), pods, client.InNamespace(w.namespace))).To(Succeed())
		for i := range pods.Items {
			if pods.Items[i].Status.Phase == corev1.PodPending {
				w.play(&pods.Items[i], phase, states)
			}
		}
	}
}

// inInstall is a pod in mid-step.
var inInstall = map[string]corev1.ContainerState{
	"configure": terminated(0, configured), "install": running(), "verify": waiting("PodInitializing", ""),
}

// hookMade is a ConfigMap as a hook makes it.
func (w *world) hookMade() *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db", Labels: map[string]string{
		"app.kubernetes.io/managed-by": "extension-operator", installation.UIDLabel: string(w.get().UID),
	}}}
	w.g.Expect(w.admin.Create(context.Background(), m)).To(Succeed())
	return m
}

func (w *world) letGo() { w.until(func() bool { return len(w.jobsWithFinalizer()) == 0 }) }

// What hooks make has the uid too, and is none of the operator's.
func TestWhatHooksMadeIsLeftAlone(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.until(w.ready)
	made := w.hookMade()
	w.letGo()
	w.ahead = 2 * time.Hour
	w.change(retry)
	w.until(func() bool { return w.ready() && w.get().Status.Attempt.Number == 2 })
	w.letGo()
	w.change(uninstalls)
	w.until(func() bool { return len(w.get().Finalizers) == 1 })
	w.g.Expect(w.admin.Get(t.Context(), client.ObjectKeyFromObject(made), made)).To(Succeed())
	w.g.Expect(made.Finalizers).To(BeEmpty())
}

func TestWhatAFailedInstallLeftIsUninstalled(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install(uninstalls)
	w.untilWith(w.playFailure, func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.InstallFailedReason) })
	w.delete()
	w.until(w.gone)
	w.g.Expect(w.jobs).To(HaveLen(2))
	var ran []string
	for _, r := range w.told.ran {
		ran = append(ran, r.Purpose+" "+r.Outcome)
	}
	w.g.Expect(ran).To(Equal([]string{"Apply InstallFailed", "Uninstall Succeeded"}))
}

// kubectl replace --force: the next of the name lets go of what the former has left.
func TestASuccessorLetsTheFormerGo(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.untilWith(func() {}, func() bool { return len(w.pods()) == 1 })
	old := &batchv1.JobList{}
	w.g.Expect(w.admin.List(t.Context(), old, client.InNamespace(w.namespace))).To(Succeed())
	w.g.Expect(w.admin.Delete(t.Context(), w.get(), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
	w.g.Eventually(w.gone).Should(BeTrue())
	w.install()
	w.until(w.ready)
	w.until(func() bool {
		return client.IgnoreNotFound(w.admin.Get(t.Context(), client.ObjectKeyFromObject(&old.Items[0]), &batchv1.Job{})) == nil &&
			w.admin.Get(t.Context(), client.ObjectKeyFromObject(&old.Items[0]), &batchv1.Job{}) != nil
	})
	w.g.Expect(w.jobs).To(HaveLen(2))
}

// kept are the ConfigMaps of the operator that are left.
func (w *world) kept() []string {
	list := &corev1.ConfigMapList{}
	w.g.Expect(w.admin.List(context.Background(), list, client.InNamespace(w.namespace), client.HasLabels{installation.InstallationLabel})).To(Succeed())
	var names []string
	for _, m := range list.Items {
		names = append(names, m.Name)
	}
	return names
}

// A deletion that comes while the finalizers are being put on leaves nothing stuck, whether
// the process ends there, goes on, or is away when the object goes.
func TestADeletionAmidTheFinalizersLeavesNothingStuck(t *testing.T) {
	for name, c := range map[string]struct{ killed, swept, again bool }{
		"the process ends": {killed: true}, "the process goes on": {}, "nobody watched": {killed: true, swept: true}, "a successor comes": {killed: true, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(NewWithT(t))
			w.install()
			w.until(w.ready)
			w.letGo()
			before := w.writes
			w.kill = func(n int, done bool) bool {
				if n != before+1 || !done {
					return false
				}
				w.g.Expect(w.admin.Delete(t.Context(), w.get(), client.PropagationPolicy(metav1.DeletePropagationBackground))).To(Succeed())
				return c.killed
			}
			w.change(uninstalls)
			w.look()
			w.kill = nil
			w.g.Eventually(w.gone).Should(BeTrue())
			w.g.Expect(w.kept()).NotTo(BeEmpty())
			former := w.kept()
			if c.again {
				w.install()
			}
			w.g.Eventually(func() []string {
				if c.swept {
					w.g.Expect(installation.Sweep{Reconciler: w.r}.Start(t.Context())).To(Succeed())
				} else {
					w.look()
				}
				return w.kept()
			}, 20*time.Second, 200*time.Millisecond).ShouldNot(ContainElements(former))
		})
	}
}

// The real Job controller forgets when a Job started as it is suspended.
func TestAJobThatIsSuspendedByHandIsNotResumed(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.untilWith(w.playing(corev1.PodRunning, inInstall), func() bool { return w.get().Status.Step == "Install/Running" })
	job := &batchv1.Job{}
	w.g.Expect(w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: w.get().Status.Steps[2].Job}, job)).To(Succeed())
	w.g.Expect(w.admin.Patch(t.Context(), job, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`)))).To(Succeed())
	w.g.Eventually(func() *metav1.Time { // nobody looks until it has
		w.g.Expect(w.admin.Get(t.Context(), client.ObjectKeyFromObject(job), job)).To(Succeed())
		return job.Status.StartTime
	}, 10*time.Second).Should(BeNil())
	w.untilWith(func() {}, func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.OutcomeUnknownReason) })
	w.g.Expect(w.get().Status.Step).To(Equal("Install/Unknown"))
	w.g.Expect(w.jobs).To(HaveLen(1))
}

// A container that somebody has put into the pod keeps the Job from ending. That holds up
// neither the deletion nor, for long, the next attempt.
func TestASidecarHoldsNothingUp(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	all := map[string]corev1.ContainerState{
		"configure": terminated(0, configured), "install": terminated(0, says("install", "Succeeded", nil)), "verify": terminated(0, says("verify", "Succeeded", nil)),
	}
	w.untilWith(w.playing(corev1.PodRunning, all), w.ready)
	w.change(retry)
	w.look()
	w.g.Expect(w.jobs).To(HaveLen(1), "no second pod beside it")
	w.ahead = time.Minute
	w.untilWith(w.playing(corev1.PodRunning, all), func() bool { return len(w.jobs) == 2 })
	w.until(func() bool { return w.ready() && w.get().Status.Attempt.Number == 2 })

	w.ahead = 0
	w.change(func(i *api.Installation) { i.Annotations[api.RetryAnnotation] = "again" })
	w.untilWith(w.playing(corev1.PodRunning, all), func() bool { return w.ready() && w.get().Status.Attempt.Number == 3 })
	w.g.Expect(w.admin.Delete(t.Context(), w.get())).To(Succeed())
	w.untilWith(func() {}, w.gone)
}

// A change and a retry in mid-step wait for its end, a suspension begins nothing more.
func TestWhatChangesInMidStepWaitsForItsEnd(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.untilWith(w.playing(corev1.PodRunning, inInstall), func() bool { return w.get().Status.Step == "Install/Running" })
	w.change(func(i *api.Installation) {
		i.Spec.Suspend = true
		i.Spec.Values.Raw = []byte(`{"replicas":5}`)
		retry(i)
	})
	for range 5 {
		w.look()
	}
	w.g.Expect(w.jobs).To(HaveLen(1))
	w.g.Expect(w.get().Status.Step).To(Equal("Install/Running"))
	w.g.Expect(w.get().Status.ObservedGeneration).To(BeEquivalentTo(1), "nothing is said of what waits")
	pods := &corev1.PodList{}
	w.g.Expect(w.admin.List(t.Context(), pods, client.InNamespace(w.namespace))).To(Succeed())
	w.play(&pods.Items[0], corev1.PodSucceeded, map[string]corev1.ContainerState{
		"configure": terminated(0, configured), "install": terminated(0, says("install", "Succeeded", nil)), "verify": terminated(0, says("verify", "Succeeded", nil)),
	})
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.SuspendedReason) })
	w.g.Expect(w.get().Status.Installed).NotTo(BeNil())
	w.letGo()
	w.g.Expect(w.jobs).To(HaveLen(1))
	w.change(func(i *api.Installation) { i.Spec.Suspend = false })
	w.until(func() bool { return w.ready() && w.get().Status.Attempt.Number == 2 })
	w.g.Expect(w.get().Status.LastHandledRetryAt).NotTo(BeEmpty())
}

// Whoever wants an uninstall in mid-step gets one, also if the deletion follows at once.
func TestAPolicyThatChangesInMidStepCounts(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.untilWith(w.playing(corev1.PodRunning, inInstall), func() bool { return w.get().Status.Step == "Install/Running" })
	w.change(uninstalls)
	w.look()
	w.g.Expect(w.get().Finalizers).To(ConsistOf(installation.UninstallFinalizer))
	w.g.Expect(w.get().Status.Step).To(Equal("Install/Running"))
}

// With the real Job controller: whoever takes the pod away has the attempt end, and none
// is made in its place.
func TestAPodThatIsTakenAwayEndsTheAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		take func(w *world, pod *corev1.Pod)
		want string
	}{
		"by hand, with its grace": {func(w *world, pod *corev1.Pod) {
			w.g.Expect(w.admin.Delete(context.Background(), pod, client.GracePeriodSeconds(60))).To(Succeed())
			w.g.Expect(w.admin.Get(context.Background(), client.ObjectKeyFromObject(pod), pod)).To(Succeed())
			w.play(pod, corev1.PodFailed, map[string]corev1.ContainerState{ // as a kubelet has its containers end
				"configure": terminated(0, configured), "install": terminated(143, ""), "verify": waiting("PodInitializing", ""),
			})
		}, api.OutcomeUnknownReason},
		"by hand, by force": {func(w *world, pod *corev1.Pod) {
			w.g.Expect(w.admin.Delete(context.Background(), pod, client.GracePeriodSeconds(0))).To(Succeed())
		}, api.OutcomeUnknownReason},
		"by an eviction": {func(w *world, pod *corev1.Pod) {
			pod.Status.Reason, pod.Status.Message = "Evicted", "The node was low on resource: memory."
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "TerminationByKubelet", Message: "The node was low on resource: memory.",
			})
			w.play(pod, corev1.PodFailed, map[string]corev1.ContainerState{
				"configure": terminated(0, configured), "install": terminated(137, ""), "verify": waiting("PodInitializing", ""),
			})
		}, api.DisruptedReason},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(NewWithT(t))
			w.install()
			w.untilWith(w.playing(corev1.PodRunning, inInstall), func() bool { return w.get().Status.Step == "Install/Running" })
			pods := &corev1.PodList{}
			w.g.Expect(w.admin.List(t.Context(), pods, client.InNamespace(w.namespace))).To(Succeed())
			c.take(w, &pods.Items[0])
			w.untilWith(func() {}, func() bool { return readyIs(w.get(), metav1.ConditionFalse, c.want) })
			w.letGo()
			w.g.Expect(w.jobs).To(HaveLen(1))
			w.change(retry)
			w.until(w.ready)
			w.g.Expect(w.jobs).To(HaveLen(2))
		})
	}
}

func TestAnUpgradeStaysToldWhileTheExtensionReloads(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	w.until(w.ready)
	w.offer("17.2.0", "b")
	w.until(func() bool { return condition(w.get(), api.UpgradeAvailableCondition) != nil })
	ext := &api.Extension{}
	w.g.Expect(w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "postgresql"}, ext)).To(Succeed())
	ext.Status.Conditions[0].Status = metav1.ConditionFalse
	w.g.Expect(w.admin.Status().Update(t.Context(), ext)).To(Succeed())
	before := w.get().ResourceVersion
	w.look()
	w.g.Expect(w.get().ResourceVersion).To(Equal(before))
}

// The manager was away when it ended: what was not seen may have been done.
func TestWhatWasNotSeenMayHaveBeenDone(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(uninstalls)
	a, job := begun(g, inst, api.ApplyPurpose)
	seen, _ := a.Observe(installation.Sight{Job: failed(job, batchv1.JobReasonDeadlineExceeded), Now: noon.Add(time.Hour)})
	g.Expect(seen.At().Message).To(HavePrefix("Configure, or a step after it, had not ended"))
	inst.Status = installation.Compute(inst, installation.Outcome{Attempt: &seen, Now: noon})
	inst.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
	g.Expect(installation.Leave(inst, installation.Obstacles{}, noon).Run).NotTo(BeNil())
}

// A pod of a node that is lost never ends, and neither does its Job.
func TestALostNodeEndsTheAttempt(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	a, job := begun(g, inst, api.ApplyPurpose)
	pod := podOf(job, is("configure", terminated(0, configured)), is("install", running()), func(p *corev1.Pod) {
		p.DeletionTimestamp, p.Spec.NodeName = ptr.To(metav1.NewTime(noon)), "node-7"
	})
	job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{Type: batchv1.JobFailureTarget, Status: corev1.ConditionTrue, Reason: batchv1.JobReasonDeadlineExceeded})
	seen, again := a.Observe(installation.Sight{Job: job, Pods: []corev1.Pod{pod}, Now: noon.Add(time.Minute)})
	g.Expect(seen.Ended()).To(BeFalse())
	g.Expect(again).To(Equal(4 * time.Minute))
	seen, _ = a.Observe(installation.Sight{Job: job, Pods: []corev1.Pod{pod}, Now: noon.Add(6 * time.Minute)})
	g.Expect(seen.At().State + " " + seen.At().Reason).To(Equal("Unknown OutcomeUnknown"))
	g.Expect(seen.At().Message).To(ContainSubstring("its node node-7 is lost; it may still run there"))
}

func TestWarningsOfOtherPodsAreNotTold(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install()
	for len(w.jobs) == 0 {
		w.look()
	}
	made := installation.Job(w.get(), planOf(w.g, w.get(), api.ApplyPurpose), options)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "workload", Labels: map[string]string{
			installation.UIDLabel: string(w.get().UID), installation.InstallationLabel: "db",
		}},
		Spec: made.Spec.Template.Spec,
	}
	w.g.Expect(w.admin.Create(t.Context(), pod)).To(Succeed())
	now := metav1.Now()
	w.g.Expect(w.admin.Create(t.Context(), &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "x"}, Type: "Warning", Reason: "Unhealthy", Message: "the application says no",
		InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: w.namespace, Name: "workload", UID: pod.UID}, FirstTimestamp: now, LastTimestamp: now,
	})).To(Succeed())
	w.ahead = time.Minute
	w.untilWith(func() {}, func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.PodPendingReason) })
	w.g.Expect(condition(w.get(), api.ReadyCondition).Message).NotTo(ContainSubstring("the application says no"))
}

func TestWhatIsLeftBehindIsToldInWordsThatFit(t *testing.T) {
	g := NewWithT(t)
	inst := installed(g)
	uninstalls(inst)
	inst.Spec.ExtensionRef.Name = strings.Repeat("a", 253)
	inst.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
	f := installation.Leave(inst, installation.Obstacles{Why: "the API server refuses the Job: " + strings.Repeat("policy says no. ", 200)}, noon)
	g.Expect(len(f.Left)).To(BeNumerically("<=", 1024))
	g.Expect(f.Left).To(ContainSubstring(string(inst.UID)))
}

// An Extension that is another extension now is not run over what is installed.
func TestAnotherExtensionOfTheNameIsNotRun(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install(func(i *api.Installation) { i.Spec.UpgradePolicy = api.AutoUpgrade })
	w.until(w.ready)
	w.letGo()
	w.shelf.Store(&installation.Offered{
		Members: []extension.Member{{Key: extension.Key{Type: extension.Cluster, Name: "evil", Version: "16.4.1"}, Digest: digest("e")}}, Hooks: []string{"install"},
	})
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.ExtensionReplacedReason) })
	w.g.Expect(condition(w.get(), api.ReadyCondition).Message).To(ContainSubstring("is cluster/evil now, and what was run is taskserv/postgresql"))
	w.g.Expect(w.jobs).To(HaveLen(1))
	w.offer("16.4.0", "a")
	w.until(w.ready)
	w.g.Expect(w.jobs).To(HaveLen(1), "it is back, and nothing has changed")
}

// Somebody takes off the labels by which events find a Job and its pod.
func TestALookComesWithoutAnEvent(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	_, again := a.Observe(row{pod: []func(*corev1.Pod){is("configure", running())}}.look(job))
	g.Expect(again).To(Equal(5 * time.Minute))
}

func TestSwappedValuesAreNotUninstalledWith(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install(uninstalls)
	w.until(w.ready)
	w.letGo()
	inst := w.get()
	was := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: w.namespace, Name: installation.ValuesName(inst, extension.Digest(inst.Status.Installed.SpecDigest))}
	w.g.Expect(w.admin.Get(t.Context(), key, was)).To(Succeed())
	forged := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: was.Namespace, Name: was.Name}, Data: map[string]string{
		"values": `{"replicas":666}`, "spec": `{"Values":{"replicas":666},"ValuesFrom":[{"kind":"Secret","name":"somebody-elses","valuesKey":"tls.key"}]}`,
	}}
	w.g.Expect(w.admin.Patch(t.Context(), was, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
	w.g.Expect(w.admin.Delete(t.Context(), was)).To(Succeed())
	w.g.Expect(w.admin.Create(t.Context(), forged)).To(Succeed())
	w.delete()
	w.until(w.gone)
	w.g.Expect(w.jobs).To(HaveLen(1))
	w.g.Expect(w.told.left).NotTo(BeEmpty())
	w.g.Expect(w.told.left[0].Left).To(ContainSubstring("its values are damaged"))
}

// A running uninstall has all that it needs: what goes meanwhile does not stop it.
func TestARunningUninstallGoesOn(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.install(uninstalls)
	w.until(w.ready)
	w.letGo()
	w.delete()
	w.untilWith(func() {}, func() bool { return len(w.jobs) == 2 })
	w.removePayload()
	for range 3 {
		w.look()
	}
	w.until(w.gone)
	w.g.Expect(w.told.left).To(BeEmpty())
}

// Steps before the Job show what they wait for.
func TestWaitsShowAsSteps(t *testing.T) {
	for reason, want := range map[string][]string{
		api.ExtensionNotFoundReason:  {"Load=Waiting/ExtensionNotFound"},
		api.ExtensionNotReadyReason:  {"Load=Waiting/ExtensionNotReady"},
		api.DependencyNotReadyReason: {"Load=Succeeded", "ValidateDependencies=Waiting/DependencyNotReady"},
	} {
		g := NewWithT(t)
		inst := newInstallation()
		s := installation.Compute(inst, installation.Outcome{Fault: &installation.Fault{Reason: reason, Message: "waits"}, Now: noon})
		g.Expect(states(installation.Attempt{Steps: s.Steps})).To(Equal(want))
		g.Expect(s.Step).To(HaveSuffix("/Waiting"))

		after := installed(g)
		s = installation.Compute(after, installation.Outcome{Fault: &installation.Fault{Reason: reason, Message: "waits"}, Attempt: installation.Recorded(after), Now: noon})
		g.Expect(s.Steps).To(Equal(after.Status.Steps), "those of the newest attempt stay")
		g.Expect(s.Step).To(HaveSuffix("/Waiting"))
	}
}

// A retry that can never begin is handled, as a reload that fails for good is.
func TestARetryThatCannotBeginIsHandled(t *testing.T) {
	w := newWorld(NewWithT(t))
	w.shelf.Store(&installation.Offered{Members: members("16.4.0", "a"), Hooks: []string{"uninstall"}})
	w.install(retry)
	w.until(func() bool { return readyIs(w.get(), metav1.ConditionFalse, api.NothingToInstallReason) })
	w.g.Expect(w.get().Status.LastHandledRetryAt).To(Equal(w.get().Annotations[api.RetryAnnotation]))
}

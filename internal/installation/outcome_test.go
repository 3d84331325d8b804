// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/installation"
)

// good are containers that have ended well.
var (
	goodConfigure = is("configure", terminated(0, configured))
	goodInstall   = is("install", terminated(0, says("install", "Succeeded", map[string]any{"message": "3 objects"})))
	goodVerify    = is("verify", terminated(0, says("verify", "Succeeded", map[string]any{"message": "rolled out"})))
)

func bad(step string, code int32, more map[string]any) func(*corev1.Pod) {
	return is(step, terminated(code, says(step, "Failed", more)))
}

func deleted(p *corev1.Pod) { p.DeletionTimestamp = ptr.To(metav1.NewTime(noon.Add(time.Minute))) }

func disruptedBy(message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Message: message})
	}
}

// row is what is seen of a Job that applies, and what the steps become.
type row struct {
	// pod is nil where there is none.
	pod []func(*corev1.Pod)
	// job is how the Job has ended: empty while it has not, Complete, or the reason of its failure.
	job  string
	gone bool
	// halted: somebody suspended the Job after it had begun.
	halted bool
	// going: the Job is being deleted.
	going  bool
	hidden bool
	after  time.Duration
	// warning is of an Event.
	warning string
	want    []string
	message string
	absent  string
}

var rows = map[string]row{
	"no pod yet": {want: []string{"Configure=Pending", "Install=Pending", "Verify=Pending"}},
	"no pod for long": {after: time.Minute, warning: `exceeded quota: compute, requested: pods=1, used: pods=5, limited: pods=5`,
		want: []string{"Configure=Waiting/PodPending", "Install=Pending", "Verify=Pending"}, message: "Pod Security or a missing ServiceAccount may be why: exceeded quota: compute"},
	"unschedulable": {pod: []func(*corev1.Pod){func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available"}}
	}}, want: []string{"Configure=Waiting/PodPending", "Install=Pending", "Verify=Pending"}, message: "fits on no node: 0/3 nodes are available"},
	"not yet scheduled": {pod: []func(*corev1.Pod){func(p *corev1.Pod) { p.Status.Conditions = nil }}, want: []string{"Configure=Pending", "Install=Pending", "Verify=Pending"}},
	"a Secret is missing": {after: time.Minute, pod: []func(*corev1.Pod){}, warning: `MountVolume.SetUp failed for volume "values": secret "db.credentials" not found`,
		want: []string{"Configure=Waiting/PodPending", "Install=Pending", "Verify=Pending"}, message: `spec.valuesFrom may be missing, or lack its key: MountVolume.SetUp failed for volume "values"`},
	"an image that cannot be pulled": {pod: []func(*corev1.Pod){is("configure", waiting("ImagePullBackOff", "Back-off pulling image"))},
		want: []string{"Configure=Waiting/ImagePullFailed", "Install=Pending", "Verify=Pending"}, message: "the image extension-operator:v1 cannot be pulled (ImagePullBackOff): Back-off pulling image"},
	"a container that cannot be made": {pod: []func(*corev1.Pod){is("configure", waiting("CreateContainerConfigError", "container has runAsNonRoot"))},
		want: []string{"Configure=Waiting/PodPending", "Install=Pending", "Verify=Pending"}, message: "cannot start (CreateContainerConfigError): container has runAsNonRoot"},
	"configure runs": {pod: []func(*corev1.Pod){is("configure", running())}, want: []string{"Configure=Running", "Install=Pending", "Verify=Pending"}},
	"install runs":   {pod: []func(*corev1.Pod){goodConfigure, is("install", running())}, want: []string{"Configure=Succeeded", "Install=Running", "Verify=Pending"}, message: ""},
	"all is well": {pod: []func(*corev1.Pod){goodConfigure, goodInstall, goodVerify}, job: "Complete",
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Succeeded"}, message: "rolled out"},
	"all is well, and the Job does not know yet": {pod: []func(*corev1.Pod){goodConfigure, goodInstall, goodVerify},
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Succeeded"}, message: "rolled out"},
	"a hook is missing": {pod: []func(*corev1.Pod){goodConfigure, goodInstall, is("verify", terminated(0, says("verify", "Skipped", nil)))}, job: "Complete",
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Skipped"}, message: "the extension has no hook verify"},
	"the pod of a complete Job is gone": {job: "Complete", want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Succeeded"}, message: "that it ended well is what the Job says"},

	"install failed": {pod: []func(*corev1.Pod){goodConfigure, bad("install", 1, map[string]any{"message": "no storage class", "code": "pg::storage"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Succeeded", "Install=Failed/InstallFailed", "Verify=Pending"}, message: "Install failed with exit code 1, code pg::storage: no storage class; change the spec, or set the annotation"},
	"install failed, and the Job does not know why yet": {pod: []func(*corev1.Pod){goodConfigure, bad("install", 1, nil)},
		want: []string{"Configure=Succeeded", "Install=Running", "Verify=Pending"}},
	"values that do not fit, one of them secret": {hidden: true,
		pod: []func(*corev1.Pod){bad("configure", 1, map[string]any{"reason": "InvalidValues", "message": "port is missing, it must be int"})},
		job: "BackoffLimitExceeded", want: []string{"Configure=Failed/InvalidValues", "Install=Pending", "Verify=Pending"}, message: "port is missing, it must be int"},
	"install failed, and a value is secret": {hidden: true, pod: []func(*corev1.Pod){goodConfigure, bad("install", 1, map[string]any{"message": "password hunter2 is wrong", "code": "pg::auth"})},
		job: "BackoffLimitExceeded", want: []string{"Configure=Succeeded", "Install=Failed/InstallFailed", "Verify=Pending"},
		message: "exit code 1, code pg::auth: what it said is not shown, because a value came from a Secret", absent: "hunter2"},
	"all is well, and a value is secret": {hidden: true, pod: []func(*corev1.Pod){goodConfigure, goodInstall,
		is("verify", terminated(0, says("verify", "Succeeded", map[string]any{"message": "hunter2 works"})))}, job: "Complete",
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Succeeded"}, absent: "hunter2"},
	"verify failed": {pod: []func(*corev1.Pod){goodConfigure, goodInstall, bad("verify", 1, map[string]any{"message": "image postgres:16 cannot be pulled"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Failed/VerifyFailed"}, message: "image postgres:16"},
	"wrong values": {pod: []func(*corev1.Pod){bad("configure", 1, map[string]any{"reason": "InvalidValues", "message": "replicas: int is wanted"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Failed/InvalidValues", "Install=Pending", "Verify=Pending"}, message: "replicas: int is wanted"},
	"not deterministic": {pod: []func(*corev1.Pod){bad("configure", 1, map[string]any{"reason": "NotDeterministic"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Failed/NotDeterministic", "Install=Pending", "Verify=Pending"}, message: "it said nothing"},
	"configure failed": {pod: []func(*corev1.Pod){bad("configure", 1, map[string]any{"reason": "AnythingElse"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Failed/ConfigureFailed", "Install=Pending", "Verify=Pending"}},
	"a damaged payload": {pod: []func(*corev1.Pod){bad("configure", 3, map[string]any{"message": "taskserv:postgresql:16.4.0 has another digest"})}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Failed/PayloadRefused", "Install=Pending", "Verify=Pending"}, message: "another digest"},
	"no Nushell": {pod: []func(*corev1.Pod){bad("configure", 4, nil)}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Failed/RunnerFailed", "Install=Pending", "Verify=Pending"}},
	"killed by a signal": {pod: []func(*corev1.Pod){goodConfigure, is("install", terminated(137, ""))}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Succeeded", "Install=Failed/RunnerFailed", "Verify=Pending"}, message: "its message is not one that extension-runner writes"},
	"out of memory": {pod: []func(*corev1.Pod){goodConfigure, is("install", corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}})},
		job: "BackoffLimitExceeded", want: []string{"Configure=Succeeded", "Install=Failed/OutOfMemory", "Verify=Pending"}, message: "raise spec.podOptions.resources.limits.memory"},
	"a hook that hangs past its step's time": {pod: []func(*corev1.Pod){goodConfigure, bad("install", 1, map[string]any{"reason": "Timeout", "message": "took longer than 5m"})},
		job: "BackoffLimitExceeded", want: []string{"Configure=Succeeded", "Install=Failed/DeadlineExceeded", "Verify=Pending"}, message: "took longer than 5m"},
	"past the Job's deadline while it ran": {pod: []func(*corev1.Pod){goodConfigure, is("install", terminated(143, "")), deleted}, job: "DeadlineExceeded",
		want: []string{"Configure=Succeeded", "Install=Failed/DeadlineExceeded", "Verify=Pending"}, message: "Install had not ended when the Job's 25m0s were over"},
	"past the Job's deadline without a pod": {job: "DeadlineExceeded", want: []string{"Configure=Failed/DeadlineExceeded", "Install=Pending", "Verify=Pending"}},
	"past the Job's deadline, and the runner was told to end": {pod: []func(*corev1.Pod){goodConfigure, bad("install", 4, map[string]any{"reason": "Interrupted"}), deleted}, job: "DeadlineExceeded",
		want: []string{"Configure=Succeeded", "Install=Failed/DeadlineExceeded", "Verify=Pending"}},
	"evicted": {pod: []func(*corev1.Pod){goodConfigure, is("install", terminated(137, "")), func(p *corev1.Pod) {
		p.Status.Reason, p.Status.Message = "Evicted", "The node was low on resource: memory."
	}},
		job: "BackoffLimitExceeded", want: []string{"Configure=Succeeded", "Install=Failed/Disrupted", "Verify=Pending"}, message: "the cluster took the pod away while Install was under way: The node was low on resource: memory"},
	"a node that was lost": {pod: []func(*corev1.Pod){goodConfigure, is("install", running()), deleted, disruptedBy("Taint manager: deleting due to NoExecute taint")}, job: "PodFailurePolicy",
		want: []string{"Configure=Succeeded", "Install=Failed/Disrupted", "Verify=Pending"}, message: "deleting due to NoExecute taint"},
	"a disrupted pod that is gone": {job: "PodFailurePolicy", want: []string{"Configure=Failed/Disrupted", "Install=Pending", "Verify=Pending"}},
	"a pod deleted by hand, with grace": {pod: []func(*corev1.Pod){goodConfigure, is("install", terminated(143, "")), deleted}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Succeeded", "Install=Unknown/OutcomeUnknown", "Verify=Pending"}, message: "was deleted while Install ran; whether Install did its work is not known"},
	"a pod deleted by force":                              {job: "BackoffLimitExceeded", want: []string{"Configure=Unknown/OutcomeUnknown", "Install=Pending", "Verify=Pending"}, message: "was deleted before its end was seen"},
	"a Job deleted by hand":                               {gone: true, want: []string{"Configure=Unknown/OutcomeUnknown", "Install=Pending", "Verify=Pending"}, message: "it is not run again by itself: change the spec"},
	"a Job deleted by hand that only the finalizer keeps": {going: true, want: []string{"Configure=Unknown/OutcomeUnknown", "Install=Pending", "Verify=Pending"}, message: "was deleted while it had no pod"},
	"a Job deleted by hand whose pod still runs":          {going: true, pod: []func(*corev1.Pod){goodConfigure, is("install", running())}, want: []string{"Configure=Succeeded", "Install=Running", "Verify=Pending"}},
	"a Job suspended by hand": {halted: true, pod: []func(*corev1.Pod){goodConfigure, is("install", running()), deleted},
		want: []string{"Configure=Succeeded", "Install=Unknown/OutcomeUnknown", "Verify=Pending"}, message: "was suspended by hand after it had started"},
	"exit 0 with a wrong message": {pod: []func(*corev1.Pod){goodConfigure, goodInstall, is("verify", terminated(0, "all fine!"))}, job: "Complete",
		want: []string{"Configure=Succeeded", "Install=Succeeded", "Verify=Succeeded"}, message: "not one that extension-runner writes", absent: "all fine"},
	"a message that contradicts the exit code": {pod: []func(*corev1.Pod){goodConfigure, is("install", terminated(1, says("install", "Succeeded", nil)))}, job: "BackoffLimitExceeded",
		want: []string{"Configure=Succeeded", "Install=Failed/InstallFailed", "Verify=Pending"}},
}

// look is what a row shows of the Job.
func (r row) look(job *batchv1.Job) installation.Sight {
	sight := installation.Sight{Job: job, Warning: r.warning, Now: noon.Add(r.after)}
	if r.pod != nil {
		sight.Pods = []corev1.Pod{podOf(job, r.pod...)}
	}
	switch {
	case r.gone:
		sight.Job = nil
	case r.halted:
		sight.Job = job.DeepCopy()
		sight.Job.Spec.Suspend = ptr.To(true)
	case r.going:
		sight.Job = job.DeepCopy()
		sight.Job.DeletionTimestamp = ptr.To(metav1.NewTime(noon))
	case r.job == "Complete":
		sight.Job = complete(job)
	case r.job != "":
		sight.Job = failed(job, r.job)
	}
	return sight
}

func TestWhatIsSeenBecomesSteps(t *testing.T) {
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			inst := newInstallation()
			if r.hidden {
				withSecret(inst)
			}
			a, job := begun(g, inst, api.ApplyPurpose)
			before := installation.Attempt{InstallationAttempt: a.InstallationAttempt, Plan: a.Plan, Steps: append([]api.InstallationStep(nil), a.Steps...)}
			sight := r.look(job)
			seen, _ := a.Observe(sight)
			g.Expect(a).To(Equal(before), "Observe changes nothing that it is given")
			g.Expect(states(seen)).To(Equal(append([]string{"Load=Succeeded", "ValidateDependencies=Succeeded"}, r.want...)))
			g.Expect(seen.At().Message).To(ContainSubstring(r.message))
			if r.absent != "" {
				for _, s := range seen.Steps {
					g.Expect(s.Message).NotTo(ContainSubstring(r.absent))
				}
			}
			again, _ := seen.Observe(sight)
			g.Expect(again).To(Equal(seen), "the same look shows the same")
			if at := seen.At(); at.State == api.StepFailed || at.State == api.StepUnknown {
				g.Expect(at.FinishedAt).NotTo(BeNil())
				g.Expect(at.Message).To(ContainSubstring(api.RetryAnnotation), "what leads on is said")
				g.Expect(len(at.Message)).To(BeNumerically("<=", api.MaxMessageLength))
			}
		})
	}
}

func TestAGoodEndIsRecordedWhole(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	seen, _ := a.Observe(rows["all is well"].look(job))
	g.Expect(seen.EndedWell()).To(BeTrue())
	step := seen.Steps[2]
	g.Expect(step.Job).To(Equal(job.Name))
	g.Expect(step.JobUID).To(Equal(string(jobUID)))
	g.Expect(step.Attempt).To(BeEquivalentTo(1))
	g.Expect(*step.ExitCode).To(BeZero())
	g.Expect(step.StartedAt.UTC()).To(Equal(noon.Add(time.Second)))
	g.Expect(step.FinishedAt.UTC()).To(Equal(noon.Add(time.Minute)))
	g.Expect(seen.Plan.ConfigDigest).To(Equal(string(digest("f"))))
	g.Expect(seen.Plan.Digest).To(Equal(string(installation.PlanDigest(seen.Plan))))
	g.Expect(seen.Plan.Changes).To(ConsistOf(api.PlannedChange{Key: "files/pg.conf", Digest: string(digest("1"))}))
}

func TestNoKeyOfASecretConfigurationIsShown(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(withSecret), api.ApplyPurpose)
	seen, _ := a.Observe(rows["all is well"].look(job))
	g.Expect(seen.Plan.Changes).To(BeEmpty())
	g.Expect(seen.Plan.ConfigDigest).To(Equal(string(digest("f"))))
}

func TestAPlanWithoutItsDigestHasFailed(t *testing.T) {
	g := NewWithT(t)
	for name, pod := range map[string][]func(*corev1.Pod){
		"a wrong message": {is("configure", terminated(0, "{}"))}, "no pod": nil,
	} {
		a, job := begun(g, newInstallation(), api.PlanPurpose)
		seen, _ := a.Observe(row{pod: pod, job: "Complete"}.look(job))
		g.Expect(states(seen)).To(Equal([]string{"Load=Succeeded", "ValidateDependencies=Succeeded", "Configure=Failed/RunnerFailed"}), name)
		g.Expect(seen.At().Message).To(ContainSubstring("nothing to approve"), name)
	}
}

func TestAPlanThatEndedWellCanBeApproved(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.PlanPurpose)
	seen, _ := a.Observe(row{pod: []func(*corev1.Pod){goodConfigure}, job: "Complete"}.look(job))
	g.Expect(seen.EndedWell()).To(BeTrue())
	g.Expect(seen.Plan.Digest).To(HavePrefix("sha256:"))
}

// What was pulled at last, and what was waited for when time was up, is told.
func TestAWaitThatNeverEndedIsTold(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	waits, _ := a.Observe(rows["an image that cannot be pulled"].look(job))
	same, _ := waits.Observe(row{pod: []func(*corev1.Pod){is("configure", waiting("ErrImagePull", "no such host"))}}.look(job))
	g.Expect(same).To(Equal(waits), "a kubelet says it in turns: no write for each")
	late, _ := waits.Observe(rows["past the Job's deadline without a pod"].look(job))
	g.Expect(late.At().Reason).To(Equal(api.DeadlineExceededReason))
	g.Expect(late.At().Message).To(ContainSubstring("before, the image extension-operator:v1 cannot be pulled"))

	runs, _ := waits.Observe(rows["configure runs"].look(job))
	g.Expect(runs.At().Message).To(BeEmpty(), "what is over is not told any more")
}

func TestWhenToLookAgain(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	again := func(r row) time.Duration { _, d := a.Observe(r.look(job)); return d }
	g.Expect(again(row{after: 10 * time.Second})).To(Equal(20*time.Second), "a pod that is not made")
	g.Expect(again(row{after: 10 * time.Second, pod: []func(*corev1.Pod){}})).To(Equal(20*time.Second), "a pod that does not start")
	g.Expect(again(rows["configure runs"])).To(Equal(5*time.Minute), "its end is an event, and this a net under it")
	g.Expect(again(rows["all is well"])).To(BeZero())
	g.Expect(again(rows["no pod for long"])).To(Equal(5 * time.Minute))
}

// Another pod or Job, made by hand, decides nothing.
func TestOnlyTheJobsOwnPodCounts(t *testing.T) {
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	stranger := podOf(job, goodConfigure, goodInstall, goodVerify, func(p *corev1.Pod) { p.OwnerReferences[0].UID = "another" })
	bare := podOf(job, goodConfigure, goodInstall, goodVerify, func(p *corev1.Pod) { p.OwnerReferences = nil })
	second := podOf(job, goodConfigure, goodInstall, goodVerify, func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(noon.Add(time.Hour)) })
	first := podOf(job, is("configure", running()))
	seen, _ := a.Observe(installation.Sight{Job: job, Pods: []corev1.Pod{stranger, bare, second, first}, Now: noon})
	g.Expect(seen.At().Name + "=" + seen.At().State).To(Equal("Configure=Running"))
}

func TestMessagesAreReadStrictly(t *testing.T) {
	long := says("verify", "Succeeded", map[string]any{"message": strings.Repeat("a", 4096)})
	for name, message := range map[string]string{
		"empty": "", "text": "done", "an array": "[]", "half": `{"step":"verify"`, "two": `{"step":"verify"}{"step":"verify"}`,
		"an unknown field": `{"step":"verify","state":"Succeeded","secret":"x"}`, "a field twice": `{"step":"verify","state":"Skipped","state":"Succeeded"}`,
		"other case": `{"Step":"verify","state":"Succeeded"}`, "another step": says("install", "Succeeded", nil), "too long": long,
		"a number for a text": `{"step":"verify","state":1}`, "a code of words": says("verify", "Succeeded", map[string]any{"code": "the password is x"}),
		"a digest that is none": says("verify", "Succeeded", map[string]any{"configDigest": "x"}), "not UTF-8": "{\"step\":\"verify\",\"message\":\"\xff\"}",
		"a change with code":       says("verify", "Succeeded", map[string]any{"changes": map[string]string{"a\n$(b)": string(digest("a"))}}),
		"a change that is a value": says("verify", "Succeeded", map[string]any{"changes": map[string]string{"a": "hunter2"}}),
		"fewer than none":          says("verify", "Succeeded", map[string]any{"changesOmitted": -1}),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a, job := begun(g, newInstallation(), api.ApplyPurpose)
			seen, _ := a.Observe(row{pod: []func(*corev1.Pod){goodConfigure, goodInstall, is("verify", terminated(0, message))}, job: "Complete"}.look(job))
			g.Expect(seen.At().Message).To(Equal("its message is not one that extension-runner writes"))
			g.Expect(seen.EndedWell()).To(BeTrue(), "the exit code decides")
		})
	}
	g := NewWithT(t)
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	seen, _ := a.Observe(row{pod: []func(*corev1.Pod){goodConfigure, goodInstall, is("verify", terminated(0, says("verify", "Succeeded", map[string]any{"message": "a\x1b[2Jb"})))}}.look(job))
	g.Expect(seen.At().Message).To(Equal("a [2Jb"), "a terminal's cursor stays where it is")
}

func TestChangesBeyondTheListAreCounted(t *testing.T) {
	g := NewWithT(t)
	many := map[string]string{}
	for i := range 35 {
		many[fmt.Sprintf("files/%02d", i)] = string(digest("a"))
	}
	message := says("configure", "Succeeded", map[string]any{"configDigest": string(digest("f")), "changes": many, "changesOmitted": 5})
	g.Expect(len(message)).To(BeNumerically("<=", 4096))
	a, job := begun(g, newInstallation(), api.ApplyPurpose)
	seen, _ := a.Observe(row{pod: []func(*corev1.Pod){is("configure", terminated(0, message))}}.look(job))
	g.Expect(seen.Plan.Changes).To(HaveLen(32))
	g.Expect(seen.Plan.Changes[31].Key).To(Equal("files/31"))
	g.Expect(seen.Plan.ChangesOmitted).To(BeEquivalentTo(8))
}

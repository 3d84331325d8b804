// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"cmp"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/status"
)

// Sight is what one look at the Job of an attempt has found.
type Sight struct {
	// Job is the one of the recorded uid; nil where it is gone.
	Job *batchv1.Job
	// Pods of the Job.
	Pods []corev1.Pod
	// Warning is the newest warning Event about the Job or its pod; empty for none.
	Warning string
	Now     time.Time
}

// Attempt is an attempt as the status has it, or should.
type Attempt struct {
	api.InstallationAttempt
	Plan  api.InstallationPlan
	Steps []api.InstallationStep
}

// Recorded is the newest attempt as the status has it; nil where there was none.
func Recorded(inst *api.Installation) *Attempt {
	s := inst.Status.DeepCopy()
	if s.Attempt == nil || s.Plan == nil {
		return nil
	}
	return &Attempt{InstallationAttempt: *s.Attempt, Plan: *s.Plan, Steps: s.Steps}
}

// Begin is a new attempt whose Job has been made and not yet resumed.
func Begin(inst *api.Installation, p Plan, job *batchv1.Job, now time.Time) *Attempt {
	a := &Attempt{
		InstallationAttempt: api.InstallationAttempt{Number: p.Attempt, Purpose: p.Purpose, Generation: inst.Generation, Hidden: p.Hidden()},
		Plan: api.InstallationPlan{
			Key: p.Root().Key.String(), Version: p.Root().Key.Version, ContentDigest: string(p.Content()), SpecDigest: string(p.Spec), Image: p.Image,
		},
	}
	at := metav1.NewTime(now)
	if p.Purpose != api.UninstallPurpose {
		for _, done := range []string{api.LoadStep, api.ValidateDependenciesStep} {
			a.Steps = append(a.Steps, api.InstallationStep{Name: done, State: api.StepSucceeded, Attempt: p.Attempt, StartedAt: moment(at), FinishedAt: moment(at)})
		}
	}
	for _, step := range runSteps(p.Purpose) {
		a.Steps = append(a.Steps, api.InstallationStep{Name: step, State: api.StepPending, Attempt: p.Attempt, Job: job.Name, JobUID: string(job.UID)})
	}
	return a
}

// ended tells whether a step has come to its end: nothing changes it any more.
func ended(s api.InstallationStep) bool {
	switch s.State {
	case api.StepSucceeded, api.StepSkipped, api.StepFailed, api.StepUnknown:
		return true
	}
	return false
}

func endedWell(s api.InstallationStep) bool {
	return s.State == api.StepSucceeded || s.State == api.StepSkipped
}

// At is the step that the attempt is at or has ended with.
func (a Attempt) At() api.InstallationStep {
	for _, s := range a.Steps {
		if !endedWell(s) {
			return s
		}
	}
	if len(a.Steps) == 0 {
		return api.InstallationStep{}
	}
	return a.Steps[len(a.Steps)-1]
}

// Ended tells whether the attempt has come to its end.
func (a Attempt) Ended() bool { return ended(a.At()) }

// EndedWell tells whether every step has.
func (a Attempt) EndedWell() bool { return endedWell(a.At()) }

// JobUID is the uid of the only Job that may run the attempt.
func (a Attempt) JobUID() string {
	if len(a.Steps) == 0 {
		return ""
	}
	return a.Steps[len(a.Steps)-1].JobUID
}

// JobName is the name of that Job.
func (a Attempt) JobName() string {
	if len(a.Steps) == 0 {
		return ""
	}
	return a.Steps[len(a.Steps)-1].Job
}

// Observe is the attempt after a look at its Job, and when to look again without an
// event; 0 for never. What has ended stays as it is. The end of a container counts at
// once where it is good, and else with the end of the Job, which knows why.
func (a Attempt) Observe(sight Sight) (seen Attempt, again time.Duration) {
	a.Steps = slices.Clone(a.Steps)
	if a.Ended() {
		return a, 0
	}
	o := observer{attempt: &a, sight: sight}
	if sight.Job == nil {
		o.lose("the Job " + a.JobName() + " was deleted before its end was seen")
		return a, 0
	}
	pod, condition := o.pod(), finished(sight.Job)
	if pod != nil {
		o.readContainers(pod)
	}
	switch {
	case condition == nil && pod == nil && sight.Job.DeletionTimestamp != nil:
		// Our finalizer alone keeps it: no pod is made for it any more.
		o.lose("the Job " + a.JobName() + " was deleted while it had no pod")
	case condition == nil && suspendedLater(sight.Job):
		// Resumed, it would make another pod.
		o.lose("the Job " + a.JobName() + " was suspended by hand after it had started")
	case condition == nil && pod != nil && pod.DeletionTimestamp != nil:
		if left := pod.DeletionTimestamp.Add(lostAfter).Sub(sight.Now); left > 0 {
			return a, left
		}
		o.lose("the pod " + pod.Name + " was deleted and does not end, as where its node " + pod.Spec.NodeName + " is lost; it may still run there")
	case condition == nil:
		return a, cmp.Or(o.wait(), net)
	case condition.Type == batchv1.JobComplete:
		o.complete(condition)
	default:
		o.fail(condition)
	}
	o.conclude()
	return a, 0
}

const (
	// lostAfter is how long after its time a pod may take to end that was deleted.
	lostAfter = 5 * time.Minute
	// net is when an attempt that is under way is looked at again whatever happens: somebody
	// may have taken off the labels by which events find it.
	net = 5 * time.Minute
)

// Resumable tells whether a Job waits to be set going, or was set going by another: that is
// written on it, since its own status forgets its start when it is suspended.
func Resumable(job *batchv1.Job) bool { return !resumed(job) && job.DeletionTimestamp == nil }

func resumed(job *batchv1.Job) bool { return job.Annotations[ResumedAnnotation] != "" }

// suspendedLater tells whether a Job was suspended after it had been set going.
func suspendedLater(job *batchv1.Job) bool {
	return ptr.Deref(job.Spec.Suspend, false) && resumed(job)
}

// finished is the condition by which a Job has ended; nil while it has not.
func finished(job *batchv1.Job) *batchv1.JobCondition {
	for i, c := range job.Status.Conditions {
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			return &job.Status.Conditions[i]
		}
	}
	return nil
}

// observer writes what is seen into an attempt.
type observer struct {
	attempt *Attempt
	sight   Sight
}

// pod is the one of the Job. There is never a second: should somebody make one by hand
// that claims to be the Job's, the first counts.
func (o observer) pod() *corev1.Pod {
	own := slices.DeleteFunc(slices.Clone(o.sight.Pods), func(p corev1.Pod) bool {
		owner := metav1.GetControllerOf(&p)
		return owner == nil || owner.UID != o.sight.Job.UID
	})
	if len(own) == 0 {
		return nil
	}
	return ptr.To(slices.MinFunc(own, func(a, b corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	}))
}

// at is the first step that has not ended well.
func (o observer) at() *api.InstallationStep {
	for i := range o.attempt.Steps {
		if !endedWell(o.attempt.Steps[i]) {
			return &o.attempt.Steps[i]
		}
	}
	return nil
}

// readContainers takes what the pod's containers show, in the order of the steps, up to
// the first that has not ended well.
func (o observer) readContainers(pod *corev1.Pod) {
	for step := o.at(); step != nil; step = o.at() {
		c := statusOf(pod, containerOf(step.Name))
		if c == nil {
			return
		}
		if t := c.State.Terminated; t != nil && t.ExitCode == 0 {
			o.succeed(step, t)
			if !endedWell(*step) {
				return
			}
			continue
		}
		o.readUnfinished(step, pod, c)
		return
	}
}

// readUnfinished takes what a container shows that runs, waits or has failed.
func (o observer) readUnfinished(step *api.InstallationStep, pod *corev1.Pod, c *corev1.ContainerStatus) {
	switch {
	case c.State.Terminated != nil:
		o.run(step, c.State.Terminated.StartedAt)
		if finished(o.sight.Job) != nil {
			o.failContainer(step, pod, c.State.Terminated)
		}
	case c.State.Running != nil:
		o.run(step, c.State.Running.StartedAt)
	case c.State.Waiting != nil:
		o.waitContainer(step, c.State.Waiting)
	}
}

// run says that the step runs; what it waited for is over.
func (o observer) run(step *api.InstallationStep, since metav1.Time) {
	step.State, step.StartedAt, step.Reason, step.Message = api.StepRunning, moment(since), "", ""
}

// statusOf a container, of those that run before others or at last.
func statusOf(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// lose says that nobody can know how the step ended.
func (o observer) lose(why string) {
	step := o.at()
	step.State, step.Reason = api.StepUnknown, api.OutcomeUnknownReason
	step.Message = status.Message(why + "; whether " + step.Name + " did its work is not known, and it is not run again by itself: " + howToRetry)
	step.FinishedAt = moment(metav1.NewTime(o.sight.Now))
}

// howToRetry ends the message of what only somebody can set going again.
const howToRetry = "change the spec, or set the annotation " + api.RetryAnnotation + " to a new value"

// moment is a time as the API holds it; nil for none.
func moment(t metav1.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return ptr.To(t.Rfc3339Copy())
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/status"
	runner "provisioning.dev/extension-operator/internal/step"
)

// succeed takes the good end of a container. Only Configure has something to say that is
// needed: without it, there is nothing that could be approved.
func (o observer) succeed(step *api.InstallationStep, t *corev1.ContainerStateTerminated) {
	said, err := reported(t.Message, step.Name)
	step.State, step.Reason, step.Message = api.StepSucceeded, "", ""
	step.StartedAt, step.FinishedAt, step.ExitCode = moment(t.StartedAt), moment(t.FinishedAt), ptr.To(t.ExitCode)
	switch {
	case err != nil:
		step.Message = status.Message("its message " + err.Error())
	case said.Reason == runner.HookMissing:
		step.State, step.Message = api.StepSkipped, "the extension has no hook "+containerOf(step.Name)
	case said.Reason == runner.NotConfigured:
		step.State, step.Message = api.StepSkipped, "nothing can be configured any more"
		if !o.attempt.Hidden {
			step.Message = status.Message(step.Message + ": " + said.Message)
		}
	case !o.attempt.Hidden:
		step.Message = status.Message(said.Message)
	}
	if step.Name == api.ConfigureStep && o.attempt.Purpose != api.UninstallPurpose {
		o.takeConfiguration(step, said)
	}
}

// takeConfiguration makes the plan whole.
func (o observer) takeConfiguration(step *api.InstallationStep, said runner.Report) {
	plan := &o.attempt.Plan
	plan.ConfigDigest = string(said.ConfigDigest)
	if plan.ConfigDigest == "" {
		if o.attempt.Purpose == api.PlanPurpose {
			step.State, step.Reason = api.StepFailed, api.RunnerFailedReason
			step.Message = "Configure ended well, but did not say what came of it, so there is nothing to approve; " + howToRetry
		}
		return
	}
	plan.Digest = string(PlanDigest(*plan))
	if !o.attempt.Hidden {
		plan.Changes, plan.ChangesOmitted = changesOf(said)
	}
}

// failContainer takes the bad end of a container, of a Job that has ended.
func (o observer) failContainer(step *api.InstallationStep, pod *corev1.Pod, t *corev1.ContainerStateTerminated) {
	said, err := reported(t.Message, step.Name)
	step.State, step.FinishedAt, step.ExitCode = api.StepFailed, moment(t.FinishedAt), ptr.To(t.ExitCode)
	step.Reason = reasonOf(said, step.Name, t.ExitCode)
	ownWords := err == nil && (t.ExitCode == exitHook || t.ExitCode == exitRefused)
	switch job := finished(o.sight.Job); {
	case t.Reason == "OOMKilled":
		step.Reason = api.OutOfMemoryReason
		step.Message = step.Name + " used more memory than its limit; raise spec.podOptions.resources.limits.memory"
		return
	case ownWords:
	case job.Reason == batchv1.JobReasonDeadlineExceeded:
		o.exceed(step)
		return
	case disrupted(pod) || job.Reason == batchv1.JobReasonPodFailurePolicy:
		o.disrupt(step, pod)
		return
	case pod.DeletionTimestamp != nil:
		o.lose("the pod " + pod.Name + " was deleted while " + step.Name + " ran")
		return
	}
	step.Message = o.failure(step, said, err)
}

// failure is what is told of a container that has failed by itself.
func (o observer) failure(step *api.InstallationStep, said runner.Report, err error) string {
	words := said.Message
	switch {
	case err != nil:
		words = "its message " + err.Error()
	case o.attempt.Hidden && step.Name != api.ConfigureStep: // what Configure says is the runner's, which hides what must be
		words = "what it said is not shown, because a value came from a Secret"
	case words == "":
		words = "it said nothing"
	}
	code := ""
	if said.Code != "" {
		code = ", code " + said.Code
	}
	return status.Message(fmt.Sprintf("%s failed with exit code %d%s: %s", step.Name, *step.ExitCode, code, words))
}

// complete: a Job that is complete has a pod all of whose containers ended with 0, also
// where the pod is gone and its containers were not seen.
func (o observer) complete(c *batchv1.JobCondition) {
	for step := o.at(); step != nil && !ended(*step); step = o.at() {
		o.succeed(step, &corev1.ContainerStateTerminated{FinishedAt: c.LastTransitionTime})
		if endedWell(*step) {
			step.Message = "its pod is gone; that it ended well is what the Job says"
		}
	}
}

// fail: a Job that has failed says why, where its containers do not.
func (o observer) fail(c *batchv1.JobCondition) {
	step := o.at()
	if step == nil || ended(*step) {
		return
	}
	step.State, step.FinishedAt = api.StepFailed, moment(c.LastTransitionTime)
	pod := o.pod()
	switch {
	case c.Reason == batchv1.JobReasonDeadlineExceeded:
		o.exceed(step)
	case pod != nil && disrupted(pod) || c.Reason == batchv1.JobReasonPodFailurePolicy:
		o.disrupt(step, pod)
	default:
		o.lose("the pod of the Job " + o.sight.Job.Name + " was deleted before its end was seen")
	}
}

// exceed says that time was up, and what the step had waited for, if it had not run.
func (o observer) exceed(step *api.InstallationStep) {
	before := ""
	if step.Reason == api.PodPendingReason || step.Reason == api.ImagePullFailedReason {
		before = "; before, " + step.Message
	}
	what := step.Name
	if o.pod() == nil && before == "" {
		what += ", or a step after it," // its pod is gone, and its last containers may not have been seen
	}
	limit := time.Duration(ptr.Deref(o.sight.Job.Spec.ActiveDeadlineSeconds, 0)) * time.Second
	step.Reason = api.DeadlineExceededReason
	step.Message = status.Message(fmt.Sprintf("%s had not ended when the Job's %s were over%s", what, limit, before))
}

// disrupted tells whether the cluster took the pod away.
func disrupted(pod *corev1.Pod) bool {
	if pod.Status.Reason == "Evicted" {
		return true
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

func (o observer) disrupt(step *api.InstallationStep, pod *corev1.Pod) {
	why := ""
	if pod != nil {
		why = pod.Status.Message
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.DisruptionTarget && c.Message != "" {
				why = c.Message
			}
		}
	}
	if why != "" {
		why = ": " + printable(strings.TrimSuffix(why, "."))
	}
	step.Reason = api.DisruptedReason
	step.Message = status.Message("the cluster took the pod away while " + step.Name + " was under way" + why)
}

// conclude says of a failure what leads on.
func (o observer) conclude() {
	step := o.at()
	if step == nil || step.State != api.StepFailed || strings.HasSuffix(step.Message, howToRetry) {
		return
	}
	const room = len("; ") + len(howToRetry)
	words := status.Cut(step.Message, api.MaxMessageLength-room)
	step.Message = words + "; " + howToRetry
	if step.FinishedAt == nil {
		step.FinishedAt = moment(metav1.NewTime(o.sight.Now))
	}
}

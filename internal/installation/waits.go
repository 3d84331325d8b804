// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/status"
)

// patience is how long a pod may take to be made or started before people are told.
const patience = 30 * time.Second

// pullFailures are a kubelet's words for an image that it cannot get.
var pullFailures = []string{"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"}

// underWay are a kubelet's words for a container whose time has not come.
var underWay = []string{"PodInitializing", "ContainerCreating"}

// waitContainer takes what keeps a container from starting. It may pass until the Job's
// deadline.
func (o observer) waitContainer(step *api.InstallationStep, w *corev1.ContainerStateWaiting) {
	said := printable(w.Message)
	switch {
	case slices.Contains(underWay, w.Reason):
		return
	case slices.Contains(pullFailures, w.Reason):
		if step.Reason == api.ImagePullFailedReason {
			return // a kubelet says it in turns: once is enough
		}
		o.tell(step, api.ImagePullFailedReason, "the image "+o.attempt.Plan.Image+" cannot be pulled ("+w.Reason+"): "+said)
	default:
		o.tell(step, api.PodPendingReason, "its container cannot start ("+w.Reason+"): "+said)
	}
}

func (o observer) tell(step *api.InstallationStep, reason, message string) {
	step.State, step.Reason, step.Message = api.StepWaiting, reason, status.Message(strings.TrimSuffix(message, ": "))
}

// wait looks at what a Job that has not ended waits for, and says when to look again.
func (o observer) wait() time.Duration {
	step := o.at()
	if step == nil || step.State == api.StepRunning || step.Reason == api.ImagePullFailedReason {
		return 0
	}
	pod := o.pod()
	if pod == nil {
		return o.impatient(step, o.sight.Job.Status.StartTime, "the cluster has made no pod for the Job "+o.sight.Job.Name+
			"; a quota, a LimitRange, the namespace's Pod Security or a missing ServiceAccount may be why")
	}
	scheduled := podCondition(pod, corev1.PodScheduled)
	switch {
	case scheduled == nil || scheduled.Status != corev1.ConditionTrue:
		if scheduled != nil && scheduled.Reason == corev1.PodReasonUnschedulable {
			o.tell(step, api.PodPendingReason, "the pod "+pod.Name+" fits on no node: "+printable(scheduled.Message))
			return 0
		}
		return o.impatient(step, ptr.To(pod.CreationTimestamp), "the pod "+pod.Name+" has no node yet")
	case step.Name == api.ConfigureStep && step.State == api.StepPending:
		return o.impatient(step, ptr.To(scheduled.LastTransitionTime), "the pod "+pod.Name+
			" does not start; a ConfigMap or Secret of spec.valuesFrom may be missing, or lack its key")
	}
	return 0
}

// impatient tells of a wait that lasts, with what the cluster says about it.
func (o observer) impatient(step *api.InstallationStep, since *metav1.Time, message string) time.Duration {
	if since.IsZero() {
		return 0 // not yet resumed, or its start not yet seen: an event comes
	}
	if left := since.Add(patience).Sub(o.sight.Now); left > 0 {
		return left
	}
	if o.sight.Warning != "" {
		message += ": " + printable(o.sight.Warning)
	}
	o.tell(step, api.PodPendingReason, message)
	return 0
}

func podCondition(pod *corev1.Pod, conditionType corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == conditionType {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/status"
)

// Transition tells whether the way from one status to the next is worth an Event: another
// attempt or step, another state of it, or another reason for not being Ready.
func Transition(before, after api.InstallationStatus) (status.Event, bool) {
	was := meta.FindStatusCondition(before.Conditions, api.ReadyCondition)
	is := meta.FindStatusCondition(after.Conditions, api.ReadyCondition)
	if is == nil {
		return status.Event{}, false
	}
	sameAttempt := before.Attempt != nil && after.Attempt != nil && before.Attempt.Number == after.Attempt.Number || before.Attempt == after.Attempt
	if was != nil && was.Reason == is.Reason && before.Step == after.Step && sameAttempt {
		return status.Event{}, false
	}
	e := status.Event{Type: corev1.EventTypeNormal, Reason: is.Reason, Message: is.Message}
	trouble := is.Reason == api.PodPendingReason || is.Reason == api.ImagePullFailedReason || is.Reason == api.CreateRefusedReason
	if meta.IsStatusConditionPresentAndEqual(after.Conditions, api.StalledCondition, metav1.ConditionTrue) || trouble {
		e.Type = corev1.EventTypeWarning
	}
	return e, true
}

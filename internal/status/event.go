// SPDX-License-Identifier: Apache-2.0

package status

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// Event is what a transition tells people.
type Event struct {
	// Type is Normal or Warning, as corev1 has them.
	Type    string
	Reason  string
	Message string
}

// Transition tells whether the step from one status to the next is worth an
// Event: Ready changed its status or reason, another version or content was
// loaded, or a reload was answered. A slow load is told by its end alone.
func Transition(before, after api.ExtensionStatus) (Event, bool) {
	was := meta.FindStatusCondition(before.Conditions, api.ReadyCondition)
	is := meta.FindStatusCondition(after.Conditions, api.ReadyCondition)
	if is == nil || is.Reason == api.LoadingReason {
		return Event{}, false
	}
	same := was != nil && was.Status == is.Status && was.Reason == is.Reason &&
		before.Digest == after.Digest && before.Version == after.Version &&
		before.LastHandledReloadAt == after.LastHandledReloadAt
	if same {
		return Event{}, false
	}
	event := Event{Type: corev1.EventTypeWarning, Reason: is.Reason, Message: is.Message}
	if is.Status == metav1.ConditionTrue || is.Reason == api.SuspendedReason || is.Reason == api.AwaitingRequestReason {
		event.Type = corev1.EventTypeNormal
	}
	return event, true
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Observer is told what objects were told. It must not make anybody wait.
type Observer interface {
	// Reloaded is told of each reload token that was handled.
	Reloaded(record extension.VerdictRecord)
	// Refused is told when an object is given up until something changes.
	Refused(record extension.VerdictRecord)
}

// report tells the observer what a status that was just written says for the first
// time. Since it is compared with the status before, a restart tells nothing again.
func (r *Reconciler) report(a *attempt, written api.ExtensionStatus, fault *extension.Fault) {
	before := a.ext.Status
	reloaded := before.LastHandledReloadAt != written.LastHandledReloadAt
	refused := fault != nil && newlyStalled(before, written) // what is suspended keeps its verdict
	if !reloaded && !refused {
		return
	}
	record := extension.VerdictRecord{
		Asker: extension.Asker{Namespace: a.key.Namespace, Name: a.key.Name}, Ref: a.ref(),
		Member: a.outcome.Resolution.Root, InputDigest: a.outcome.InputDigest, At: a.outcome.Now, Fault: fault,
	}
	if refused {
		r.Observer.Refused(record)
	}
	if reloaded {
		record.Token = written.LastHandledReloadAt
		r.Observer.Reloaded(record)
	}
}

// newlyStalled tells whether an object is given up that was not, or not for this
// reason, this generation and this content. Other words for the same do not count.
func newlyStalled(was, is api.ExtensionStatus) bool {
	before, after := meta.FindStatusCondition(was.Conditions, api.StalledCondition), meta.FindStatusCondition(is.Conditions, api.StalledCondition)
	switch {
	case after == nil:
		return false
	case before == nil || before.Reason != after.Reason || before.ObservedGeneration != after.ObservedGeneration:
		return true
	}
	return !equality.Semantic.DeepEqual(was.LastAttempted, is.LastAttempted)
}

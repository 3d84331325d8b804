// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/status"
)

// hold ends the attempt before a load that nobody asks for, where automatic loading is off:
// what is loaded and fits the spec goes on to count, what has failed goes on to have failed,
// and anything else awaits a token.
func (r *Reconciler) hold(a *attempt) {
	settled := a.silent || a.outcome.Suspended || a.outcome.Current
	switch {
	case r.AutoLoad || a.token != "" || settled:
	case a.keeps():
		a.decide(func(o *status.Outcome) { o.Kept = true })
	case a.decided:
	case a.failedEarlier():
		a.decide(func(o *status.Outcome) { o.Stands = true })
	default:
		a.fail(extension.NewFault(extension.AwaitingRequest,
			"%s was found and is not loaded, because automatic loading is off; set the annotation %s to a new value to have it loaded",
			a.outcome.Resolution.Root.Key, api.ReloadAnnotation))
	}
}

// keeps tells whether what is loaded goes on to count: it fits the spec, and it is what the
// newest load gave. One that failed may have been of the same content: this generation is
// stalled then, or awaits a request since there is something else. A failure to find what
// there is now makes no difference to what is Ready, unless it is that a dependency's
// Extension is not.
func (a *attempt) keeps() bool {
	s := a.ext.Status
	failed := a.stalledByLoad() || a.readyReason() == api.AwaitingRequestReason
	if !a.fits() || failed || s.LastAttempted == nil || s.LastAttempted.InputDigest != s.InputDigest {
		return false
	}
	fault := a.outcome.Fault
	return fault == nil || meta.IsStatusConditionTrue(s.Conditions, api.ReadyCondition) && fault.Class() != extension.Waiting
}

// fits tells whether the spec takes what is loaded.
func (a *attempt) fits() bool {
	spec, s := a.ext.Spec, a.ext.Status
	constraint, err := extension.ParseConstraint(spec.Version)
	return s.Version != "" && err == nil && constraint.Accepts(s.Version) && (spec.CatalogRef == nil || spec.CatalogRef.Name == s.Catalog)
}

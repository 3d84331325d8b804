// SPDX-License-Identifier: Apache-2.0

package status

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// conditions sets the condition types that are ours in a list that others may
// share. The tree is small: Ready sums up Resolved, DependenciesReady and Loaded;
// Reconciling and Stalled, of which at most one is there, tell what a failure waits for.
type conditions struct {
	list       *[]metav1.Condition
	generation int64
	now        metav1.Time
}

func (c conditions) set(conditionType string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.list, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: cut(message, api.MaxMessageLength),
		ObservedGeneration: c.generation, LastTransitionTime: c.now,
	})
}

func (c conditions) remove(conditionTypes ...string) {
	for _, t := range conditionTypes {
		meta.RemoveStatusCondition(c.list, t)
	}
}

// ours are the condition types that this operator owns.
var ours = []string{
	api.ReadyCondition, api.ResolvedCondition, api.DependenciesReadyCondition,
	api.LoadedCondition, api.StalledCondition,
}

// suspend keeps every verdict on what is loaded and marks it as seen at this
// generation. Where nothing is loaded, it is why.
func (c conditions) suspend(lastGood string) {
	c.remove(api.ReconcilingCondition)
	if lastGood == "" {
		c.remove(api.StalledCondition)
		c.set(api.ReadyCondition, metav1.ConditionFalse, api.SuspendedReason,
			"suspended before the first load; set spec.suspend to false to load")
	}
	c.seen()
}

// seen marks what is said as true at this generation too.
func (c conditions) seen() {
	for _, t := range ours {
		if found := meta.FindStatusCondition(*c.list, t); found != nil {
			found.ObservedGeneration = c.generation
		}
	}
}

// stay leaves the verdict as it is, but for a failure that would meet a reload of key, which
// is said beside it. What may pass by itself is not worth a write.
func (c conditions) stay(o Outcome, key string) {
	if o.Kept && o.Class() == extension.Terminal {
		c.good(key, o.awaited(key))
	}
	c.seen()
}

// good says that key is loaded and is what is wanted, and what there is beside it.
func (c conditions) good(key, beside string) {
	c.remove(api.ReconcilingCondition, api.StalledCondition)
	c.set(api.ReadyCondition, metav1.ConditionTrue, api.LoadedReason, "loaded "+key+beside)
	c.set(api.ResolvedCondition, metav1.ConditionTrue, api.ResolvedReason, "found "+key)
	c.set(api.LoadedCondition, metav1.ConditionTrue, api.LoadedReason, "loaded "+key)
}

// loading says that key is being loaded; lastGood, if any, stays loaded meanwhile.
func (c conditions) loading(key, lastGood string) {
	message := "loading " + key
	c.remove(api.StalledCondition)
	c.set(api.ReadyCondition, metav1.ConditionFalse, api.LoadingReason, message)
	c.set(api.ReconcilingCondition, metav1.ConditionTrue, api.LoadingReason, message)
	c.set(api.ResolvedCondition, metav1.ConditionTrue, api.ResolvedReason, "found "+key)
	c.loaded(lastGood, api.LoadingReason, message)
}

// failed says what went wrong, and by its class what it waits for.
func (c conditions) failed(o Outcome, lastGood string) {
	reason, message := Reason(o.Fault.Code), o.Fault.Message
	c.set(api.ReadyCondition, metav1.ConditionFalse, reason, message)
	// What stays True is set over, not removed first: it keeps its transition time.
	switch o.Class() {
	case extension.Terminal:
		c.remove(api.ReconcilingCondition)
		c.set(api.StalledCondition, metav1.ConditionTrue, reason, message)
	case extension.Retryable:
		c.remove(api.StalledCondition)
		c.set(api.ReconcilingCondition, metav1.ConditionTrue, reason, message)
	default:
		c.remove(api.ReconcilingCondition, api.StalledCondition)
	}
	if o.Resolution.Found() {
		c.set(api.ResolvedCondition, metav1.ConditionTrue, api.ResolvedReason, "found "+o.Resolution.Root.Key.String())
	} else {
		c.set(api.ResolvedCondition, metav1.ConditionFalse, reason, message)
	}
	c.loaded(lastGood, reason, message)
}

// loaded is True while there is a last good load, whatever came after it.
func (c conditions) loaded(lastGood, reason, message string) {
	if lastGood != "" {
		c.set(api.LoadedCondition, metav1.ConditionTrue, api.LoadedReason, "loaded "+lastGood)
		return
	}
	c.set(api.LoadedCondition, metav1.ConditionFalse, reason, message)
}

// Refused is the status to write when the API server has refused another: that
// of before, with so little changed that nothing of it can be refused.
func Refused(ext *api.Extension, o Outcome) api.ExtensionStatus {
	s := *ext.Status.DeepCopy()
	s.ObservedGeneration = ext.Generation
	c := conditions{list: &s.Conditions, generation: ext.Generation, now: metav1.NewTime(o.Now).Rfc3339Copy()}
	const message = "the API server refused this object's status; check that the installed CRD is that of the operator's version"
	c.remove(api.ReconcilingCondition)
	c.set(api.ReadyCondition, metav1.ConditionFalse, api.InternalErrorReason, message)
	c.set(api.StalledCondition, metav1.ConditionTrue, api.InternalErrorReason, message)
	c.seen()
	if o.Answers() {
		s.LastHandledReloadAt = o.Token
	}
	return s
}

// Reason of a condition for a Fault's code: the codes are the API's reasons.
func Reason(code extension.Code) string { return string(code) }

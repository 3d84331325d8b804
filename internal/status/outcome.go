// SPDX-License-Identifier: Apache-2.0

package status

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Outcome is what one reconcile of an Extension found. Exactly one of Suspended,
// Loaded, Current, Kept, Stands, Loading and Fault is set, but that beside Kept there may be a Fault.
type Outcome struct {
	// Suspended: nothing was looked at, because spec.suspend says so.
	Suspended bool
	// Loaded is a good load of Resolution's plan.
	Loaded *extension.Loaded
	// Current: what the status calls loaded is what Resolution's plan asks for.
	Current bool
	// Kept: what the status calls loaded goes on to count until a reload token asks for more.
	// Resolution, or Fault, is what the token would get.
	Kept bool
	// Stands: what the status says of a load that failed for good is what this generation is about too.
	Stands bool
	// Loading: a load is under way and takes so long that people should be told.
	Loading bool
	// Fault is why there is no good load.
	Fault *extension.Fault

	// Resolution as far as it came.
	Resolution extension.Resolution
	// InputDigest of the plan; empty when it could not be had.
	InputDigest extension.Digest
	// Synced: every catalog was read since the spec last changed, and what is missing was given
	// its time to come.
	Synced bool
	// Token is the reload token that this outcome answers; empty for none.
	Token string
	// Now is the time of the outcome.
	Now time.Time
}

// Class of the outcome's Fault, with what is known of the catalogs applied: one
// of Terminal, Waiting and Retryable.
func (o Outcome) Class() extension.Class {
	class := o.Fault.Class()
	if class != extension.TerminalOnceSynced {
		return class
	}
	if o.Synced {
		return extension.Terminal
	}
	return extension.Waiting
}

// Compute returns the status that ext should have after outcome. Conditions of
// other owners are carried over; the last good load changes only by a new one.
func Compute(ext *api.Extension, o Outcome) api.ExtensionStatus {
	s := *ext.Status.DeepCopy()
	s.ObservedGeneration = ext.Generation
	c := conditions{list: &s.Conditions, generation: ext.Generation, now: metav1.NewTime(o.Now).Rfc3339Copy()}
	switch {
	case o.Suspended:
		c.suspend(s.Key)
		return s
	case o.Stands, o.Kept && o.Fault != nil:
		c.stay(o, s.Key)
		return s
	}
	explain(&s, o)
	policy := ext.Spec.DependencyPolicy
	if o.Resolution.Found() && (o.Fault == nil || len(o.Resolution.Dependencies) > 0) {
		recordDependencies(&s, policy, o)
	}
	if o.ended() && o.Resolution.Found() {
		recordAttempt(&s, ext.Generation, o)
	}
	switch {
	case o.Loaded != nil:
		recordLoaded(&s, o)
		c.good(s.Key, "")
	case o.Current:
		relocate(&s, o.Resolution.Root)
		c.good(s.Key, "")
	case o.Kept:
		c.good(s.Key, o.awaited(s.Key))
	case o.Loading:
		c.loading(o.Resolution.Root.Key.String(), s.Key)
	default:
		c.failed(o, s.Key)
	}
	c.dependencies(policy, o)
	if o.Answers() {
		s.LastHandledReloadAt = o.Token
	}
	cutDependencies(&s)
	return s
}

// ended tells whether the attempt came to an end, good or terminal: not while a
// load is under way, nor while a failure waits or may pass by itself, nor where there was
// none.
func (o Outcome) ended() bool {
	switch {
	case o.Kept || o.Stands:
		return false
	case o.Fault != nil:
		return o.Class() == extension.Terminal
	}
	return !o.Loading
}

// awaited is what waits for a reload token beside the loaded key, to be said after it.
func (o Outcome) awaited(key string) string {
	switch {
	case o.Fault != nil:
		return "; a reload would end in " + Reason(o.Fault.Code) + ": " + o.Fault.Message
	case o.Resolution.Root.Key.String() == key:
		return "; changed content of it or of a dependency, or another Nushell, waits for a reload token"
	}
	return "; " + o.Resolution.Root.Key.String() + " waits for a reload token"
}

// Answers tells whether the outcome has a reload token that counts as answered by it.
func (o Outcome) Answers() bool { return o.Token != "" && o.ended() }

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
	"provisioning.dev/extension-operator/internal/status"
)

// attempt carries one reconcile through its steps. A step that settles the
// outcome sets decided, and the later ones leave it alone.
type attempt struct {
	ext *api.Extension
	key types.NamespacedName
	rec *record
	// woken: an event, not a timer or an own write, led here.
	woken bool
	epoch uint64
	// token is the reload token to answer; empty for none, or for not yet.
	token string
	// again is when to look again without an event; 0 for never.
	again time.Duration

	outcome status.Outcome
	decided bool
	// silent: what the status says is right as it is.
	silent bool
}

// begin gathers what is known before anything is asked.
func (r *Reconciler) begin(ext *api.Extension, rec *record) *attempt {
	now := r.Now()
	a := &attempt{ext: ext, key: client.ObjectKeyFromObject(ext), rec: rec, outcome: status.Outcome{Now: now}}
	a.woken, a.epoch = r.Wakes.take(a.key)
	if !ext.Spec.Suspend {
		a.takeToken(now)
	}
	return a
}

// takeToken finds the reload token to answer. A new token that comes too soon
// after the last waits, and the newest is the one that will be found then.
func (a *attempt) takeToken(now time.Time) {
	token := recordedToken(a.ext.Annotations[api.ReloadAnnotation])
	if token == "" || token == a.ext.Status.LastHandledReloadAt {
		return
	}
	if last := a.rec.reload; last.token != token {
		if wait := last.at.Add(reloadInterval).Sub(now); wait > 0 {
			a.again = wait
			return
		}
		a.rec.reload.token, a.rec.reload.at = token, now
	}
	a.token = token
}

// recordedToken is the form in which a token is kept: itself, or its digest when
// it is longer than the status holds.
func recordedToken(token string) string {
	if len(token) <= api.MaxTokenLength {
		return token
	}
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// rest tells whether there is nothing to do yet: the object goes away, or a
// backoff has not run out and nothing has happened that could make a difference.
func (a *attempt) rest() bool {
	if !a.ext.DeletionTimestamp.IsZero() {
		return true
	}
	if a.woken || a.ext.Spec.Suspend {
		return false
	}
	remaining := a.rec.backoff.remaining(a.ext.Generation, a.token, a.outcome.Now)
	if remaining > 0 {
		a.again = remaining
	}
	return remaining > 0
}

// question is what resolve is asked. What is loaded is a floor: only a change of
// the spec or a reload token lowers a version.
func (a *attempt) question(refresh bool) resolve.Request {
	spec := a.ext.Spec
	ref := extension.Ref{Type: extension.Type(spec.Type), Name: spec.Name, Constraint: spec.Version}
	if spec.CatalogRef != nil {
		ref.Catalog = spec.CatalogRef.Name
	}
	req := resolve.Request{Ref: ref, Namespace: a.ext.Namespace, Refresh: refresh}
	last, loaded := a.ext.Status.LastAttempted, a.ext.Status.Version
	if a.token != "" || loaded == "" || last == nil || last.Generation != a.ext.Generation {
		return req
	}
	if constraint, err := extension.ParseConstraint(spec.Version); err == nil && constraint.Accepts(loaded) {
		req.Floor = loaded
	}
	return req
}

// decide settles the outcome.
func (a *attempt) decide(set func(*status.Outcome)) {
	set(&a.outcome)
	a.decided = true
	if a.outcome.Token == "" {
		a.outcome.Token = a.token
	}
}

func (a *attempt) fail(err error) {
	a.decide(func(o *status.Outcome) { o.Fault = extension.AsFault(err) })
}

// nothingNew ends the attempt without a word.
func (a *attempt) nothingNew() { a.decided, a.silent = true, true }

// wait leaves a load under way: silent at first, told about when it is slow, a
// LoadTimeout when this object has waited long enough. Others may wait on.
func (a *attempt) wait(w *waiting) {
	timeout := defaultTimeout
	if a.ext.Spec.Timeout != nil {
		timeout = a.ext.Spec.Timeout.Duration
	}
	waited, slow := a.outcome.Now.Sub(w.since), min(slowLoad, timeout)
	switch {
	case waited >= timeout:
		a.fail(extension.NewTransientFault(extension.LoadTimeout, nil,
			"loading %s took longer than spec.timeout (%s); it goes on and is looked at again; raise spec.timeout if the extension is slow to load",
			a.outcome.Resolution.Plan.Root().Key, timeout))
		return
	case waited < slow:
		a.nothingNew()
		a.again = slow - waited
		return
	case a.alreadyReconciling():
		a.nothingNew()
	default:
		a.decide(func(o *status.Outcome) { o.Loading = true })
	}
	a.again = timeout - waited
}

// sameContent tells whether the plan's root is what was loaded last, for the
// case that the toolchain cannot be asked: nothing needs it then.
func (a *attempt) sameContent() bool {
	root, s := a.outcome.Resolution.Plan.Root(), a.ext.Status
	return a.token == "" && s.Version == root.Key.Version && s.Catalog == root.Catalog && s.Digest == string(root.Digest)
}

// loadedAlready tells whether the plan is what was loaded last, from the same place.
func (a *attempt) loadedAlready() bool {
	root, s := a.outcome.Resolution.Plan.Root(), a.ext.Status
	return s.InputDigest == string(a.outcome.InputDigest) && s.Catalog == root.Catalog && s.Path == root.Path
}

// failedBefore tells whether this very input has failed for good already, also
// in an earlier process.
func (a *attempt) failedBefore() bool {
	last := a.ext.Status.LastAttempted
	return a.alreadyStalled() && last != nil &&
		last.Generation == a.ext.Generation && last.InputDigest == string(a.outcome.InputDigest)
}

// alreadyStalled tells whether the status has given up on this generation.
func (a *attempt) alreadyStalled() bool { return a.says(api.StalledCondition) }

// alreadyReconciling tells whether the status speaks of work on this generation:
// it is not told again in other words while a try follows a try.
func (a *attempt) alreadyReconciling() bool { return a.says(api.ReconcilingCondition) }

func (a *attempt) says(conditionType string) bool {
	found := meta.FindStatusCondition(a.ext.Status.Conditions, conditionType)
	return found != nil && found.ObservedGeneration == a.ext.Generation
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
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
	// token is the reload token to answer; empty for none, or for not yet.
	token string
	// again is when to look again without an event; 0 for never.
	again time.Duration

	outcome status.Outcome
	decided bool
	// silent: what the status says is right as it is.
	silent bool
	// consumed: the outcome is that of the load that the object waited for.
	consumed bool
}

// begin gathers what is known before anything is asked.
func (r *Reconciler) begin(ext *api.Extension, rec *record) *attempt {
	now := r.Now()
	a := &attempt{ext: ext, key: client.ObjectKeyFromObject(ext), rec: rec, outcome: status.Outcome{Now: now}}
	a.woken = r.Wakes.take(a.key)
	if !ext.Spec.Suspend {
		a.takeToken(now)
	}
	a.outcome.Token, rec.looked = a.token, ext.Generation
	return a
}

// takeToken finds the reload token to answer. One that was begun is finished
// first; a newer one waits for that and for its time, and of several the newest
// is found then.
func (a *attempt) takeToken(now time.Time) {
	wanted, reload := api.RecordedToken(a.ext.Annotations[api.ReloadAnnotation]), &a.rec.reload
	if reload.open {
		a.token = reload.token
	}
	if wanted == "" || wanted == a.token || wanted == a.ext.Status.LastHandledReloadAt || a.token != "" && a.rec.waitsFor(a.token) {
		return
	}
	if wait := reload.at.Add(reloadInterval).Sub(now); wait > 0 {
		a.lookAgain(wait)
		return
	}
	*reload = reloading{token: wanted, at: now, open: true, insists: a.rec.looked == a.ext.Generation && a.ext.Status.ObservedGeneration == a.ext.Generation}
	a.token = wanted
}

// lookAgain sets when to look again without an event: the soonest counts.
func (a *attempt) lookAgain(in time.Duration) {
	if a.again == 0 || in < a.again {
		a.again = in
	}
}

// timers is the priority of an object that only the clock brings back: it goes behind
// those that something has happened to, of which there are fewer.
const timers = -10

// later is what the controller does with the object next.
func (a *attempt) later() ctrl.Result {
	if a.again == 0 {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: a.again, Priority: ptr.To(timers)}
}

// rest tells whether there is nothing to do yet: the object goes away, or a
// backoff has not run out and nothing has happened that could make a difference.
func (a *attempt) rest() bool {
	if !a.ext.DeletionTimestamp.IsZero() {
		return true
	}
	if a.woken || a.ext.Spec.Suspend || a.rec.waiting != nil && a.rec.waiting.flight.Ended() {
		return false
	}
	remaining := a.rec.backoff.remaining(a.ext.Generation, a.token, a.outcome.Now)
	if remaining > 0 {
		a.lookAgain(remaining)
	}
	return remaining > 0
}

// ref is what the object asks for.
func (a *attempt) ref() extension.Ref {
	spec := a.ext.Spec
	ref := extension.Ref{Type: extension.Type(spec.Type), Name: spec.Name, Constraint: spec.Version}
	if spec.CatalogRef != nil {
		ref.Catalog = spec.CatalogRef.Name
	}
	return ref
}

// question is what resolve is asked. What is loaded is a floor: only a change of
// the spec or a reload token lowers a version.
func (a *attempt) question(refresh bool) resolve.Request {
	spec := a.ext.Spec
	req := resolve.Request{Ref: a.ref(), Namespace: a.ext.Namespace, Policy: resolve.Policy(spec.DependencyPolicy), Refresh: refresh}
	last, loaded := a.ext.Status.LastAttempted, a.ext.Status.Version
	if a.token != "" || loaded == "" || last == nil || last.Generation != a.ext.Generation {
		return req
	}
	req.Floors = a.floors()
	if constraint, err := extension.ParseConstraint(spec.Version); err == nil && constraint.Accepts(loaded) {
		req.Floor = loaded
		if extension.CompareVersions(last.Version, loaded) < 0 {
			req.Floor = last.Version // it was asked for, and failed for now
		}
	}
	return req
}

// floors are the versions of the dependencies that are loaded, or the lower ones that
// were asked for since, and failed for now.
func (a *attempt) floors() []extension.Key {
	floors := status.LoadedDependencies(a.ext.Status)
	for _, d := range a.ext.Status.Dependencies {
		for i, floor := range floors {
			same := string(floor.Type) == d.Type && floor.Name == d.Name && d.Version != ""
			if same && extension.CompareVersions(d.Version, floor.Version) < 0 {
				floors[i].Version = d.Version
			}
		}
	}
	return floors
}

// subject of the attempt, once it is decided.
func (a *attempt) subject() subject {
	s := subject{generation: a.ext.Generation, token: a.token, input: a.outcome.InputDigest}
	if a.outcome.Fault != nil {
		s.code = a.outcome.Fault.Code
	}
	return s
}

// decide settles the outcome.
func (a *attempt) decide(set func(*status.Outcome)) {
	set(&a.outcome)
	a.decided = true
}

func (a *attempt) fail(err error) {
	a.decide(func(o *status.Outcome) { o.Fault = extension.AsFault(err) })
}

// missing notes since when what is asked for is not there. A failure of another kind says
// nothing about that.
func (a *attempt) missing() {
	switch {
	case a.outcome.Fault == nil:
		a.rec.missingSince = time.Time{}
	case a.outcome.Fault.Class() == extension.TerminalOnceSynced && a.rec.missingSince.IsZero():
		a.rec.missingSince = a.outcome.Now
	}
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
	case waited >= timeout && a.readyReason() == api.LoadTimeoutReason:
		a.nothingNew() // the end of the load leads on
		return
	case waited >= timeout:
		a.fail(extension.NewTransientFault(extension.LoadTimeout, nil,
			"loading %s took longer than spec.timeout (%s); it goes on and is looked at again; raise spec.timeout if the extension is slow to load",
			a.outcome.Resolution.Plan.Root().Key, timeout))
		return
	case waited < slow:
		a.nothingNew()
		a.lookAgain(slow - waited)
		return
	case a.alreadyReconciling():
		a.nothingNew()
	default:
		a.decide(func(o *status.Outcome) { o.Loading = true })
	}
	a.lookAgain(timeout - waited)
}

// sameContent tells whether the plan is what was loaded last, for the case that the
// toolchain cannot be asked: nothing needs it then.
func (a *attempt) sameContent() bool {
	root, s := a.outcome.Resolution.Plan.Root(), a.ext.Status
	failed := a.stalledByLoad() && s.LastAttempted.Digest == s.Digest
	return a.token == "" && !failed && s.Version == root.Key.Version && s.Catalog == root.Catalog && s.Digest == string(root.Digest) &&
		status.SameDependencies(s, a.ext.Spec.DependencyPolicy, a.outcome.Resolution.Dependencies)
}

// loadedAlready tells whether the plan is what was loaded last.
func (a *attempt) loadedAlready() bool {
	return a.ext.Status.InputDigest == string(a.outcome.InputDigest)
}

// failedBefore tells whether this very input has failed for good already, also
// in an earlier process.
func (a *attempt) failedBefore() bool {
	last := a.ext.Status.LastAttempted
	return a.stalledByLoad() && last.Generation == a.ext.Generation && last.InputDigest == string(a.outcome.InputDigest)
}

// failedEarlier tells whether it has at whatever generation.
func (a *attempt) failedEarlier() bool {
	s := a.ext.Status
	return meta.IsStatusConditionTrue(s.Conditions, api.StalledCondition) && s.LastAttempted != nil &&
		s.LastAttempted.InputDigest == string(a.outcome.InputDigest)
}

// alreadyStalled tells whether the status has given up on this generation.
func (a *attempt) alreadyStalled() bool { return a.says(api.StalledCondition) }

// stalledByLoad tells whether it has, and a load was why: nothing else has an input digest.
func (a *attempt) stalledByLoad() bool {
	last := a.ext.Status.LastAttempted
	return a.alreadyStalled() && last != nil && last.InputDigest != "" &&
		meta.IsStatusConditionTrue(a.ext.Status.Conditions, api.ResolvedCondition)
}

// alreadyReconciling tells whether the status speaks of work on this generation:
// it is not told again in other words while a try follows a try.
func (a *attempt) alreadyReconciling() bool { return a.says(api.ReconcilingCondition) }

// readyReason is why this generation is not Ready, or is; empty before the first verdict.
func (a *attempt) readyReason() string {
	if found := meta.FindStatusCondition(a.ext.Status.Conditions, api.ReadyCondition); found != nil && found.ObservedGeneration == a.ext.Generation {
		return found.Reason
	}
	return ""
}

func (a *attempt) says(conditionType string) bool {
	found := meta.FindStatusCondition(a.ext.Status.Conditions, conditionType)
	return found != nil && found.ObservedGeneration == a.ext.Generation
}

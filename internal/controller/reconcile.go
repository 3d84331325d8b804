// SPDX-License-Identifier: Apache-2.0

// Package controller turns Extension objects into status: an object becomes a
// Ref, resolve makes it a Plan, load makes it Loaded through the cache, status
// says so in one patch. No reconcile ever waits for a load.
package controller

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
	"provisioning.dev/extension-operator/internal/resolve"
	"provisioning.dev/extension-operator/internal/status"
)

// Resolver finds what a Ref stands for.
type Resolver interface {
	Resolve(ctx context.Context, req resolve.Request) (extension.Resolution, error)
}

// Loader loads plans without making anybody wait.
type Loader interface {
	InputDigest(ctx context.Context, plan extension.Plan) (extension.Digest, error)
	Load(req load.Request, notify func()) *load.Flight
}

// Options of the Reconciler; every field is required.
type Options struct {
	Client   client.Client
	Recorder events.EventRecorder
	Resolver Resolver
	Loader   Loader
	Observer Observer
	Wakes    *Wakes
	// AutoLoad: Extensions are loaded by themselves, and not only when their reload token asks.
	AutoLoad bool
	// Synced is when the oldest of the catalogs was last read whole.
	Synced func() time.Time
	// Grace is how long something may be missing before that counts as for good.
	Grace time.Duration
	Now   func() time.Time
}

// Reconciler reconciles Extensions.
type Reconciler struct {
	Options
	memory *memory
}

// New makes a Reconciler.
func New(opts Options) *Reconciler { return &Reconciler{Options: opts, memory: newMemory()} }

// How long things may take before something else is done about them.
const (
	// reloadInterval is the shortest time between two reloads of one object.
	reloadInterval = 10 * time.Second
	// slowLoad is when people are told that a load is under way.
	slowLoad = 2 * time.Second
	// staleRead is when to look again after the informer has not caught up.
	staleRead = 50 * time.Millisecond
	// defaultTimeout is spec.timeout where an object has none.
	defaultTimeout = 30 * time.Second
)

// Reconcile brings one Extension's status up to date: get it, see what is to be
// done, resolve, load, and write what was found.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	ext := &api.Extension{}
	if err := r.Client.Get(ctx, req.NamespacedName, ext); err != nil {
		r.forget(req, err)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	rec := r.memory.of(ext, r.Now())
	if rec.unseen(ext) {
		return ctrl.Result{RequeueAfter: staleRead}, nil
	}
	a := r.begin(ext, rec)
	if a.rest() {
		return a.later(), nil
	}
	r.suspend(a)
	r.resolve(ctx, a)
	r.identify(ctx, a)
	r.compare(a)
	r.hold(a)
	r.load(a)
	return r.conclude(ctx, a)
}

// forget drops what is known of an object that is gone. Deleting an Extension
// needs nothing else: no catalog, no nu, no finalizer.
func (r *Reconciler) forget(req ctrl.Request, err error) {
	if client.IgnoreNotFound(err) == nil {
		r.memory.forget(req.NamespacedName)
		r.Wakes.forget(req.NamespacedName)
	}
}

// resolve finds the plan, or the Fault that there is none.
func (r *Reconciler) resolve(ctx context.Context, a *attempt) {
	if a.decided {
		return
	}
	refresh := a.token != "" && !a.rec.waitsFor(a.token)
	question := a.question(refresh)
	question.Consult = func(c extension.Consulted) { r.Wakes.consult(a.key, c) }
	resolution, err := r.Resolver.Resolve(ctx, question)
	r.Wakes.record(a.key, resolution.Consulted)
	a.outcome.Resolution = resolution
	if err != nil {
		a.fail(err)
	}
	a.missing()
	a.outcome.Synced = a.alreadyStalled() || refresh && a.rec.reload.insists ||
		(refresh || r.Synced().After(a.rec.generationSeen)) && r.patience(a) <= 0
}

// patience is for how long yet what is missing may still come: an object, what it depends
// on and its library may be applied together, in any order.
func (r *Reconciler) patience(a *attempt) time.Duration {
	return a.rec.missingSince.Add(r.Grace).Sub(a.outcome.Now)
}

// identify computes what alone decides whether nu runs.
func (r *Reconciler) identify(ctx context.Context, a *attempt) {
	if a.decided {
		return
	}
	input, err := r.Loader.InputDigest(ctx, a.outcome.Resolution.Plan)
	a.outcome.InputDigest = input
	switch {
	case err == nil:
	case a.sameContent():
		a.decide(func(o *status.Outcome) { o.Current = true })
	default:
		a.fail(err)
	}
}

// compare ends the attempt where nothing new would come of it. What a load that
// was asked for earlier gives then is of no interest any more.
func (r *Reconciler) compare(a *attempt) {
	switch {
	case a.decided || a.token != "":
	case a.failedBefore():
		a.rec.waiting = nil
		a.nothingNew()
	case a.loadedAlready():
		a.rec.waiting = nil
		a.decide(func(o *status.Outcome) { o.Current = true })
	}
}

// load asks for the load, or looks at the one that was asked for.
func (r *Reconciler) load(a *attempt) {
	if a.decided {
		return
	}
	w := a.rec.waiting
	if w == nil || w.input != a.outcome.InputDigest || w.token != a.token {
		w = r.ask(a)
	}
	if !w.flight.Ended() {
		a.wait(w)
		return
	}
	loaded, err := w.flight.Outcome()
	if errors.Is(err, context.Canceled) {
		a.nothingNew() // only the stop of this process cancels a load: the next one makes it
		return
	}
	a.consumed = true
	if err != nil {
		a.fail(err)
		return
	}
	a.decide(func(o *status.Outcome) { o.Loaded = loaded })
}

// ask starts a load or joins it. A token wants nu to run, unless the object was
// never attempted: then the first load answers it.
func (r *Reconciler) ask(a *attempt) *waiting {
	w := &waiting{input: a.outcome.InputDigest, token: a.token, since: a.outcome.Now}
	w.flight = r.Loader.Load(load.Request{
		Plan: a.outcome.Resolution.Plan, InputDigest: w.input, Namespace: a.ext.Namespace, Extension: a.ext.Name,
		Fresh: a.token != "" && a.ext.Status.LastAttempted != nil,
	}, func() { r.Wakes.requeue(a.key) })
	a.rec.waiting = w
	return w
}

// suspend ends the attempt of a suspended object before anything is looked at. What
// it waited for may be long past when it goes on, and is asked for again then.
func (r *Reconciler) suspend(a *attempt) {
	if a.ext.Spec.Suspend {
		a.rec.waiting = nil
		a.decide(func(o *status.Outcome) { o.Suspended = true })
	}
}

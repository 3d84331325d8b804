// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Offered is what an Extension has that is Ready.
type Offered struct {
	// Members are the exact versions in load order, the root last.
	Members []extension.Member
	// Hooks are those of the root.
	Hooks []string
	// Needs are the demands on those of the other members that have a hook install.
	Needs []extension.Demand
}

// Extensions finds what an Extension has loaded. The status of an object is no proof of
// it: the digests are those of the catalog.
type Extensions interface {
	Offered(ctx context.Context, ext *api.Extension) (Offered, error)
}

// Payloads packs the exact bytes of a plan into parts, each as large as a ConfigMap holds.
type Payloads interface {
	Pack(ctx context.Context, members []extension.Member) ([][]byte, error)
}

// Observer is told what was done. It must not make anybody wait.
type Observer interface {
	// Ran is told of each attempt that has ended.
	Ran(record extension.AttemptRecord)
	// LeftBehind is told of what was not uninstalled. It may be told twice.
	LeftBehind(record extension.LeftRecord)
}

// Settings of the Reconciler; every field is required.
type Settings struct {
	// Client reads from informers; Live asks the API server.
	Client     client.Client
	Live       client.Reader
	Recorder   events.EventRecorder
	Observer   Observer
	Extensions Extensions
	Payloads   Payloads
	// Image and Job say what runs the hooks.
	Image  string
	Job    Options
	Limits Limits
	Now    func() time.Time
}

// Reconciler reconciles Installations. It remembers nothing: what is under way is in the
// status and in the Jobs.
type Reconciler struct {
	Settings
	// moved has an element when a catalog has changed.
	moved chan event.GenericEvent
}

// New makes a Reconciler.
func New(s Settings) *Reconciler {
	return &Reconciler{Settings: s, moved: make(chan event.GenericEvent, 1)}
}

// CatalogsMoved has those looked at again whose Extension could not be had. It returns at once.
func (r *Reconciler) CatalogsMoved() {
	select {
	case r.moved <- event.GenericEvent{Object: &api.Installation{}}:
	default: // a look is due already
	}
}

const (
	// staleRead is when to look again after somebody was faster.
	staleRead = 50 * time.Millisecond
	// refusedAgain is when to try again what the API server has refused.
	refusedAgain = 30 * time.Second
	// queuedAgain is when to look for a place to run, if no event has come.
	queuedAgain = 10 * time.Second
)

// Reconcile brings one Installation a step further: let go of what has ended, decide, and
// begin or observe an attempt.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	inst := &api.Installation{}
	if err := r.Client.Get(ctx, req.NamespacedName, inst); err != nil {
		if apierrors.IsNotFound(err) {
			return again(r.releaseFormer(ctx, req.NamespacedName, "", true))
		}
		return ctrl.Result{}, err
	}
	if err := r.releaseFormer(ctx, req.NamespacedName, inst.UID, inst.Status.ObservedGeneration < 0); err != nil {
		return again(err)
	}
	later, err := r.letGo(ctx, inst)
	switch {
	case err != nil:
		return again(err)
	case later > 0:
		return ctrl.Result{RequeueAfter: later}, nil // no second pod beside it, and its log stays
	case !inst.DeletionTimestamp.IsZero():
		return r.leave(ctx, inst)
	}
	return r.advance(ctx, inst)
}

// advance brings one that stays a step further.
func (r *Reconciler) advance(ctx context.Context, inst *api.Installation) (ctrl.Result, error) {
	if inst.Status.Attempt != nil {
		held, err := r.hold(ctx, inst)
		if err != nil {
			return again(err)
		}
		inst = held
	}
	if attempting(inst) {
		return r.observe(ctx, inst)
	}
	offered, notReady, err := r.offered(ctx, inst)
	if err != nil {
		return ctrl.Result{}, err
	}
	return r.decide(ctx, inst, offered, notReady)
}

// decide finds what the Installation needs next, and does it.
func (r *Reconciler) decide(ctx context.Context, inst *api.Installation, offered Offered, notReady *Fault) (ctrl.Result, error) {
	question := Question{NotReady: notReady, Image: r.Image}
	if notReady == nil {
		root := offered.Members[len(offered.Members)-1]
		question.Offer = &Offer{Key: root.Key, Content: ContentDigest(offered.Members)}
	}
	d, err := Decide(inst, question)
	if err != nil {
		return r.conclude(ctx, inst, Outcome{Fault: faultOf(err), Attempt: Recorded(inst)})
	}
	if d.Run != nil {
		return r.begin(ctx, inst, *d.Run, offered)
	}
	return r.conclude(ctx, inst, Outcome{Fault: d.Fault, Attempt: Recorded(inst), Upgrade: d.Upgrade, OfferUnknown: question.Offer == nil})
}

// again is what comes after a failed write: a look, soon where somebody was faster.
func again(err error) (ctrl.Result, error) {
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: staleRead}, nil
	}
	return ctrl.Result{}, err
}

// faultOf is an error as people are told of it.
func faultOf(err error) *Fault {
	f := extension.AsFault(err)
	return &Fault{Reason: string(f.Code), Message: f.Message}
}

// offered is what the Extension has; a Fault where it has nothing to run.
func (r *Reconciler) offered(ctx context.Context, inst *api.Installation) (Offered, *Fault, error) {
	name := inst.Spec.ExtensionRef.Name
	ext := &api.Extension{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: inst.Namespace, Name: name}, ext)
	if apierrors.IsNotFound(err) {
		return Offered{}, &Fault{Reason: api.ExtensionNotFoundReason, Message: "no Extension " + name + " is in the namespace; create it, or delete this Installation"}, nil
	}
	if err != nil {
		return Offered{}, nil, err
	}
	ready := readyOf(ext)
	if ready != "" {
		return Offered{}, &Fault{Reason: api.ExtensionNotReadyReason, Message: "Extension " + name + " is not Ready: " + ready}, nil
	}
	offered, problem := r.Extensions.Offered(ctx, ext)
	switch {
	case ctx.Err() != nil:
		return Offered{}, nil, ctx.Err()
	case problem != nil && extension.AsFault(problem).Transient:
		return Offered{}, &Fault{Reason: api.InternalErrorReason, Message: "what Extension " + name + " has loaded cannot be had now: " + problem.Error(), Again: refusedAgain}, nil
	case problem != nil: // it may be that only this process has not read the library again yet
		return Offered{}, &Fault{Reason: api.ExtensionNotReadyReason, Message: "what Extension " + name + " has loaded cannot be had: " + problem.Error(), Again: refusedAgain}, nil //nolint:nilerr // people are told of it
	}
	return offered, nil, nil
}

// observe looks at the Job of the attempt that is under way.
func (r *Reconciler) observe(ctx context.Context, inst *api.Installation) (ctrl.Result, error) {
	a := Recorded(inst)
	job, err := r.recordedJob(ctx, inst, *a)
	if err != nil {
		return ctrl.Result{}, err
	}
	sight, err := r.look(ctx, inst, job)
	if err != nil {
		return again(err)
	}
	seen, later := a.Observe(sight)
	if seen.At().Reason == api.PodPendingReason {
		if sight.Warning, err = r.warning(ctx, sight); err != nil {
			return ctrl.Result{}, err
		}
		seen, later = a.Observe(sight)
	}
	result, err := r.conclude(ctx, inst, Outcome{Attempt: &seen, OfferUnknown: true})
	if result.RequeueAfter == 0 {
		result.RequeueAfter = later
	}
	return result, err
}

// look sees the Job and its pods, and sets the Job going where it never was.
func (r *Reconciler) look(ctx context.Context, inst *api.Installation, job *batchv1.Job) (Sight, error) {
	sight := Sight{Job: job, Now: r.Now()}
	if job == nil {
		return sight, nil
	}
	if Resumable(job) {
		if err := r.resume(ctx, job); err != nil {
			return sight, err
		}
	}
	pods := &corev1.PodList{}
	err := r.Client.List(ctx, pods, client.InNamespace(inst.Namespace), ours(inst))
	sight.Pods = pods.Items
	return sight, err
}

// warning is the newest warning Event about the Job or its pods: why the cluster makes or
// starts none.
func (r *Reconciler) warning(ctx context.Context, sight Sight) (string, error) {
	about := []types.UID{sight.Job.UID}
	if pod := (observer{sight: sight}).pod(); pod != nil {
		about = append(about, pod.UID)
	}
	var newest corev1.Event
	for _, uid := range about {
		list := &corev1.EventList{}
		err := r.Live.List(ctx, list, client.InNamespace(sight.Job.Namespace), client.MatchingFields{"involvedObject.uid": string(uid), "type": corev1.EventTypeWarning})
		if err != nil {
			return "", err
		}
		for _, e := range list.Items {
			if !seenAt(e).Before(seenAt(newest)) {
				newest = e
			}
		}
	}
	return newest.Message, nil
}

// seenAt is when an Event was seen last, whichever API it came by.
func seenAt(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}

// begin makes all that an attempt needs, its Job last and suspended, and records it. The
// look after the record sets it going.
func (r *Reconciler) begin(ctx context.Context, inst *api.Installation, run Run, offered Offered) (ctrl.Result, error) {
	if fault := nothingToInstall(inst, run, offered); fault != nil {
		return r.conclude(ctx, inst, Outcome{Fault: fault, Attempt: Recorded(inst), Token: run.Token})
	}
	fault, err := r.gate(ctx, inst, offered)
	if err != nil {
		return ctrl.Result{}, err
	}
	if fault != nil {
		return r.conclude(ctx, inst, Outcome{Fault: fault, Attempt: Recorded(inst)})
	}
	p, parts, err := r.plan(ctx, inst, run, offered)
	switch {
	case apierrors.IsForbidden(err):
		return r.refused(ctx, inst, err)
	case err != nil:
		return r.unplanned(ctx, inst, run, err)
	}
	if inst, err = r.hold(ctx, inst); err != nil {
		return again(err)
	}
	if err := r.keep(ctx, inst, p, parts); err != nil {
		return r.refused(ctx, inst, err)
	}
	return r.record(ctx, inst, p, run.Token)
}

// unplanned tells why there is no plan. What may pass is tried again.
func (r *Reconciler) unplanned(ctx context.Context, inst *api.Installation, run Run, err error) (ctrl.Result, error) {
	fault := faultOf(err)
	if _, gone := goneOr(err, ""); gone == nil {
		fault = &Fault{Reason: api.PayloadRefusedReason, Message: "the payload of the approved plan is gone or damaged; ask for another plan by a new value of the annotation " + api.RetryAnnotation}
	}
	o := Outcome{Fault: fault, Attempt: Recorded(inst)}
	if fault.Class() == extension.Terminal {
		o.Token = run.Token
		return r.conclude(ctx, inst, o)
	}
	result, concluded := r.conclude(ctx, inst, o)
	if concluded != nil {
		return result, concluded
	}
	return result, err
}

// record makes the Job and writes its uid into the status.
func (r *Reconciler) record(ctx context.Context, inst *api.Installation, p Plan, token string) (ctrl.Result, error) {
	job, err := r.makeJob(ctx, inst, p)
	if err != nil {
		return r.refused(ctx, inst, err)
	}
	return r.conclude(ctx, inst, Outcome{Attempt: Begin(inst, p, job, r.Now()), Token: token})
}

// refused tells what the API server would not take, in its own words, and tries again.
func (r *Reconciler) refused(ctx context.Context, inst *api.Installation, err error) (ctrl.Result, error) {
	if !final(err) {
		return again(err)
	}
	fault := &Fault{Reason: api.CreateRefusedReason, Message: "the API server refuses what the attempt needs: " + err.Error(), Again: refusedAgain}
	return r.conclude(ctx, inst, Outcome{Fault: fault, Attempt: Recorded(inst)})
}

// final tells whether the API server will not take a request, however often it is sent.
func final(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}

// nothingToInstall tells where there is no hook that an attempt could run.
func nothingToInstall(inst *api.Installation, run Run, offered Offered) *Fault {
	if run.Kept {
		return nil
	}
	for _, hook := range offered.Hooks {
		if hook != containerOf(api.UninstallStep) {
			return nil
		}
	}
	return &Fault{Reason: api.NothingToInstallReason, Message: inst.Spec.ExtensionRef.Name +
		" has none of the hooks configure, install and verify; an Extension alone is enough to load it"}
}

// plan is the attempt to begin, and the parts of its payload; none where they are kept
// already.
func (r *Reconciler) plan(ctx context.Context, inst *api.Installation, run Run, offered Offered) (Plan, [][]byte, error) {
	spec, err := SpecDigest(inst.Spec)
	if err != nil {
		return Plan{}, nil, err
	}
	values, err := valuesOf(inst.Spec)
	if err != nil {
		return Plan{}, nil, err
	}
	p := Plan{
		Purpose: run.Purpose, Attempt: nextAttempt(inst), Members: offered.Members, Spec: spec,
		Values: values, Sources: inst.Spec.ValuesFrom, Image: r.Image, Config: run.Config,
	}
	if run.Kept {
		p.Members, p.Parts, err = r.keptPayload(ctx, inst, extension.Digest(inst.Status.Plan.ContentDigest))
		return p, nil, err
	}
	if p.Parts, err = r.packedBefore(ctx, inst, p); p.Parts > 0 || err != nil {
		return p, nil, err
	}
	parts, err := r.Payloads.Pack(ctx, p.Members)
	p.Parts = len(parts)
	return p, parts, err
}

func nextAttempt(inst *api.Installation) int32 {
	if inst.Status.Attempt == nil {
		return 1
	}
	return inst.Status.Attempt.Number + 1
}

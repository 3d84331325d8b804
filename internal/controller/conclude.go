// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/status"
)

// conclude writes the outcome, if it says anything new, and then lets go of what
// the attempt was waiting for: never before, so that a failed write costs a
// write and no load.
func (r *Reconciler) conclude(ctx context.Context, a *attempt) (ctrl.Result, error) {
	if a.silent {
		return a.later(), nil
	}
	written, err := r.write(ctx, a, status.Compute(a.ext, a.outcome))
	if err != nil || !written {
		a.rec.backoff.expire()
		if err != nil {
			return ctrl.Result{}, err
		}
		return ctrl.Result{RequeueAfter: staleRead}, nil
	}
	r.settle(a)
	return a.later(), nil
}

// settle prepares the next attempt: by backoff, by an event, or not at all.
func (r *Reconciler) settle(a *attempt) {
	if a.consumed {
		a.rec.waiting = nil
	}
	if a.outcome.Answers() {
		a.rec.reload.open = false
	}
	r.awaitCatalogs(a)
	switch {
	case a.outcome.Fault != nil && a.outcome.Class() == extension.Retryable:
		a.lookAgain(a.rec.backoff.next(a.ext.Generation, a.token, a.outcome.Now))
	case !a.outcome.Loading:
		a.rec.backoff = backoff{}
	}
}

// awaitCatalogs has an object looked at again that waits for something that is missing:
// once that may count as for good, and every catalog was read.
func (r *Reconciler) awaitCatalogs(a *attempt) {
	waits := a.outcome.Fault != nil && a.outcome.Fault.Class() == extension.TerminalOnceSynced && !a.outcome.Synced
	patience := r.patience(a)
	r.Wakes.awaitSync(a.key, waits && patience <= 0)
	switch {
	case !waits:
	case patience > 0:
		a.lookAgain(patience)
	case r.Synced().After(a.rec.generationSeen):
		r.Wakes.Wake(a.key) // they were read between the question and now
	}
}

// write patches the status where it differs. It is not written, without an
// error, when the object has changed meanwhile: the change brings it back here.
func (r *Reconciler) write(ctx context.Context, a *attempt, desired api.ExtensionStatus) (written bool, err error) {
	if equality.Semantic.DeepEqual(a.ext.Status, desired) || a.rec.refused == a.subject() {
		return true, nil
	}
	a.rec.refused = subject{}
	updated := a.ext.DeepCopy()
	updated.Status = desired
	err = r.patch(ctx, a, updated)
	switch {
	case err == nil:
	case apierrors.IsConflict(err):
		return false, nil
	case apierrors.IsNotFound(err):
		return true, nil
	case apierrors.IsInvalid(err):
		return r.writeRefused(ctx, a, err)
	default:
		return false, fmt.Errorf("write status: %w", err)
	}
	if event, worth := status.Transition(a.ext.Status, desired); worth {
		r.Recorder.Eventf(a.ext, nil, event.Type, event.Reason, "Load", "%s", event.Message)
	}
	r.report(a, desired, a.outcome.Fault)
	return true, nil
}

// patch sends one merge patch that holds only what differs and applies only to
// the version that was read.
func (r *Reconciler) patch(ctx context.Context, a *attempt, updated *api.Extension) error {
	base := client.MergeFromWithOptions(a.ext, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, updated, base); err != nil {
		return err
	}
	a.rec.writtenFrom = ""
	if updated.ResourceVersion != a.ext.ResourceVersion {
		a.rec.writtenFrom = a.ext.ResourceVersion
	}
	return nil
}

// writeRefused tells, with as little as the API server can refuse, that it has
// refused a status, and leaves it at that: the same status would be refused again.
func (r *Reconciler) writeRefused(ctx context.Context, a *attempt, refused error) (bool, error) {
	ctrl.LoggerFrom(ctx).Error(refused, "The API server refused the status; it is not tried again until something changes")
	a.rec.refused = a.subject()
	updated := a.ext.DeepCopy()
	updated.Status = status.Refused(a.ext, a.outcome)
	if equality.Semantic.DeepEqual(a.ext.Status, updated.Status) {
		return true, nil
	}
	minimal := updated.Status // a patch reads the answer into updated
	err := r.patch(ctx, a, updated)
	switch {
	case err == nil:
	case apierrors.IsConflict(err):
		return false, nil
	case apierrors.IsNotFound(err):
		return true, nil
	default:
		return false, fmt.Errorf("write minimal status: %w", err)
	}
	r.report(a, minimal, extension.NewTransientFault(extension.InternalError, refused, "the API server refused the status"))
	return true, nil
}

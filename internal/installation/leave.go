// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// leave uninstalls an Installation that is being deleted, or lets it go.
func (r *Reconciler) leave(ctx context.Context, inst *api.Installation) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(inst, UninstallFinalizer) {
		return again(r.releaseJobs(ctx, inst))
	}
	var o Obstacles
	var plan Plan
	if !attempting(inst) {
		var err error
		if o, plan, err = r.obstacles(ctx, inst); err != nil {
			return ctrl.Result{}, err
		}
	}
	f := Leave(inst, o, r.Now())
	if f.Release {
		return again(r.farewell(ctx, inst, f.Left))
	}
	var result ctrl.Result
	var err error
	switch {
	case f.Observe:
		result, err = r.observe(ctx, inst)
	case f.Run != nil:
		result, err = r.uninstall(ctx, inst, plan, f)
	}
	if result.RequeueAfter == 0 || result.RequeueAfter > f.Again {
		result.RequeueAfter = f.Again
	}
	return result, err
}

// uninstall begins an attempt that takes away, when it has its turn. It waits for that no
// longer than half of the time that there is.
func (r *Reconciler) uninstall(ctx context.Context, inst *api.Installation, plan Plan, f Farewell) (ctrl.Result, error) {
	queued, err := r.queue(ctx, inst)
	if err != nil {
		return ctrl.Result{}, err
	}
	if queued != nil && f.Again > deadlineOf(inst.Spec, api.UninstallPurpose)/2 {
		return r.conclude(ctx, inst, Outcome{Fault: queued, Attempt: Recorded(inst), OfferUnknown: true})
	}
	job, err := r.makeJob(ctx, inst, plan)
	switch {
	case isNotOurs(err):
		return r.refused(ctx, inst, err)
	case final(err):
		return again(r.farewell(ctx, inst, leaveBehind(inst, f.Run, "the API server refuses the Job: "+err.Error()).Left))
	case err != nil:
		return again(err)
	}
	return r.conclude(ctx, inst, Outcome{Attempt: Begin(inst, plan, job, r.Now()), Token: f.Token, OfferUnknown: true})
}

// obstacles are what an uninstall cannot overcome; where there are none, plan is the one
// that takes away.
func (r *Reconciler) obstacles(ctx context.Context, inst *api.Installation) (o Obstacles, plan Plan, err error) {
	ns := &corev1.Namespace{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: inst.Namespace}, ns); err != nil {
		return o, plan, err
	}
	o.NamespaceTerminating = !ns.DeletionTimestamp.IsZero()
	target := TargetOf(inst)
	if target == nil {
		return o, plan, nil
	}
	plan = Plan{Purpose: api.UninstallPurpose, Attempt: nextAttempt(inst), Spec: target.Spec, Image: r.Image}
	if o.Why, err = r.kept(ctx, inst, target, &plan); err != nil || o.Why != "" {
		return o, plan, err
	}
	o.Why, err = r.accountGone(ctx, inst)
	return o, plan, err
}

// kept reads what is kept of a plan, and says what of it is gone.
func (r *Reconciler) kept(ctx context.Context, inst *api.Installation, t *Target, plan *Plan) (string, error) {
	var err error
	if plan.Members, plan.Parts, err = r.keptPayload(ctx, inst, t.Content); err != nil {
		return goneOr(err, "its payload is gone or damaged")
	}
	values := &corev1.ConfigMap{}
	err = r.Live.Get(ctx, client.ObjectKey{Namespace: inst.Namespace, Name: ValuesName(inst, t.Spec)}, values)
	if err != nil {
		return goneOr(err, "its values are gone")
	}
	if plan.Values, plan.Sources, err = ReadValues(values, t.Spec); err != nil {
		return goneOr(err, "its values are damaged")
	}
	return "", nil
}

// goneOr tells a thing that is gone or damaged for good from an API server that is away.
func goneOr(err error, gone string) (string, error) {
	if apierrors.IsNotFound(err) || errors.Is(err, ErrDamaged) {
		return fmt.Sprintf("%s (%s)", gone, err), nil
	}
	return "", err
}

// accountGone says that the ServiceAccount of the hooks is gone.
func (r *Reconciler) accountGone(ctx context.Context, inst *api.Installation) (string, error) {
	name := inst.Spec.ServiceAccountName
	if name == "" {
		return "", nil
	}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: inst.Namespace, Name: name}, &corev1.ServiceAccount{})
	if apierrors.IsNotFound(err) {
		return "its ServiceAccount " + name + " is gone", nil
	}
	return "", err
}

// farewell takes our finalizers off, the Installation's last, and tells what stays.
func (r *Reconciler) farewell(ctx context.Context, inst *api.Installation, left string) error {
	if err := r.releaseJobs(ctx, inst); err != nil {
		return err
	}
	kept, err := r.configMaps(ctx, inst)
	if err != nil {
		return err
	}
	for i := range kept {
		if err := r.unhold(ctx, &kept[i]); err != nil {
			return err
		}
	}
	if left != "" {
		r.Recorder.Eventf(inst, nil, corev1.EventTypeWarning, "LeftBehind", "Uninstall", "%s", left)
		r.Observer.LeftBehind(extension.LeftRecord{Namespace: inst.Namespace, Name: inst.Name, Left: left, At: r.Now()})
	}
	return r.unhold(ctx, inst)
}

func (r *Reconciler) unhold(ctx context.Context, object client.Object) error {
	base, ok := object.DeepCopyObject().(client.Object)
	if !ok || !controllerutil.RemoveFinalizer(object, UninstallFinalizer) {
		return nil
	}
	return client.IgnoreNotFound(r.Client.Patch(ctx, object, locked(base)))
}

// releaseJobs releases every Job of an Installation that leaves.
func (r *Reconciler) releaseJobs(ctx context.Context, inst *api.Installation) error {
	jobs := &batchv1.JobList{}
	if err := r.Client.List(ctx, jobs, client.InNamespace(inst.Namespace), ours(inst)); err != nil {
		return err
	}
	for i := range jobs.Items {
		if err := r.release(ctx, &jobs.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

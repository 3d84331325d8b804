// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// keptFor is how long a Job stays after its outcome was written, for who wants its log.
const keptFor = 24 * time.Hour

// conclude writes the status where it differs, and tells of a transition.
func (r *Reconciler) conclude(ctx context.Context, inst *api.Installation, o Outcome) (ctrl.Result, error) {
	o.Now = r.Now()
	var result ctrl.Result
	if o.Fault != nil {
		result.RequeueAfter = o.Fault.Again
	}
	updated := inst.DeepCopy()
	updated.Status = Compute(inst, o)
	if equality.Semantic.DeepEqual(inst.Status, updated.Status) {
		return result, nil
	}
	desired := updated.Status // a patch reads the answer into updated
	err := r.Client.Status().Patch(ctx, updated, locked(inst))
	if err != nil {
		return again(client.IgnoreNotFound(err))
	}
	if e, worth := Transition(inst.Status, desired); worth {
		r.Recorder.Eventf(inst, nil, e.Type, e.Reason, "Install", "%s", e.Message)
	}
	if was, is := Recorded(inst), Recorded(updated); is != nil && is.Ended() && (was == nil || !was.Ended()) {
		r.Observer.Ran(recordOf(inst, *is))
	}
	return result, nil
}

// recordOf an attempt that has ended.
func recordOf(inst *api.Installation, a Attempt) extension.AttemptRecord {
	at := a.At()
	record := extension.AttemptRecord{
		Namespace: inst.Namespace, Name: inst.Name, Account: inst.Spec.ServiceAccountName,
		Purpose: a.Purpose, Outcome: cmp.Or(at.Reason, api.StepSucceeded), Number: a.Number,
		Version: a.Plan.Version, Content: extension.Digest(a.Plan.ContentDigest), Job: a.JobName(), Message: at.Message,
	}
	for _, s := range a.Steps {
		if s.StartedAt != nil && (record.Began.IsZero() || s.StartedAt.Time.Before(record.Began)) {
			record.Began = s.StartedAt.Time
		}
		if s.FinishedAt != nil && s.FinishedAt.After(record.Ended) {
			record.Ended = s.FinishedAt.Time
		}
	}
	return record
}

// locked is a merge patch that applies only to the version that was read.
func locked(base client.Object) client.Patch {
	return client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})
}

// hold puts our finalizer on an Installation that wants to be uninstalled, before anything
// runs, or takes it off where that is not wanted any more; on what is kept of its payload
// first. It returns the object as it is then.
func (r *Reconciler) hold(ctx context.Context, inst *api.Installation) (*api.Installation, error) {
	change := controllerutil.RemoveFinalizer
	if inst.Spec.DeletionPolicy == api.UninstallOnDeletion {
		change = controllerutil.AddFinalizer
	}
	held := inst.DeepCopy()
	if !change(held, UninstallFinalizer) {
		return inst, nil
	}
	kept, err := r.configMaps(ctx, inst)
	if err != nil {
		return inst, err
	}
	for i := range kept {
		base := kept[i].DeepCopy()
		if !change(&kept[i], UninstallFinalizer) {
			continue
		}
		err := r.Client.Patch(ctx, &kept[i], locked(base))
		if client.IgnoreNotFound(err) != nil {
			return inst, err
		}
	}
	err = r.Client.Patch(ctx, held, locked(inst))
	if apierrors.IsNotFound(err) {
		err = errNotYet // it goes: the next look lets go of what it leaves
	}
	return held, err
}

// configMaps are those of payloads and values of inst. They are read from the API server:
// an informer would hold all of them in memory.
func (r *Reconciler) configMaps(ctx context.Context, inst *api.Installation) ([]corev1.ConfigMap, error) {
	list := &corev1.ConfigMapList{}
	err := r.Live.List(ctx, list, client.InNamespace(inst.Namespace), ours(inst))
	return list.Items, err
}

// keep makes the ConfigMaps of the values and of the payload, where they are not there.
func (r *Reconciler) keep(ctx context.Context, inst *api.Installation, p Plan, parts [][]byte) error {
	values, err := ValuesConfigMap(inst)
	if err != nil {
		return err
	}
	kept := []*corev1.ConfigMap{values}
	if parts != nil {
		packed := PayloadConfigMaps(inst, p.Members, parts)
		slices.Reverse(packed) // the first part comes last: where it is, all are
		kept = append(kept, packed...)
	}
	for _, m := range kept {
		if err := r.keepOne(ctx, inst, m); err != nil {
			return err
		}
	}
	return nil
}

// keepOne makes a ConfigMap. One that is there already must be the same: what somebody
// has put in its place is not run.
func (r *Reconciler) keepOne(ctx context.Context, inst *api.Installation, m *corev1.ConfigMap) error {
	err := r.Client.Create(ctx, m.DeepCopy())
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	there := &corev1.ConfigMap{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(m), there); err != nil {
		return err
	}
	if !metav1.IsControlledBy(there, inst) || !maps.Equal(there.Data, m.Data) || !equality.Semantic.DeepEqual(there.BinaryData, m.BinaryData) {
		return notOurs("configmaps", m.Name, inst)
	}
	return nil
}

// packedBefore tells how many parts the payload of a plan has that was made already, by an
// attempt that was cut off, or one of the same content: 0 for none. What is in them the
// runner holds against their digests; another operator may pack the same in other bytes.
func (r *Reconciler) packedBefore(ctx context.Context, inst *api.Installation, p Plan) (int, error) {
	first := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: inst.Namespace, Name: PayloadName(inst, p.Content(), 0)}
	if err := r.Live.Get(ctx, key, first); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	_, parts, err := ReadPayload(first, p.Content())
	if err != nil || !metav1.IsControlledBy(first, inst) {
		return 0, notOurs("configmaps", first.Name, inst)
	}
	return parts, nil
}

// notOurs is that somebody has put another object where ours belongs.
func notOurs(resource, name string, inst *api.Installation) error {
	return &strangerError{apierrors.NewForbidden(schema.GroupResource{Resource: resource}, name,
		fmt.Errorf("one of this name is there and not what Installation %s put there; delete it", inst.Name))}
}

// strangerError is the refusal that we make ourselves: it passes once somebody deletes the stranger.
type strangerError struct{ *apierrors.StatusError }

func isNotOurs(err error) bool {
	var stranger *strangerError
	return errors.As(err, &stranger)
}

// keptPayload finds the members of a payload that is kept.
func (r *Reconciler) keptPayload(ctx context.Context, inst *api.Installation, content extension.Digest) ([]extension.Member, int, error) {
	first := &corev1.ConfigMap{}
	key := client.ObjectKey{Namespace: inst.Namespace, Name: PayloadName(inst, content, 0)}
	if err := r.Live.Get(ctx, key, first); err != nil {
		return nil, 0, fmt.Errorf("read the payload: %w", err)
	}
	return ReadPayload(first, content)
}

// makeJob makes the Job of a plan and attempt, or adopts it.
func (r *Reconciler) makeJob(ctx context.Context, inst *api.Installation, p Plan) (*batchv1.Job, error) {
	wanted := Job(inst, p, r.Job)
	job := wanted.DeepCopy()
	err := r.Client.Create(ctx, job)
	if !apierrors.IsAlreadyExists(err) {
		return job, err
	}
	there := &batchv1.Job{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(job), there); err != nil {
		return nil, err
	}
	if !Adopts(inst, p, wanted, there) {
		return nil, notOurs("jobs", job.Name, inst)
	}
	return there, nil
}

// recordedJob is the Job whose uid the attempt has; nil where it is gone, which only the
// API server can tell.
func (r *Reconciler) recordedJob(ctx context.Context, inst *api.Installation, a Attempt) (*batchv1.Job, error) {
	key := client.ObjectKey{Namespace: inst.Namespace, Name: a.JobName()}
	for _, reader := range []client.Reader{r.Client, r.Live} {
		job := &batchv1.Job{}
		err := reader.Get(ctx, key, job)
		if client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		if err == nil && string(job.UID) == a.JobUID() {
			return job, nil
		}
	}
	return nil, nil //nolint:nilnil // a Job that is gone is an answer
}

// resume sets a recorded Job going: that very object, as it was read. Another of its name
// has another resourceVersion.
func (r *Reconciler) resume(ctx context.Context, job *batchv1.Job) error {
	base := job.DeepCopy()
	job.Spec.Suspend = ptr.To(false)
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, ResumedAnnotation, "true")
	return r.Client.Patch(ctx, job, locked(base))
}

// lingers is how long a Job may take to end after the last container of ours has. What
// holds it longer is not of ours, as a container that somebody has put into the pod.
const lingers = 30 * time.Second

// letGo releases the Job of an attempt whose outcome is in the status, and cleans up what
// the attempt has superseded. It says when to look again where the Job has not ended yet; one
// that is being deleted need not.
func (r *Reconciler) letGo(ctx context.Context, inst *api.Installation) (later time.Duration, err error) {
	a := Recorded(inst)
	if a == nil || !a.Ended() {
		return 0, nil
	}
	job := &batchv1.Job{}
	err = r.Client.Get(ctx, client.ObjectKey{Namespace: inst.Namespace, Name: a.JobName()}, job)
	if err != nil || string(job.UID) != a.JobUID() || !slices.Contains(job.Finalizers, JobFinalizer) {
		return 0, client.IgnoreNotFound(err)
	}
	if finished(job) == nil && job.DeletionTimestamp == nil && a.At().State != api.StepUnknown && a.EndedAt != nil {
		if left := a.EndedAt.Add(lingers).Sub(r.Now()); left > 0 {
			return left, nil
		}
	}
	if err := r.clean(ctx, inst, *a); apierrors.IsConflict(err) {
		return 0, err
	} else if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "What an attempt has left without use cannot be cleaned up; the next attempt tries again")
	}
	return 0, r.release(ctx, job)
}

// errNotYet has the object looked at again soon.
var errNotYet = apierrors.NewConflict(batchv1.Resource("jobs"), "", errors.New("it has not ended yet"))

// release takes our finalizer off a Job. One that has not ended is deleted before, so that
// nobody can set it going again.
func (r *Reconciler) release(ctx context.Context, job *batchv1.Job) error {
	if !slices.Contains(job.Finalizers, JobFinalizer) {
		return nil
	}
	if finished(job) == nil && job.DeletionTimestamp == nil {
		exact := client.Preconditions{UID: &job.UID, ResourceVersion: &job.ResourceVersion}
		err := r.Client.Delete(ctx, job, exact, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err != nil {
			return client.IgnoreNotFound(err)
		}
		return errNotYet // its finalizer goes at the next look
	}
	base := job.DeepCopy()
	controllerutil.RemoveFinalizer(job, JobFinalizer)
	job.Spec.TTLSecondsAfterFinished = ptr.To(int32(keptFor.Seconds()))
	return client.IgnoreNotFound(r.Client.Patch(ctx, job, locked(base)))
}

// readyOf is why an Extension is not Ready at its current generation; empty where it is.
func readyOf(ext *api.Extension) string {
	ready := meta.FindStatusCondition(ext.Status.Conditions, api.ReadyCondition)
	switch {
	case ready == nil || ready.ObservedGeneration != ext.Generation:
		return "it has not been looked at yet"
	case ready.Status != metav1.ConditionTrue:
		return ready.Message
	}
	return ""
}

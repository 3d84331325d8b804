// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// young is what is not cleaned up: somebody may be making it.
const young = time.Hour

// clean deletes what the attempt that has ended leaves without use: ConfigMaps that
// neither the plan nor what is installed names, and Jobs that were made for a plan that
// was not recorded, and so never ran.
func (r *Reconciler) clean(ctx context.Context, inst *api.Installation, a Attempt) error {
	kept, err := r.configMaps(ctx, inst)
	if err != nil {
		return err
	}
	used := usedNames(inst, kept)
	for i := range kept {
		if used[kept[i].Name] || r.Now().Sub(kept[i].CreationTimestamp.Time) < young {
			continue
		}
		if err := r.remove(ctx, &kept[i]); err != nil {
			return err
		}
	}
	jobs := &batchv1.JobList{}
	if err := r.Client.List(ctx, jobs, client.InNamespace(inst.Namespace), ours(inst)); err != nil {
		return err
	}
	for i := range jobs.Items {
		if !superseded(&jobs.Items[i], a) {
			continue
		}
		if err := r.release(ctx, &jobs.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// usedNames are the names of the ConfigMaps that are still of use.
func usedNames(inst *api.Installation, kept []corev1.ConfigMap) map[string]bool {
	used := map[string]bool{}
	use := func(content, spec string) {
		used[ValuesName(inst, extension.Digest(spec))] = true
		for i := range kept { // a payload has no more parts than there are
			used[PayloadName(inst, extension.Digest(content), i)] = true
		}
	}
	use(inst.Status.Plan.ContentDigest, inst.Status.Plan.SpecDigest)
	if done := inst.Status.Installed; done != nil {
		use(done.ContentDigest, done.SpecDigest)
	}
	return used
}

// remove takes our finalizer off a ConfigMap and deletes it, if it is as it was read.
func (r *Reconciler) remove(ctx context.Context, m *corev1.ConfigMap) error {
	if err := r.unhold(ctx, m); err != nil {
		return err
	}
	exact := client.Preconditions{UID: &m.UID, ResourceVersion: &m.ResourceVersion}
	return client.IgnoreNotFound(r.Client.Delete(ctx, m, exact))
}

// superseded tells whether a Job was made for the attempt, or one before, and is not the
// one that is recorded: it was never resumed.
func superseded(job *batchv1.Job, a Attempt) bool {
	number, err := strconv.ParseInt(job.Annotations[AttemptAnnotation], 10, 32)
	neverRan := ptr.Deref(job.Spec.Suspend, false) && !resumed(job)
	return err == nil && number <= int64(a.Number) && string(job.UID) != a.JobUID() && neverRan
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// releaseFormer lets go of what Installations have left that had the name before and are
// gone: our finalizers would keep it for ever. Another object may have the name by now.
// Of ConfigMaps no informer tells, so that they are looked for where all asks for it.
func (r *Reconciler) releaseFormer(ctx context.Context, key types.NamespacedName, seen types.UID, all bool) error {
	jobs := &batchv1.JobList{}
	of := []client.ListOption{client.InNamespace(key.Namespace), client.MatchingLabels{InstallationLabel: key.Name}}
	if err := r.Client.List(ctx, jobs, of...); err != nil {
		return err
	}
	foreign := all
	for i := range jobs.Items {
		foreign = foreign || jobs.Items[i].Labels[UIDLabel] != string(seen)
	}
	if !foreign {
		return nil
	}
	now, err := r.uidOf(ctx, key)
	if err != nil {
		return err
	}
	for i := range jobs.Items {
		if jobs.Items[i].Labels[UIDLabel] == now {
			continue
		}
		if err := r.release(ctx, &jobs.Items[i]); err != nil {
			return err
		}
	}
	if !all {
		return nil
	}
	return r.unholdFormer(ctx, now, of...)
}

// uidOf the Installation that has the name now, as the API server says; empty for none.
func (r *Reconciler) uidOf(ctx context.Context, key types.NamespacedName) (string, error) {
	there := &api.Installation{}
	if err := r.Live.Get(ctx, key, there); err != nil {
		return "", client.IgnoreNotFound(err)
	}
	return string(there.UID), nil
}

// unholdFormer takes our finalizer off the ConfigMaps of every Installation but that of a uid.
func (r *Reconciler) unholdFormer(ctx context.Context, uid string, of ...client.ListOption) error {
	kept := configMapsAlone()
	if err := r.Live.List(ctx, kept, of...); err != nil {
		return err
	}
	for i := range kept.Items {
		if kept.Items[i].Labels[UIDLabel] == uid {
			continue
		}
		kept.Items[i].SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
		if err := r.unhold(ctx, &kept.Items[i]); err != nil {
			return err
		}
	}
	return nil
}

// configMapsAlone lists ConfigMaps without what is in them.
func configMapsAlone() *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMapList"))
	return list
}

// Sweep looks once for what is left of Installations that went while nobody watched.
type Sweep struct{ *Reconciler }

// Start lets go of it. What cannot be done now is done by the next start: it holds nobody up.
func (s Sweep) Start(ctx context.Context) error {
	kept := configMapsAlone()
	if err := s.Live.List(ctx, kept, client.HasLabels{InstallationLabel}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "What is left of former Installations cannot be listed; the next start looks again")
		return nil
	}
	seen := map[types.NamespacedName]bool{}
	for _, m := range kept.Items {
		key := types.NamespacedName{Namespace: m.Namespace, Name: m.Labels[InstallationLabel]}
		if seen[key] {
			continue
		}
		seen[key] = true
		if err := s.releaseFormer(ctx, key, "", true); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "What is left of a former Installation cannot be released; the next start tries again", "installation", key)
		}
	}
	return nil
}

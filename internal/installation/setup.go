// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=extensions,verbs=get;list;watch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations/status,verbs=patch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations/finalizers,verbs=update
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;create;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces;serviceaccounts,verbs=get
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// extensionField indexes Installations by the Extension whose hooks they run.
const extensionField = "spec.extensionRef.name"

// Informers are what the manager's cache holds of Jobs and pods: those of Installations
// alone.
func Informers() map[client.Object]cache.ByObject {
	ours, err := labels.NewRequirement(UIDLabel, selection.Exists, nil)
	utilruntime.Must(err) // the label is a constant
	only := cache.ByObject{Label: labels.NewSelector().Add(*ours)}
	return map[client.Object]cache.ByObject{&batchv1.Job{}: only, &corev1.Pod{}: only}
}

// Setup adds the Reconciler to mgr, with workers reconciles at a time.
func (r *Reconciler) Setup(ctx context.Context, mgr ctrl.Manager, workers int) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &api.Installation{}, extensionField, func(object client.Object) []string {
		inst, ok := object.(*api.Installation)
		if !ok {
			return nil
		}
		return []string{inst.Spec.ExtensionRef.Name}
	})
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("installation").
		For(&api.Installation{}).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&api.Extension{}, handler.EnqueueRequestsFromMapFunc(r.byExtension)).
		Watches(&api.Installation{}, handler.EnqueueRequestsFromMapFunc(r.byWaiting)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, time.Minute),
		}).
		Complete(r)
}

// byLabel is the Installation that a Job or pod belongs to.
func byLabel(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[InstallationLabel]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
}

// byExtension are the Installations that run the hooks of an Extension.
func (r *Reconciler) byExtension(ctx context.Context, object client.Object) []reconcile.Request {
	list := &api.InstallationList{}
	err := r.Client.List(ctx, list, client.InNamespace(object.GetNamespace()), client.MatchingFields{extensionField: object.GetName()})
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "An Extension's Installations cannot be listed; they are looked at when they change")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// woken is how many of those that wait for a place one that ends wakes: there is one place.
const woken = 4

// byWaiting are the Installations that may wait for another: for it to be Ready, or for
// the place that it has.
func (r *Reconciler) byWaiting(ctx context.Context, object client.Object) []reconcile.Request {
	inst, ok := object.(*api.Installation)
	if !ok || inst.Status.Attempt == nil || !Recorded(inst).Ended() {
		return nil
	}
	list := &api.InstallationList{}
	if err := r.Client.List(ctx, list); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "The Installations that wait cannot be listed; they are looked at when they change")
		return nil
	}
	var requests []reconcile.Request
	queued := 0
	for i := range list.Items {
		other := &list.Items[i]
		ready := meta.FindStatusCondition(other.Status.Conditions, api.ReadyCondition)
		switch {
		case ready == nil:
			continue
		case ready.Reason == api.DependencyNotReadyReason && other.Namespace == inst.Namespace:
		case ready.Reason == api.QueuedReason && queued < woken:
			queued++
		default:
			continue
		}
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
	}
	return requests
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=extensions,verbs=list;watch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations/status,verbs=patch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=installations/finalizers,verbs=update
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;create;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces;serviceaccounts,verbs=get
// +kubebuilder:rbac:groups="",resources=events,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// extensionField indexes Installations by the Extension whose hooks they run.
const extensionField = "spec.extensionRef.name"

// Informers are what the manager's cache holds of Jobs and pods: those of Installations
// alone.
func Informers() map[client.Object]cache.ByObject {
	ours, err := labels.NewRequirement(InstallationLabel, selection.Exists, nil)
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
	if err := mgr.Add(Sweep{r}); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("installation").
		For(&api.Installation{}).
		Watches(&batchv1.Job{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(byLabel)).
		Watches(&api.Extension{}, handler.EnqueueRequestsFromMapFunc(r.byExtension)).
		Watches(&api.Installation{}, handler.EnqueueRequestsFromMapFunc(r.byWaiting), builder.WithPredicates(endings())).
		WatchesRawSource(source.Channel(r.moved, handler.EnqueueRequestsFromMapFunc(r.byCatalog))).
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

// endings are the events after which another may begin: an attempt has ended, or one that
// ran is gone.
func endings() predicate.Predicate {
	runs := func(object client.Object) bool {
		inst, ok := object.(*api.Installation)
		return ok && attempting(inst)
	}
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(e event.UpdateEvent) bool { return runs(e.ObjectOld) && !runs(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return runs(e.Object) },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// byCatalog are the Installations whose Extension is Ready, and was not to be had.
func (r *Reconciler) byCatalog(ctx context.Context, _ client.Object) []reconcile.Request {
	list := &api.InstallationList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only read
		ctrl.LoggerFrom(ctx).Error(err, "The Installations that wait for a catalog cannot be listed; they are looked at in a while")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if other := &list.Items[i]; waitsFor(other, api.ExtensionNotReadyReason) || waitsFor(other, api.InternalErrorReason) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
		}
	}
	return requests
}

// woken is how many of those that wait for a place one that ends wakes: there is one place.
const woken = 4

// byWaiting are the Installations that may wait for another: for it to be Ready, or for
// the place that it had.
func (r *Reconciler) byWaiting(ctx context.Context, object client.Object) []reconcile.Request {
	inst, ok := object.(*api.Installation)
	if !ok {
		return nil
	}
	list := &api.InstallationList{}
	if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil { // they are only read
		ctrl.LoggerFrom(ctx).Error(err, "The Installations that wait cannot be listed; they are looked at when they change")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if other := &list.Items[i]; other.Namespace == inst.Namespace && waitsFor(other, api.DependencyNotReadyReason) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
		}
	}
	for _, other := range newLine(list.Items, inst).next(woken) {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(other)})
	}
	return requests
}

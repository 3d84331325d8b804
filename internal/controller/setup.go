// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"time"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=extensions,verbs=list;watch
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=extensions/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Setup adds the Reconciler to mgr, with workers reconciles at a time. There is
// no filter on updates: a reconcile that finds nothing new costs microseconds,
// and so a status that somebody else has changed is put right. Extensions are watched
// once more for those that depend on them.
func (r *Reconciler) Setup(mgr ctrl.Manager, workers int) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("extension").
		For(&api.Extension{}).
		Watches(&api.Extension{}, r.Wakes.notice()).
		WatchesRawSource(r.Wakes).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: workers,
			// Only failed writes come back through it: after an API server was away,
			// nobody should wait long.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](5*time.Millisecond, time.Minute),
		}).
		Complete(r)
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

const (
	// passes is how often everything is looked through: what a change has come between is found
	// by the next.
	passes = 5
	// page is how many objects are listed at once.
	page = 500
)

// ErrComesAgain says that the finalizers are put on again as they are taken off, by a controller that holds no Lease.
var ErrComesAgain = errors.New("objects got a finalizer of the operator again, or changed each time: a controller of Installations is still running, " +
	"perhaps one with --leader-elect=false; stop it first")

// refusals is how many objects are named that the API server does not let go of.
const refusals = 10

// Released is an object that a finalizer of this operator was taken off, or would be.
type Released struct {
	Kind      string
	Namespace string
	Name      string
}

// Release takes the finalizers of this operator off everything in a namespace, or in all of them, for the time when no
// controller will. Nothing is uninstalled by it.
type Release struct {
	Client client.Client
	// Namespace is empty for all of them.
	Namespace string
	// DryRun only tells.
	DryRun bool
	// Tell is told of each object.
	Tell func(Released)
}

// kept are the kinds that have our finalizers, an Installation last, as its controller does it.
func kept() []held {
	return []held{
		{kind: schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, finalizer: JobFinalizer, labelled: true},
		{kind: corev1.SchemeGroupVersion.WithKind("ConfigMap"), finalizer: UninstallFinalizer, labelled: true},
		{kind: api.GroupVersion.WithKind("Installation"), finalizer: UninstallFinalizer},
	}
}

// held is a kind of objects that a finalizer keeps.
type held struct {
	kind      schema.GroupVersionKind
	finalizer string
	// labelled: ours have the label with the uid of their Installation.
	labelled bool
}

// All releases everything that there is, but what the API server refuses to change, which its error tells.
func (r Release) All(ctx context.Context) error {
	var t *tally
	for range passes {
		t = &tally{}
		for _, h := range kept() {
			if err := r.every(ctx, h, t); err != nil {
				return fmt.Errorf("release every %s: %w", h.kind.Kind, err)
			}
		}
		if t.again == 0 || r.DryRun {
			return t.refused()
		}
	}
	return errors.Join(ErrComesAgain, t.refused())
}

// tally is what one pass has met.
type tally struct {
	// again is how many objects had the finalizer, and are to be looked at once more.
	again int
	// no are those that the API server does not let go of.
	no []error
}

func (t *tally) refused() error {
	if more := len(t.no) - refusals; more > 0 {
		t.no = append(t.no[:refusals], fmt.Errorf("and %d more", more))
	}
	return errors.Join(t.no...)
}

// every releases those of one kind.
func (r Release) every(ctx context.Context, h held, t *tally) error {
	options := []client.ListOption{client.InNamespace(r.Namespace), client.Limit(page)}
	if h.labelled {
		options = append(options, client.HasLabels{InstallationLabel})
	}
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(h.kind.GroupVersion().WithKind(h.kind.Kind + "List"))
		err := r.Client.List(ctx, list, append(options, client.Continue(next))...)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) { // the CRD is gone, and what was of it
			return nil
		}
		if err != nil {
			return err
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(h.kind)
			if err := r.one(ctx, &list.Items[i], h.finalizer, t); err != nil {
				return err
			}
		}
		if next = list.Continue; next == "" {
			return nil
		}
	}
}

// one releases an object, if it has the finalizer. Somebody else's change in between leaves it to the next pass.
func (r Release) one(ctx context.Context, object *metav1.PartialObjectMetadata, finalizer string, t *tally) error {
	if !slices.Contains(object.Finalizers, finalizer) {
		return nil
	}
	told := Released{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
	if !r.DryRun {
		base := object.DeepCopy()
		object.Finalizers = slices.DeleteFunc(object.Finalizers, func(f string) bool { return f == finalizer })
		err := r.Client.Patch(ctx, object, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
		switch {
		case apierrors.IsNotFound(err):
			return nil
		case apierrors.IsConflict(err):
			t.again++
			return nil
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
			t.no = append(t.no, fmt.Errorf("%s %s/%s keeps its finalizer, because the API server refuses the change: %w", told.Kind, told.Namespace, told.Name, err))
			return nil
		case err != nil:
			return fmt.Errorf("%s %s/%s: %w", told.Kind, told.Namespace, told.Name, err)
		}
		t.again++
	}
	r.Tell(told)
	return nil
}

// alive are pods that have not ended: one that was evicted stays to be looked at.
var alive = client.MatchingFieldsSelector{Selector: fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.phase", string(corev1.PodSucceeded)), fields.OneTermNotEqualSelector("status.phase", string(corev1.PodFailed)),
)}

// StopController scales a Deployment to nothing and waits until its pods are gone. One that is not there is stopped.
func StopController(ctx context.Context, c client.Client, name types.NamespacedName, poll time.Duration) error {
	deployment := &appsv1.Deployment{}
	err := c.Get(ctx, name, deployment)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	none := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":0}}`))
	if err := c.SubResource("scale").Patch(ctx, deployment, none, client.WithSubResourceBody(&autoscalingv1.Scale{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return err
	}
	err = wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		pods := &metav1.PartialObjectMetadataList{}
		pods.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("PodList"))
		err := c.List(ctx, pods, client.InNamespace(name.Namespace), client.MatchingLabelsSelector{Selector: selector}, alive)
		return len(pods.Items) == 0, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("its pods do not end in time: %w", err)
	}
	return err
}

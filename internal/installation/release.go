// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"encoding/json"
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

// ErrComesAgain says that the finalizers are put on again as they are taken off.
var ErrComesAgain = errors.New("objects got a finalizer of the operator again: a controller of Installations is still running; stop it first")

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

// All releases everything that there is.
func (r Release) All(ctx context.Context) error {
	for range passes {
		found := 0
		for _, h := range kept() {
			n, err := r.every(ctx, h)
			if err != nil {
				return fmt.Errorf("release every %s: %w", h.kind.Kind, err)
			}
			found += n
		}
		if found == 0 || r.DryRun {
			return nil
		}
	}
	return ErrComesAgain
}

// every releases those of one kind, and counts how many had the finalizer.
func (r Release) every(ctx context.Context, h held) (found int, err error) {
	options := []client.ListOption{client.InNamespace(r.Namespace), client.Limit(page)}
	if h.labelled {
		options = append(options, client.HasLabels{InstallationLabel})
	}
	for next := ""; ; {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(h.kind.GroupVersion().WithKind(h.kind.Kind + "List"))
		err := r.Client.List(ctx, list, append(options, client.Continue(next))...)
		if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) { // the CRD is gone, and what was of it
			return found, nil
		}
		if err != nil {
			return found, err
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(h.kind)
			had, err := r.one(ctx, &list.Items[i], h.finalizer)
			if err != nil {
				return found, err
			}
			if had {
				found++
			}
		}
		if next = list.Continue; next == "" {
			return found, nil
		}
	}
}

// one releases an object, if it has the finalizer. Somebody else's change in between leaves it to the next pass.
func (r Release) one(ctx context.Context, object *metav1.PartialObjectMetadata, finalizer string) (had bool, err error) {
	at := slices.Index(object.Finalizers, finalizer)
	if at < 0 {
		return false, nil
	}
	told := Released{Kind: object.Kind, Namespace: object.Namespace, Name: object.Name}
	if !r.DryRun {
		path := fmt.Sprintf("/metadata/finalizers/%d", at)
		patch, err := json.Marshal([]map[string]any{
			{"op": "test", "path": "/metadata/uid", "value": object.UID},
			{"op": "test", "path": path, "value": finalizer},
			{"op": "remove", "path": path},
		})
		if err != nil {
			return true, err
		}
		err = r.Client.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
		if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
			return true, nil
		}
		if err != nil {
			return true, fmt.Errorf("%s %s/%s: %w", told.Kind, told.Namespace, told.Name, err)
		}
	}
	r.Tell(told)
	return true, nil
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

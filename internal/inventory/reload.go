// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"
	"encoding/json"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Reloading needs to annotate Extensions. RBAC cannot say that it is the annotation
// alone; nothing else is ever in these patches.
// +kubebuilder:rbac:groups=extensions.provisioning.dev,resources=extensions,verbs=patch

const (
	// patches is how many are sent at a time.
	patches = 8
	// glance is how long one waiting Extension delays the next look at all that wait:
	// a change of each of thousands must not have all of them looked at.
	glance = 20 * time.Microsecond
)

// Reload annotates the targets with a token, which must be unique, and waits until all
// have handled it, or a newer one, or patience or ctx ends. What it returns is in the
// order of the targets.
func (i *Inventory) Reload(ctx context.Context, patience time.Duration, token string, targets []extension.ReloadTarget) []extension.ReloadOutcome {
	outcomes := make([]extension.ReloadOutcome, len(targets))
	var sending errgroup.Group
	sending.SetLimit(patches)
	for at, target := range targets {
		sending.Go(func() error {
			outcomes[at] = i.annotate(ctx, target, token)
			return nil
		})
	}
	_ = sending.Wait() // each has its own outcome
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	i.await(ctx, token, outcomes)
	// The informer has shown it, and may tell of it a moment later only: who asks next
	// what is loaded is told what came of this.
	i.stamp.Add(1)
	return outcomes
}

// annotate sends the one thing that the manager writes of an Extension but its status.
func (i *Inventory) annotate(ctx context.Context, target extension.ReloadTarget, token string) extension.ReloadOutcome {
	outcome := extension.ReloadOutcome{ReloadTarget: target, State: extension.ReloadPending}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{api.ReloadAnnotation: token}}})
	if err == nil {
		ext := &api.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: target.Namespace, Name: target.Name}}
		err = i.opts.Client.Patch(ctx, ext, client.RawPatch(types.MergePatchType, patch))
		outcome.Last = ext.Status.LastHandledReloadAt
	}
	switch {
	case apierrors.IsNotFound(err):
		outcome.State = extension.ReloadGone
	case err != nil:
		outcome.State, outcome.Err = extension.ReloadRefused, explain(err)
	case target.Suspended:
		outcome.State = extension.ReloadSuspended
	}
	return outcome
}

// explain makes the operator's own lack of a right no fault of the caller's.
func explain(err error) error {
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		return err
	}
	return extension.NewTransientFault(extension.InternalError, err,
		"the operator may not patch Extensions, by which it asks them to reload: grant its ServiceAccount patch on them, as config/rbac/role.yaml does, "+
			"and see what else refuses it; its log has more")
}

// await looks at what is pending with each change.
func (i *Inventory) await(ctx context.Context, token string, outcomes []extension.ReloadOutcome) {
	for {
		moved := i.next()
		pending := 0
		for at := range outcomes {
			if outcomes[at].State == extension.ReloadPending {
				i.observe(ctx, token, &outcomes[at])
			}
			if outcomes[at].State == extension.ReloadPending {
				pending++
			}
		}
		if pending == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-moved:
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(pending) * glance):
		}
	}
}

// observe reads from the informer whether a pending reload was handled.
func (i *Inventory) observe(ctx context.Context, token string, outcome *extension.ReloadOutcome) {
	ext := &api.Extension{}
	err := i.opts.Client.Get(context.WithoutCancel(ctx), client.ObjectKey{Namespace: outcome.Namespace, Name: outcome.Name}, ext)
	switch {
	case apierrors.IsNotFound(err):
		outcome.State = extension.ReloadGone
		return
	case err != nil:
		return // the informer is stopping
	}
	ready := meta.FindStatusCondition(ext.Status.Conditions, api.ReadyCondition)
	if ready != nil && ready.Status != metav1.ConditionTrue {
		outcome.Reason, outcome.Message = extension.Code(ready.Reason), ready.Message
	}
	switch {
	case handled(ext, token, outcome):
		outcome.State = extension.ReloadFailed
		if ready != nil && ready.Status == metav1.ConditionTrue {
			outcome.State = extension.Reloaded
		}
	case ext.Spec.Suspend:
		outcome.State = extension.ReloadSuspended
	}
}

// handled tells whether an Extension has handled token, or one that took its place, which
// may be replaced by now as well. Before the informer shows token, what it shows is the
// one of before.
func handled(ext *api.Extension, token string, asked *extension.ReloadOutcome) bool {
	last, wanted := ext.Status.LastHandledReloadAt, ext.Annotations[api.ReloadAnnotation]
	replaced := wanted != "" && wanted != asked.Before && wanted != token
	return last == token || replaced && last != asked.Last && last != api.RecordedToken(asked.Before)
}

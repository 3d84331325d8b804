// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// askedFor is the informer's index of Extensions by the type and name that they ask for.
const askedFor = "spec.type/spec.name"

// IndexPeers adds to the informer the index that Peers reads.
func IndexPeers(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, &api.Extension{}, askedFor, func(object client.Object) []string {
		ext, ok := object.(*api.Extension)
		if !ok {
			return nil
		}
		return []string{askedForBy(ext.Spec.Type, ext.Spec.Name)}
	})
}

func askedForBy(kind api.ExtensionType, name string) string { return string(kind) + "/" + name }

// Peers tells resolve of the Extensions of a namespace, as the informer has them.
type Peers struct{ Reader client.Reader }

// Peers lists the Extensions of a namespace that ask for a name and do not go away.
func (p Peers) Peers(ctx context.Context, namespace string, t extension.Type, name string) ([]resolve.Peer, error) {
	list := &api.ExtensionList{}
	err := p.Reader.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{askedFor: askedForBy(api.ExtensionType(t), name)},
		client.UnsafeDisableDeepCopy) // they are only read
	if err != nil {
		return nil, fmt.Errorf("list the Extensions of %s/%s: %w", t, name, err)
	}
	var peers []resolve.Peer
	for i := range list.Items {
		ext := &list.Items[i]
		if !ext.DeletionTimestamp.IsZero() {
			continue
		}
		peer := peerOf(ext)
		if ext.Status.Metadata != nil {
			peer.Loaded.Metadata.Dependencies = dependenciesOf(ext.Status.Metadata.Dependencies)
		}
		peers = append(peers, peer)
	}
	return peers, nil
}

// peerOf is what others in the namespace see of an Extension. Ready speaks of what
// is served, whether or not a newer spec was looked at yet; why it is not is of
// interest once nothing but a change helps. What it depends on is left out: the digest
// covers that, and this is looked at for every event of every Extension.
func peerOf(ext *api.Extension) resolve.Peer {
	s := ext.Status
	peer := resolve.Peer{
		Object: ext.Name, Wants: ext.Spec.Version,
		Loaded: extension.Member{
			Key:     extension.Key{Type: extension.Type(ext.Spec.Type), Name: ext.Spec.Name, Version: s.Version},
			Catalog: s.Catalog, Path: s.Path, Digest: extension.Digest(s.Digest),
		},
	}
	if ext.Spec.CatalogRef != nil {
		peer.Catalog = ext.Spec.CatalogRef.Name
	}
	peer.Ready = meta.IsStatusConditionTrue(s.Conditions, api.ReadyCondition) && s.Version != ""
	if stalled := meta.FindStatusCondition(s.Conditions, api.StalledCondition); stalled != nil {
		peer.Problem = stalled.Reason
	}
	if ready := meta.FindStatusCondition(s.Conditions, api.ReadyCondition); ready != nil && ready.Reason == api.AwaitingRequestReason {
		peer.Problem = ready.Reason
	}
	return peer
}

// dependenciesOf reads what a status tells of a manifest's dependencies.
func dependenciesOf(texts []string) []extension.Dependency {
	list := make([]extension.Dependency, 0, len(texts))
	for _, text := range texts {
		if ref, err := extension.ParseRef(text); err == nil {
			list = append(list, extension.Dependency{Type: ref.Type, Name: ref.Name, Constraint: ref.Constraint})
		}
	}
	return list
}

// notice wakes those who asked for an Extension when what they see of it changes.
func (w *Wakes) notice() handler.Funcs {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, _ queue) { w.peerChanged(e.Object) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ queue) { w.peerChanged(e.Object) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, _ queue) {
			if !samePeer(e.ObjectOld, e.ObjectNew) {
				w.peerChanged(e.ObjectOld) // one that was made anew may ask for something else
				w.peerChanged(e.ObjectNew)
			}
		},
	}
}

// samePeer tells whether others in the namespace see no difference.
func samePeer(before, after client.Object) bool {
	was, okWas := before.(*api.Extension)
	is, okIs := after.(*api.Extension)
	return okWas && okIs && was.DeletionTimestamp.IsZero() == is.DeletionTimestamp.IsZero() && reflect.DeepEqual(peerOf(was), peerOf(is))
}

func (w *Wakes) peerChanged(object client.Object) {
	if ext, ok := object.(*api.Extension); ok {
		w.Changed([]extension.Consulted{{Namespace: ext.Namespace, Type: extension.Type(ext.Spec.Type), Name: ext.Spec.Name}})
	}
}

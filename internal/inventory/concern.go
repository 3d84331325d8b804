// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"context"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Concerned lists the Extensions, in all namespaces or in that of the wish, that ask for
// what is to be reloaded or are loaded with it, by namespace and name.
func (i *Inventory) Concerned(ctx context.Context, wish extension.ReloadWish) ([]extension.ReloadTarget, error) {
	s, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	namespaces := s.namespaces
	if wish.Namespace != "" {
		namespaces = []string{wish.Namespace}
	}
	var targets []extension.ReloadTarget
	for _, ext := range s.in(namespaces) {
		if target, concerned := concern(ext, wish); concerned {
			targets = append(targets, target)
		}
	}
	return targets, nil
}

func concern(ext *api.Extension, wish extension.ReloadWish) (extension.ReloadTarget, bool) {
	target := extension.ReloadTarget{
		Namespace: ext.Namespace, Name: ext.Name, Suspended: ext.Spec.Suspend, Before: ext.Annotations[api.ReloadAnnotation],
	}
	if !ext.DeletionTimestamp.IsZero() {
		return target, false
	}
	is := func(k extension.Key) bool {
		return k.Type == wish.Type && k.Name == wish.Name && (wish.Version == "" || k.Version == wish.Version)
	}
	own := keyOf(ext)
	asked := own
	asked.Version = ext.Spec.Version // one that was never loaded may ask for it
	if is(own) || is(asked) {
		target.Own, target.Contents = true, []extension.Content{{Key: own, Digest: extension.Digest(ext.Status.Digest)}}
		return target, true
	}
	for _, key := range loadedWith(ext) {
		if is(key) {
			target.Contents = append(target.Contents, extension.Content{Key: key, Digest: contentOf(ext, key)})
		}
	}
	return target, len(target.Contents) > 0
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// Recall gives a version as it was when it had that digest: the store's copy, or what
// the library has, if it is still the same. The Member has no Path where it is the
// store's alone. err is a transient Fault, or that of ctx.
func (l *Library) Recall(ctx context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	if data, err := l.store.ReadFile(digest, store.ManifestName); err == nil {
		m, err := ParseManifest(data)
		same := err == nil && m.Key() == key
		return extension.Member{Key: key, Catalog: l.name, Digest: digest, Metadata: m}, same, nil
	}
	m, err := l.Fetch(ctx, key)
	var fault *extension.Fault
	if errors.As(err, &fault) && !fault.Transient {
		return extension.Member{}, false, nil
	}
	return m, err == nil && m.Digest == digest, err
}

// Names lists the names of a type, in any order. A library is open to every
// namespace. err is a transient Fault of the library.
func (l *Library) Names(_ context.Context, _ string, t extension.Type) ([]string, error) {
	if l.Synced().IsZero() {
		return l.listed(t)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	var names []string
	for who, e := range l.names {
		if p := e.parts[existence]; who.kind == t && p != nil && p.accepted.shape == present {
			names = append(names, who.name)
		}
	}
	return names, nil
}

// listed are the names of a type as they lie on the disk, for a library that was not
// scanned yet.
func (l *Library) listed(t extension.Type) ([]string, error) {
	root, err := l.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	all := map[id]struct{}{}
	if err := l.listType(root, t, all, map[id]struct{}{}); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(all))
	for who := range all {
		names = append(names, who.name)
	}
	return names, nil
}

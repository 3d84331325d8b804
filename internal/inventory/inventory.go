// SPDX-License-Identifier: Apache-2.0

// Package inventory answers from the informer what the statuses say is loaded and what
// depends on it, and asks for reloads by annotation. Any replica can answer so, and all
// answer the same, whoever leads.
//
//	inventory.go    one look at all Extensions, kept until something changes
//	rows.go         what is loaded
//	dependents.go   what would break
//	concern.go      whom a reload concerns
//	reload.go       asking for it, and waiting for what came of it
package inventory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Catalogs know what manifests say.
type Catalogs interface {
	// Describe gives a version as it was when it had that digest, or, where digest is
	// empty, as it is now. It is not found when nobody has it so any more. An error
	// may pass.
	Describe(ctx context.Context, key extension.Key, digest extension.Digest) (member extension.Member, found bool, err error)
}

// Options of an Inventory; every field is required.
type Options struct {
	// Client reads from the informer and writes to the API server.
	Client   client.Client
	Catalogs Catalogs
}

// Inventory answers from the informer. It is safe for concurrent use; Changed must be
// called whenever an Extension or a catalog changes.
type Inventory struct {
	opts  Options
	stamp atomic.Uint64

	mu      sync.Mutex
	current *sight
	// moved is closed with the next change.
	moved chan struct{}
}

// New makes an Inventory.
func New(opts Options) *Inventory { return &Inventory{opts: opts, moved: make(chan struct{})} }

// Changed says that an Extension or a catalog is not as it was.
func (i *Inventory) Changed() {
	i.stamp.Add(1)
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.moved)
	i.moved = make(chan struct{})
}

// next is closed with the next change.
func (i *Inventory) next() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.moved
}

// Stamp changes whenever an answer may have.
func (i *Inventory) Stamp() uint64 { return i.stamp.Load() }

// sight is one look at all Extensions. Its objects are the informer's and only read.
type sight struct {
	stamp      uint64
	extensions map[string][]*api.Extension
	namespaces []string

	flights singleflight.Group
	mu      sync.Mutex
	rows    map[string][]extension.LoadedRow
}

// look lists the Extensions, unless nothing has changed since that was done.
func (i *Inventory) look(ctx context.Context) (*sight, error) {
	stamp := i.stamp.Load()
	i.mu.Lock()
	current := i.current
	i.mu.Unlock()
	if current != nil && current.stamp == stamp {
		return current, nil
	}
	list := &api.ExtensionList{}
	if err := i.opts.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		// An informer does not fail; it has not begun, or has ended.
		return nil, apierrors.NewServiceUnavailable(fmt.Sprintf("the Extensions cannot be listed: %v; ask again", err))
	}
	s := &sight{stamp: stamp, extensions: map[string][]*api.Extension{}, rows: map[string][]extension.LoadedRow{}}
	for at := range list.Items {
		ext := &list.Items[at]
		s.extensions[ext.Namespace] = append(s.extensions[ext.Namespace], ext)
	}
	for _, some := range s.extensions {
		slices.SortFunc(some, func(a, b *api.Extension) int { return strings.Compare(a.Name, b.Name) })
	}
	s.namespaces = slices.Sorted(maps.Keys(s.extensions))
	i.mu.Lock()
	defer i.mu.Unlock()
	i.current = s
	return s, nil
}

// Namespaces lists those that have Extensions, sorted.
func (i *Inventory) Namespaces(ctx context.Context) ([]string, error) {
	s, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	return s.namespaces, nil
}

// in gives the Extensions of namespaces, by namespace and name.
func (s *sight) in(namespaces []string) []*api.Extension {
	var all []*api.Extension
	for _, namespace := range namespaces {
		all = append(all, s.extensions[namespace]...)
	}
	return all
}

// keyOf is the key of an Extension's last good load; it has no Version where there is none.
func keyOf(ext *api.Extension) extension.Key {
	return extension.Key{Type: extension.Type(ext.Spec.Type), Name: ext.Spec.Name, Version: ext.Status.Version}
}

// loadedWith are the keys of the dependencies that an Extension's last good load has
// loaded. Under Ignore they only lie in its stage.
func loadedWith(ext *api.Extension) []extension.Key {
	if ext.Spec.DependencyPolicy == api.IgnoreDependencies {
		return nil
	}
	keys := make([]extension.Key, 0, len(ext.Status.LoadedDependencies))
	for _, text := range ext.Status.LoadedDependencies {
		if key, ok := extension.ParseKey(text); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

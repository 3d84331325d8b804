// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"provisioning.dev/extension-operator/internal/extension"
)

// Wakes is the index of who consulted what, and the source that wakes exactly
// them. It is rebuilt by resolving, so it needs no memory over a restart. It is
// safe for concurrent use.
type Wakes struct {
	mu           sync.Mutex
	queue        workqueue.TypedRateLimitingInterface[reconcile.Request]
	consulted    map[types.NamespacedName][]extension.Consulted
	askers       map[extension.Consulted]sets.Set[types.NamespacedName]
	awaitingSync sets.Set[types.NamespacedName]
	woken        sets.Set[types.NamespacedName]
}

// NewWakes makes an empty index.
func NewWakes() *Wakes {
	return &Wakes{
		consulted:    map[types.NamespacedName][]extension.Consulted{},
		askers:       map[extension.Consulted]sets.Set[types.NamespacedName]{},
		awaitingSync: sets.New[types.NamespacedName](),
		woken:        sets.New[types.NamespacedName](),
	}
}

// Start remembers the queue, as a controller's source.
func (w *Wakes) Start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = queue
	return nil
}

// Changed wakes whoever consulted one of these, found or not. One without type
// and name stands for everything of its catalog.
func (w *Wakes) Changed(changed []extension.Consulted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range changed {
		if c.Type != "" || c.Name != "" {
			w.wakeAll(w.askers[c])
			continue
		}
		for asked, keys := range w.askers {
			if asked.Catalog == c.Catalog {
				w.wakeAll(keys)
			}
		}
	}
}

// Synced wakes whoever waits for every catalog to have been read once more.
func (w *Wakes) Synced() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wakeAll(w.awaitingSync)
}

// Wake wakes one object.
func (w *Wakes) Wake(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wake(key)
}

func (w *Wakes) wakeAll(keys sets.Set[types.NamespacedName]) {
	for key := range keys {
		w.wake(key)
	}
}

// requeue has key looked at, because a load has ended. It is no event of its own: a
// backoff that began with that load's outcome goes on.
func (w *Wakes) requeue(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.enqueue(key)
}

// wake needs the lock.
func (w *Wakes) wake(key types.NamespacedName) {
	w.woken.Insert(key)
	w.enqueue(key)
}

// enqueue needs the lock.
func (w *Wakes) enqueue(key types.NamespacedName) {
	if w.queue != nil { // before the start, the first list brings every object anyway
		w.queue.Add(reconcile.Request{NamespacedName: key})
	}
}

// take begins a reconcile: it tells whether key was woken since the last one.
func (w *Wakes) take(key types.NamespacedName) (woken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	woken = w.woken.Has(key)
	w.woken.Delete(key)
	return woken
}

// consult notes a question of key before it is asked, so that a change of the answer
// is never missed.
func (w *Wakes) consult(key types.NamespacedName, c extension.Consulted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.askers[c] == nil {
		w.askers[c] = sets.New[types.NamespacedName]()
	}
	if !w.askers[c].Has(key) {
		w.askers[c].Insert(key)
		w.consulted[key] = append(w.consulted[key], c)
	}
}

// record ends a round of questions: what key has asked before and is not among
// these is of no interest any more.
func (w *Wakes) record(key types.NamespacedName, consulted []extension.Consulted) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Equal(w.consulted[key], consulted) {
		return
	}
	still := sets.New(consulted...)
	for _, c := range w.consulted[key] {
		if !still.Has(c) {
			w.leave(key, c)
		}
	}
	w.consulted[key] = consulted
}

// awaitSync notes whether key waits for the catalogs to be read once more.
func (w *Wakes) awaitSync(key types.NamespacedName, waits bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if waits {
		w.awaitingSync.Insert(key)
	} else {
		w.awaitingSync.Delete(key)
	}
}

// forget drops an object that is gone.
func (w *Wakes) forget(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(key)
	delete(w.consulted, key)
	w.awaitingSync.Delete(key)
	w.woken.Delete(key)
}

func (w *Wakes) drop(key types.NamespacedName) {
	for _, c := range w.consulted[key] {
		w.leave(key, c)
	}
}

// leave needs the lock.
func (w *Wakes) leave(key types.NamespacedName, c extension.Consulted) {
	w.askers[c].Delete(key)
	if w.askers[c].Len() == 0 {
		delete(w.askers, c)
	}
}

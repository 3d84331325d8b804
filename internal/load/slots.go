// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// slots shares a fixed number of places between namespaces: they take turns, and none
// holds more than its share (by default half of the places, rounded up), so that loads that
// hang in one do not slow the others. A load that several namespaces ask for waits in the queue of
// each, and goes with the first that has its turn.
type slots struct {
	mu           sync.Mutex
	free         int
	perNamespace int
	holding      map[string]int
	waiting      map[string][]*waiter
	// turns lists the namespaces that wait, the next to be served first.
	turns []string
	// asking counts who asks for a load, by its key and their namespace.
	asking map[string]map[string]int
	// queued are the loads that wait, by key.
	queued map[string]*waiter
}

// waiter waits for a place.
type waiter struct {
	key string
	// in are the namespaces in whose queues it stands.
	in []string
	// granted is closed when it has its place, after what follows was set.
	granted chan struct{}
	// namespace holds the place. crowded: many of the same namespace wait behind it.
	namespace string
	crowded   bool
}

// crowd is how many loads of one namespace wait when it counts as a crowd, whose loads
// give way to those of others.
const crowd = 16

// newSlots shares n places; a share of 0 is half of them, rounded up.
func newSlots(n, share int) *slots {
	if share == 0 {
		share = (n + 1) / 2
	}
	return &slots{
		free: n, perNamespace: share,
		holding: map[string]int{}, waiting: map[string][]*waiter{},
		asking: map[string]map[string]int{}, queued: map[string]*waiter{},
	}
}

// ask notes that somebody in a namespace asks for a load, until done is called.
func (s *slots) ask(key, namespace string) (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking[key] == nil {
		s.asking[key] = map[string]int{}
	}
	s.asking[key][namespace]++
	if w := s.queued[key]; w != nil {
		s.enqueue(namespace, w)
		s.grant()
	}
	return func() { s.asked(key, namespace) }
}

func (s *slots) asked(key, namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asking[key][namespace]--; s.asking[key][namespace] == 0 {
		delete(s.asking[key], namespace)
	}
	if len(s.asking[key]) == 0 {
		delete(s.asking, key)
	}
}

// acquire waits for a place for a load that somebody asks for and returns what gives it
// back, and whether the namespace is a crowd. It fails only with the context's error.
// No two may wait with one key.
func (s *slots) acquire(ctx context.Context, key string) (release func(), crowded bool, err error) {
	w := &waiter{key: key, granted: make(chan struct{})}
	s.mu.Lock()
	s.queued[key] = w
	for _, namespace := range slices.Sorted(maps.Keys(s.asking[key])) {
		s.enqueue(namespace, w)
	}
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return func() { s.release(w.namespace) }, w.crowded, nil
	case <-ctx.Done():
		s.abandon(w)
		return nil, false, ctx.Err()
	}
}

// enqueue needs the lock.
func (s *slots) enqueue(ns string, w *waiter) {
	if slices.Contains(w.in, ns) {
		return
	}
	w.in = append(w.in, ns)
	if len(s.waiting[ns]) == 0 {
		s.turns = append(s.turns, ns)
	}
	s.waiting[ns] = append(s.waiting[ns], w)
}

// grant serves whoever is next as long as there are places. The lock is held.
func (s *slots) grant() {
	for s.free > 0 {
		turn := slices.IndexFunc(s.turns, func(ns string) bool { return s.holding[ns] < s.perNamespace })
		if turn < 0 {
			return
		}
		ns := s.turns[turn]
		w := s.waiting[ns][0]
		s.dequeue(w)
		w.namespace, w.crowded = ns, len(s.waiting[ns]) >= crowd
		if turn = slices.Index(s.turns, ns); turn >= 0 { // it goes to the end
			s.turns = append(slices.Delete(s.turns, turn, turn+1), ns)
		}
		s.free--
		s.holding[ns]++
		close(w.granted)
	}
}

// count tells how many places are taken and how many loads wait for one.
func (s *slots) count() (taken, waiting int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, held := range s.holding {
		taken += held
	}
	return taken, len(s.queued)
}

func (s *slots) release(ns string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free++
	if s.holding[ns]--; s.holding[ns] == 0 {
		delete(s.holding, ns)
	}
	s.grant()
}

// abandon takes a waiter out of the queues, or gives back the place that it was
// granted at the same moment.
func (s *slots) abandon(w *waiter) {
	s.mu.Lock()
	waits := s.queued[w.key] == w
	if waits {
		s.dequeue(w)
	}
	s.mu.Unlock()
	if !waits {
		s.release(w.namespace)
	}
}

// dequeue takes a waiter out of every queue. It needs the lock.
func (s *slots) dequeue(w *waiter) {
	delete(s.queued, w.key)
	for _, ns := range w.in {
		s.waiting[ns] = slices.DeleteFunc(s.waiting[ns], func(o *waiter) bool { return o == w })
		if len(s.waiting[ns]) == 0 {
			delete(s.waiting, ns)
			s.turns = slices.DeleteFunc(s.turns, func(turn string) bool { return turn == ns })
		}
	}
}

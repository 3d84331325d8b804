// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"slices"
	"sync"
)

// slots shares a fixed number of places between namespaces: they take turns, and
// none holds more than half of the places (rounded up), so that loads that hang in one do not
// slow the others.
type slots struct {
	mu           sync.Mutex
	free         int
	perNamespace int
	holding      map[string]int
	waiting      map[string][]*waiter
	// turns lists the namespaces that wait, the next to be served first.
	turns []string
}

// waiter waits for a place. crowded is set before granted is closed: many of the same
// namespace wait behind it.
type waiter struct {
	granted chan struct{}
	crowded bool
}

// crowd is how many loads of one namespace wait when it counts as a crowd, whose loads
// give way to those of others.
const crowd = 16

func newSlots(n int) *slots {
	return &slots{
		free: n, perNamespace: (n + 1) / 2,
		holding: map[string]int{}, waiting: map[string][]*waiter{},
	}
}

// acquire waits for a place for namespace and returns what gives it back, and whether
// the namespace is a crowd. It fails only with the context's error.
func (s *slots) acquire(ctx context.Context, namespace string) (release func(), crowded bool, err error) {
	w := &waiter{granted: make(chan struct{})}
	s.mu.Lock()
	if len(s.waiting[namespace]) == 0 {
		s.turns = append(s.turns, namespace)
	}
	s.waiting[namespace] = append(s.waiting[namespace], w)
	s.grant()
	s.mu.Unlock()
	select {
	case <-w.granted:
		return func() { s.release(namespace) }, w.crowded, nil
	case <-ctx.Done():
		s.abandon(namespace, w)
		return nil, false, ctx.Err()
	}
}

// grant serves whoever is next as long as there are places. The lock is held.
func (s *slots) grant() {
	for s.free > 0 {
		turn := slices.IndexFunc(s.turns, func(ns string) bool { return s.holding[ns] < s.perNamespace })
		if turn < 0 {
			return
		}
		ns := s.turns[turn]
		s.turns = slices.Delete(s.turns, turn, turn+1)
		w := s.waiting[ns][0]
		s.dequeue(ns, 0)
		w.crowded = len(s.waiting[ns]) >= crowd
		if len(s.waiting[ns]) > 0 {
			s.turns = append(s.turns, ns)
		}
		s.free--
		s.holding[ns]++
		close(w.granted)
	}
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

// abandon takes a waiter out of the queue, or gives back the place that it was
// granted at the same moment.
func (s *slots) abandon(ns string, w *waiter) {
	s.mu.Lock()
	i := slices.Index(s.waiting[ns], w)
	if i >= 0 {
		s.dequeue(ns, i)
		if len(s.waiting[ns]) == 0 {
			s.turns = slices.DeleteFunc(s.turns, func(turn string) bool { return turn == ns })
		}
	}
	s.mu.Unlock()
	if i < 0 {
		s.release(ns)
	}
}

func (s *slots) dequeue(ns string, i int) {
	s.waiting[ns] = slices.Delete(s.waiting[ns], i, i+1)
	if len(s.waiting[ns]) == 0 {
		delete(s.waiting, ns)
	}
}

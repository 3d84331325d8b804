// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	. "github.com/onsi/gomega"
)

// keys tells loads apart.
var keys atomic.Int64

// enter waits for a place for a load that nobody else asks for.
func (s *slots) enter(ctx context.Context, namespace string) (release func(), crowded bool, err error) {
	key := strconv.FormatInt(keys.Add(1), 10)
	defer s.ask(key, namespace)()
	return s.acquire(ctx, key)
}

// place is one asker's view of the slots.
type place struct {
	namespace string
	release   func()
	crowded   bool
	cancel    context.CancelFunc
	err       error
}

// queue asks for places one after the other and tells who got one, in order.
// It works in a synctest bubble.
type queue struct {
	*slots
	granted []*place
	mu      sync.Mutex
}

func (q *queue) ask(namespace string) *place {
	ctx, cancel := context.WithCancel(context.Background())
	p := &place{namespace: namespace, cancel: cancel}
	go func() {
		release, crowded, err := q.enter(ctx, namespace)
		q.mu.Lock()
		defer q.mu.Unlock()
		p.release, p.crowded, p.err = release, crowded, err
		if err == nil {
			q.granted = append(q.granted, p)
		}
	}()
	synctest.Wait()
	return p
}

func (q *queue) order() (namespaces []string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, p := range q.granted {
		namespaces = append(namespaces, p.namespace)
	}
	return namespaces
}

// giveBack releases the place that was granted as the nth.
func (q *queue) giveBack(n int) {
	q.mu.Lock()
	p := q.granted[n]
	q.mu.Unlock()
	p.release()
	p.cancel()
	synctest.Wait()
}

// expectEmpty checks that nothing is held, awaited or remembered.
func expectEmpty(g Gomega, s *slots, places int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g.Expect(s.free).To(Equal(places))
	g.Expect(s.holding).To(BeEmpty())
	g.Expect(s.waiting).To(BeEmpty())
	g.Expect(s.turns).To(BeEmpty())
	g.Expect(s.asking).To(BeEmpty())
	g.Expect(s.queued).To(BeEmpty())
}

func TestNamespacesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(1, 0)}
		for _, ns := range []string{"x", "a", "a", "a", "b", "c", "b"} {
			q.ask(ns)
		}
		g.Expect(q.order()).To(Equal([]string{"x"}))
		for i := range 7 {
			q.giveBack(i)
		}
		g.Expect(q.order()).To(Equal([]string{"x", "a", "b", "c", "a", "b", "a"}))
		expectEmpty(g, q.slots, 1)
	})
}

func TestNoNamespaceHoldsEveryPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(3, 0)}
		for range 4 {
			q.ask("hangs")
		}
		g.Expect(q.order()).To(Equal([]string{"hangs", "hangs"}), "the last place is kept for others")
		taken, waiting := q.count()
		g.Expect([]int{taken, waiting}).To(Equal([]int{2, 2}))
		q.ask("works")
		q.ask("works too")
		g.Expect(q.order()).To(HaveLen(3))
		q.giveBack(2)
		g.Expect(q.order()).To(Equal([]string{"hangs", "hangs", "works", "works too"}), "others use the last place in turn")
		for _, n := range []int{3, 1, 0, 4, 5} {
			q.giveBack(n)
		}
		g.Expect(q.order()).To(Equal([]string{"hangs", "hangs", "works", "works too", "hangs", "hangs"}))
		expectEmpty(g, q.slots, 3)
	})
}

func TestTheShareOfANamespaceCanBeSet(t *testing.T) {
	for share, held := range map[int]int{1: 1, 3: 3, 9: 4} {
		synctest.Test(t, func(t *testing.T) {
			g := NewWithT(t)
			q := &queue{slots: newSlots(4, share)}
			for range 5 {
				q.ask("many")
			}
			g.Expect(q.order()).To(HaveLen(held))
			for n := range 5 {
				q.giveBack(n)
			}
			expectEmpty(g, q.slots, 4)
		})
	}
}

func TestANamespaceHoldsAtMostHalfOfThePlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(4, 0)}
		for range 3 {
			q.ask("hangs")
		}
		q.ask("works")
		q.ask("works")
		g.Expect(q.order()).To(Equal([]string{"hangs", "hangs", "works", "works"}))
		for i := range 5 {
			q.giveBack(i)
		}
		expectEmpty(g, q.slots, 4)
	})
}

func TestALoadThatSeveralAskForGoesWithTheFirstThatHasItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(2, 0)}
		for range 5 {
			q.ask("hangs")
		}
		g.Expect(q.order()).To(Equal([]string{"hangs"}))
		done := q.slots.ask("shared", "hangs")
		var holds string
		go func() {
			release, _, err := q.acquire(context.Background(), "shared")
			if err == nil {
				holds = "a place"
				release()
			}
		}()
		synctest.Wait()
		g.Expect(holds).To(BeEmpty(), "it is behind the others of its namespace")
		alsoDone := q.slots.ask("shared", "works")
		synctest.Wait()
		g.Expect(holds).To(Equal("a place"))
		done()
		alsoDone()
		for i := range 5 {
			q.giveBack(i)
		}
		expectEmpty(g, q.slots, 2)
	})
}

func TestOnlyACrowdGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(1, 0)}
		for range crowd + 2 {
			q.ask("many")
		}
		for i := range crowd + 2 {
			q.giveBack(i)
		}
		for i, p := range q.granted {
			g.Expect(p.crowded).To(Equal(i == 1), "place %d: with %d behind it", i, crowd+1-i)
		}
		expectEmpty(g, q.slots, 1)
	})
}

func TestOnePlaceIsForWhoeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(1, 0)}
		q.ask("a")
		g.Expect(q.order()).To(Equal([]string{"a"}))
		q.giveBack(0)
		expectEmpty(g, q.slots, 1)
	})
}

func TestCancelledInTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		q := &queue{slots: newSlots(1, 0)}
		q.ask("x")
		first, second := q.ask("a"), q.ask("a")
		alone := q.ask("b")
		first.cancel()
		alone.cancel()
		synctest.Wait()
		g.Expect(first.err).To(MatchError(context.Canceled))
		g.Expect(alone.err).To(MatchError(context.Canceled))
		q.ask("c")
		q.giveBack(0)
		q.giveBack(1)
		g.Expect(q.order()).To(Equal([]string{"x", "a", "c"}))
		g.Expect(second.release).NotTo(BeNil(), "the second took the place of the first")
		q.giveBack(2)
		expectEmpty(g, q.slots, 1)
	})
}

// Whoever is cancelled at the moment of being served gives the place back, or
// has it: it is never lost.
func TestCancelledAtTheMomentOfTheGrant(t *testing.T) {
	g := NewWithT(t)
	s := newSlots(2, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	refused := 0
	for range 1000 {
		release, _, err := s.enter(ctx, "a")
		if err != nil {
			refused++
			continue
		}
		release()
	}
	g.Expect(refused).To(And(BeNumerically(">", 0), BeNumerically("<", 1000)), "both happen")
	expectEmpty(g, s, 2)
}

func TestSlotsUnderLoad(t *testing.T) {
	g := NewWithT(t)
	const places = 4
	s := newSlots(places, 0)
	var all, over atomic.Int32
	perNamespace := [3]atomic.Int32{}
	var users sync.WaitGroup
	for u := range 24 {
		users.Go(func() {
			mine := &perNamespace[u%3]
			for i := range 200 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%3 == 0 {
					go cancel()
				}
				release, _, err := s.enter(ctx, strconv.Itoa(u%3))
				if err == nil {
					if all.Add(1) > places || mine.Add(1) > places-1 {
						over.Add(1)
					}
					all.Add(-1)
					mine.Add(-1)
					release()
				}
				cancel()
			}
		})
	}
	users.Wait()
	g.Expect(over.Load()).To(BeZero())
	expectEmpty(g, s, places)
}

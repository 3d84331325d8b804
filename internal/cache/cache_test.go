// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newCache(g Gomega, size int) *cache.Cache[int] {
	c, err := cache.New[int](size)
	g.Expect(err).NotTo(HaveOccurred())
	return c
}

// remembered makes a produce that gives v and has it remembered.
func remembered(v int) func() (int, bool) { return func() (int, bool) { return v, true } }

func TestNewRefusesASizeBelowOne(t *testing.T) {
	for _, size := range []int{0, -1} {
		_, err := cache.New[int](size)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("cache of %d entries", size)))
	}
}

func TestTheLeastRecentlyUsedGoesFirst(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 3)
	for i, key := range []string{"a", "b", "c"} {
		g.Expect(<-c.Do(key, false, remembered(i))).To(Equal(i))
	}
	_, found := c.Get("a")
	g.Expect(found).To(BeTrue())
	<-c.Do("d", false, remembered(3))

	_, found = c.Get("b")
	g.Expect(found).To(BeFalse(), "b was used longest ago")
	for key, want := range map[string]int{"a": 0, "c": 2, "d": 3} {
		v, found := c.Get(key)
		g.Expect(found).To(BeTrue(), key)
		g.Expect(v).To(Equal(want))
	}
	g.Expect(c.Len()).To(Equal(3))
	for i := range 1000 {
		<-c.Do(strconv.Itoa(i), false, remembered(i))
		g.Expect(c.Len()).To(Equal(3))
	}
}

func TestSomeAreDropped(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 3)
	for i, key := range []string{"a", "b", "c"} {
		<-c.Do(key, false, remembered(i))
	}
	g.Expect(c.Drop(func(v int) bool { return v > 0 })).To(Equal(2))
	g.Expect(c.Len()).To(Equal(1))
	_, found := c.Get("a")
	g.Expect(found).To(BeTrue())
	g.Expect(c.Stats().Evictions).To(BeZero(), "what is dropped made no room")
	for i := range 5 {
		<-c.Do(strconv.Itoa(i), false, remembered(i))
	}
	g.Expect(c.Stats().Evictions).To(BeEquivalentTo(3))
}

func TestManyAskersOneFlight(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	var made atomic.Int32
	release := make(chan struct{})
	var askers sync.WaitGroup
	var asked sync.WaitGroup
	values := make(chan int, 64)
	for range 64 {
		asked.Add(1)
		askers.Go(func() {
			flight := c.Do("key", false, func() (int, bool) {
				made.Add(1)
				<-release
				return 7, true
			})
			asked.Done()
			values <- <-flight
		})
	}
	asked.Wait()
	close(release)
	askers.Wait()
	close(values)
	for v := range values {
		g.Expect(v).To(Equal(7))
	}
	g.Expect(made.Load()).To(BeEquivalentTo(1))
}

// Whoever looked at the memo before a flight ended, and asks after it, must not
// make the value again.
func TestWhoAsksLateFindsTheValue(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	_, found := c.Get("key")
	g.Expect(found).To(BeFalse())
	<-c.Do("key", false, remembered(7))
	g.Expect(<-c.Do("key", false, remembered(8))).To(Equal(7))
}

func TestAValueThatMayNotBeRememberedIsMadeAgain(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	for i := range 3 {
		g.Expect(<-c.Do("key", false, func() (int, bool) { return i, false })).To(Equal(i))
		_, found := c.Get("key")
		g.Expect(found).To(BeFalse())
	}
	g.Expect(c.Len()).To(BeZero())
}

func TestClear(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	for i, key := range []string{"a", "b", "c"} {
		<-c.Do(key, false, remembered(i))
	}
	g.Expect(c.Clear()).To(Equal(3))
	_, found := c.Get("a")
	g.Expect(found).To(BeFalse())
	g.Expect(c.Clear()).To(BeZero())
	g.Expect(c.Len()).To(BeZero())
}

func TestClearDisturbsNoFlight(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	started, release := make(chan struct{}), make(chan struct{})
	first := c.Do("key", false, func() (int, bool) {
		close(started)
		<-release
		return 7, true
	})
	<-started
	c.Clear()
	second := c.Do("key", true, func() (int, bool) { return 8, true })
	close(release)
	g.Expect(<-first).To(Equal(7))
	g.Expect(<-second).To(Equal(7), "one flight per key, whatever is forgotten meanwhile")
	v, found := c.Get("key")
	g.Expect(found).To(BeTrue())
	g.Expect(v).To(Equal(7))
}

func TestAFreshValueIsMadeAlthoughOneIsRemembered(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 8)
	<-c.Do("key", false, remembered(7))
	g.Expect(<-c.Do("key", true, remembered(8))).To(Equal(8))
	v, _ := c.Get("key")
	g.Expect(v).To(Equal(8))
}

func TestASlowFlightBlocksNoOtherKey(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 2)
	started, release := make(chan struct{}), make(chan struct{})
	slow := c.Do("slow", false, func() (int, bool) {
		close(started)
		<-release
		return 1, true
	})
	<-started
	for i := range 100 {
		g.Expect(<-c.Do(strconv.Itoa(i), false, remembered(i))).To(Equal(i))
		_, found := c.Get("slow")
		g.Expect(found).To(BeFalse())
	}
	g.Expect(c.Clear()).To(Equal(2))
	close(release)
	g.Expect(<-slow).To(Equal(1))
}

func TestAnAskerMayLeave(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 2)
	_ = c.Do("key", false, remembered(1)) // nobody receives; goleak sees whether that holds a goroutine
	g.Eventually(c.Len).Should(Equal(1))
}

func TestStatsCountGets(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 2)
	c.Get("key")
	<-c.Do("key", false, remembered(1))
	g.Expect(c.Stats()).To(Equal(cache.Stats{Misses: 1, Entries: 1}))
	c.Get("key")
	c.Get("key")
	g.Expect(c.Stats()).To(Equal(cache.Stats{Misses: 1, Hits: 2, Entries: 1}))
}

func TestEvictionsAreValuesThatGaveWayToOthers(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 2)
	for i := range 5 {
		<-c.Do(strconv.Itoa(i), false, remembered(i))
	}
	g.Expect(c.Stats().Evictions).To(BeEquivalentTo(3))
	<-c.Do("4", true, remembered(9))
	c.Clear()
	g.Expect(c.Stats().Evictions).To(BeEquivalentTo(3), "neither a value made anew nor clearing evicts")
}

func TestCollapsedAreCallsThatMadeNothing(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 2)
	release := make(chan struct{})
	produce := func() (int, bool) {
		<-release
		return 1, true
	}
	flights := []<-chan int{c.Do("key", false, produce), c.Do("key", false, produce), c.Do("key", true, produce)}
	close(release)
	for _, flight := range flights {
		<-flight
	}
	g.Expect(c.Stats().Collapsed).To(BeEquivalentTo(2))
	<-c.Do("key", false, produce)
	g.Expect(c.Stats().Collapsed).To(BeEquivalentTo(3), "it was made already")
	<-c.Do("key", true, produce)
	g.Expect(c.Stats().Collapsed).To(BeEquivalentTo(3))
}

func TestANilInterfaceIsAValue(t *testing.T) {
	g := NewWithT(t)
	c, err := cache.New[error](2)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(<-c.Do("key", false, func() (error, bool) { return nil, true })).To(BeNil())
}

// Everything at once, for the race detector; what is found is always the key's own.
func TestConcurrentUse(t *testing.T) {
	g := NewWithT(t)
	c := newCache(g, 4)
	var wrong atomic.Int32
	var users sync.WaitGroup
	for u := range 8 {
		users.Go(func() {
			for i := range 500 {
				n := (u + i) % 9
				key := strconv.Itoa(n)
				switch i % 5 {
				case 0:
					c.Clear()
				case 1:
					if v, found := c.Get(key); found && v != n {
						wrong.Add(1)
					}
				case 2:
					c.Len()
				default:
					if v := <-c.Do(key, false, func() (int, bool) { return n, i%2 == 0 }); v != n {
						wrong.Add(1)
					}
				}
			}
		})
	}
	for range 50 {
		c.Clear()
	}
	users.Wait()
	g.Expect(wrong.Load()).To(BeZero())
	g.Expect(c.Len()).To(BeNumerically("<=", 4))
}

// SPDX-License-Identifier: Apache-2.0

// Package cache is a bounded memo with one flight per key: however many ask for
// a value at once, it is made once, and never under the cache's lock. A memo is
// never the truth: it may be empty or cleared at any time.
package cache

import (
	"fmt"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"
)

// Cache remembers at most a fixed number of values, the least recently used
// going first. It is safe for concurrent use.
type Cache[V any] struct {
	memo    *lru.Cache[string, V]
	flights singleflight.Group

	hits, misses, evictions, collapsed atomic.Uint64
}

// Stats counts since the Cache was made.
type Stats struct {
	// Hits are the Gets that found something, Misses those that did not.
	Hits, Misses uint64
	// Evictions are the values that gave way to others.
	Evictions uint64
	// Collapsed are the calls of Do for which nothing was made: they joined a flight, or
	// came just after it.
	Collapsed uint64
	// Entries is how many values are remembered now.
	Entries int
}

// New makes a Cache of size entries; size must be at least 1.
func New[V any](size int) (*Cache[V], error) {
	memo, err := lru.New[string, V](size)
	if err != nil {
		return nil, fmt.Errorf("cache of %d entries: %w", size, err)
	}
	return &Cache[V]{memo: memo}, nil
}

// Get returns what is remembered under key, and marks it as used.
func (c *Cache[V]) Get(key string) (V, bool) {
	v, ok := c.memo.Get(key)
	if ok {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	return v, ok
}

// Do starts to make the value of key, or joins whoever makes it already. Produce
// runs once per flight in a goroutine of its own and says whether its value may
// be remembered; with fresh it runs although one is. The channel receives the
// value once.
func (c *Cache[V]) Do(key string, fresh bool, produce func() (value V, remember bool)) <-chan V {
	made := false
	flight := c.flights.DoChan(key, func() (any, error) {
		// A flight that ended between the caller's Get and here has left its value.
		if v, ok := c.memo.Get(key); ok && !fresh {
			return v, nil
		}
		made = true
		v, remember := produce()
		if remember && c.memo.Add(key, v) {
			c.evictions.Add(1)
		}
		return v, nil
	})
	out := make(chan V, 1)
	go func() {
		result := <-flight
		if !made {
			c.collapsed.Add(1)
		}
		v, _ := result.Val.(V) // a V that is an interface may be nil
		out <- v
	}()
	return out
}

// Clear drops everything that is remembered and returns how much that was.
func (c *Cache[V]) Clear() int {
	n := c.Len()
	c.memo.Purge()
	return n
}

// Drop drops what is remembered of those values that which picks and returns how much
// that was.
func (c *Cache[V]) Drop(which func(V) bool) int {
	n := 0
	for _, key := range c.memo.Keys() {
		if v, ok := c.memo.Peek(key); ok && which(v) && c.memo.Remove(key) {
			n++
		}
	}
	return n
}

// Len is the number of remembered values.
func (c *Cache[V]) Len() int { return c.memo.Len() }

// Stats returns the counts so far.
func (c *Cache[V]) Stats() Stats {
	return Stats{
		Hits: c.hits.Load(), Misses: c.misses.Load(), Evictions: c.evictions.Load(), Collapsed: c.collapsed.Load(),
		Entries: c.Len(),
	}
}

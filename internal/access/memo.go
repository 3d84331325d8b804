// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/sha256"
	"time"

	"golang.org/x/sync/singleflight"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/cache"
)

// key is the hash of a question, so that no token is kept and no key is long.
type key = [sha256.Size]byte

// memo remembers answers for a while, and has one question asked for all who want the same at a time. What is good and
// what is not are kept apart: guessing does not push out who is known.
type memo[V any] struct {
	isGood  func(V) bool
	good    *cache.LRUExpireCache
	bad     *cache.LRUExpireCache
	flights singleflight.Group
}

func newMemo[V any](isGood func(V) bool, good, bad int, now func() time.Time) *memo[V] {
	return &memo[V]{
		isGood: isGood,
		good:   cache.NewLRUExpireCacheWithClock(good, clock(now)),
		bad:    cache.NewLRUExpireCacheWithClock(bad, clock(now)),
	}
}

// get returns what is remembered.
func (m *memo[V]) get(k key) (V, bool) {
	answer, found := m.good.Get(k)
	if !found {
		answer, found = m.bad.Get(k)
	}
	v, _ := answer.(V)
	return v, found
}

// ask returns what is remembered, or else asks; errors are not remembered. Others may wait for the same answer, so the
// question outlives the request that asked first, for askLimit.
func (m *memo[V]) ask(ctx context.Context, k key, question func(context.Context) (V, error)) (V, error) {
	if v, found := m.get(k); found {
		return v, nil
	}
	answer := m.flights.DoChan(string(k[:]), func() (any, error) {
		if v, found := m.get(k); found { // it came while this one was on its way here
			return v, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
		defer cancel()
		v, err := question(ctx)
		if err == nil && m.isGood(v) {
			m.good.Add(k, v, yesTime)
		} else if err == nil {
			m.bad.Add(k, v, noTime)
		}
		return v, err
	})
	select {
	case result := <-answer:
		v, _ := result.Val.(V)
		return v, result.Err
	case <-ctx.Done():
		var none V
		return none, apierrors.NewServiceUnavailable("the request ended before the API server had answered who may send it")
	}
}

// clock is how the cache wants the time.
type clock func() time.Time

func (c clock) Now() time.Time { return c() }

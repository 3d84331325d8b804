// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Limits of one client.
type Limits struct {
	// PerSecond is how many requests it may send; 0 is any number.
	PerSecond int
	// Burst is how many of them may come at once.
	Burst int
	// UnderWay is how many requests of one user may be under way at a time; 0 is any number.
	UnderWay int
}

// clients is how many are counted; who has not been heard of for longest is forgotten, and so starts afresh.
const clients = 4096

// limiter counts the requests of each client.
type limiter struct {
	limits Limits
	now    func() time.Time
	counts *lru.Cache[string, *rate.Limiter]

	mu sync.Mutex
	// underWay has those users that have any.
	underWay map[string]int
}

func newLimiter(limits Limits, now func() time.Time) (*limiter, error) {
	counts, err := lru.New[string, *rate.Limiter](clients)
	if err != nil {
		return nil, err
	}
	return &limiter{limits: limits, now: now, counts: counts, underWay: map[string]int{}}, nil
}

// user counts a request of somebody who is known.
func (l *limiter) user(name string) error { return l.take("user " + name) }

// address counts a request from a remote address. A network of IPv6 is one client, because each host has a whole one.
func (l *limiter) address(remote string) error {
	name := remote
	if from, err := netip.ParseAddrPort(remote); err == nil {
		ip := from.Addr().Unmap().WithZone("")
		name = ip.String()
		if prefix, err := ip.Prefix(64); err == nil && ip.Is6() {
			name = prefix.String()
		}
	}
	return l.take("address " + name)
}

// take counts one request, or says how long to wait before the next.
func (l *limiter) take(client string) error {
	if l.limits.PerSecond == 0 {
		return nil
	}
	count, found := l.counts.Get(client)
	if !found {
		count = rate.NewLimiter(rate.Limit(l.limits.PerSecond), l.limits.Burst)
		if other, found, _ := l.counts.PeekOrAdd(client, count); found {
			count = other
		}
	}
	now := l.now()
	turn := count.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	turn.CancelAt(now)
	seconds := int(math.Ceil(wait.Seconds()))
	return apierrors.NewTooManyRequests(
		fmt.Sprintf("more than %d requests a second; send the next in %d s", l.limits.PerSecond, seconds), seconds)
}

// hold counts a request of a user as under way until its context ends.
func (l *limiter) hold(request context.Context, name string) error {
	if l.limits.UnderWay == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.underWay[name] >= l.limits.UnderWay {
		return apierrors.NewTooManyRequests(
			fmt.Sprintf("%d requests of this user are under way, which is the most; send the next when one of them was answered", l.limits.UnderWay), 1)
	}
	l.underWay[name]++
	context.AfterFunc(request, func() { l.release(name) })
	return nil
}

func (l *limiter) release(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.underWay[name]--; l.underWay[name] == 0 {
		delete(l.underWay, name)
	}
}

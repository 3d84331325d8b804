// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"container/list"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// clients are the connections that there are. Those that wait have no request under way: they are idle, have not sent a
// whole header yet, or have been answered and are still to be read from. Whoever opens connections and leaves them costs
// others nothing: beyond the most that there may be, the one that has waited for longest is closed.
//
// Requests of one address are under way on a share of the connections at most, so that none takes the places of all.
// One beyond that is refused, and its connection goes on waiting.
type clients struct {
	most, share int

	mu sync.Mutex
	// open has each connection, with its place in waiting while it waits.
	open    map[net.Conn]*list.Element
	waiting *list.List
	// busy is how many connections of an address do not wait.
	busy map[netip.Prefix]int
}

func newClients(most int) *clients {
	return &clients{most: most, share: (most + 1) / 2,
		open: map[net.Conn]*list.Element{}, waiting: list.New(), busy: map[netip.Prefix]int{}}
}

// note is the hook of http.Server, which calls it for a new connection before it accepts the next.
func (c *clients) note(one net.Conn, state http.ConnState) {
	for _, closing := range c.turn(one, state) {
		closeNow(closing)
	}
}

// turn takes a connection's new state in, and returns those that must go.
func (c *clients) turn(one net.Conn, state http.ConnState) []net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	place, open := c.open[one]
	switch state {
	case http.StateNew:
		c.open[one] = c.waiting.PushBack(one)
		if len(c.open) > c.most {
			return c.forget(c.waiting.Front()) // the new one itself where each other has a request under way
		}
	case http.StateActive:
		if from := origin(one); open && place != nil && c.busy[from] < c.share {
			c.waiting.Remove(place)
			c.open[one] = nil
			c.busy[from]++
		}
	case http.StateIdle:
		if open && place == nil {
			c.open[one] = c.waiting.PushBack(one)
			c.rested(one)
		}
	case http.StateClosed, http.StateHijacked:
		if place != nil {
			c.waiting.Remove(place)
		} else if open {
			c.rested(one)
		}
		delete(c.open, one)
	}
	return nil
}

// rested says that a connection is no more one of the busy.
func (c *clients) rested(one net.Conn) {
	from := origin(one)
	if c.busy[from]--; c.busy[from] == 0 {
		delete(c.busy, from)
	}
}

// origin is the address that a connection comes from. A network of IPv6 is one, because each host has a whole one.
func origin(one net.Conn) netip.Prefix {
	remote, is := one.RemoteAddr().(*net.TCPAddr)
	if !is {
		return netip.Prefix{}
	}
	ip := remote.AddrPort().Addr().Unmap().WithZone("")
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(ip, bits).Masked()
}

type connKey struct{}

// withConn is the hook of http.Server by which a request knows its connection.
func withConn(ctx context.Context, one net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, one)
}

// admit refuses requests beyond an address's share.
func (c *clients) admit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.underWay(r.Context()) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close")
		fail(w, http.StatusTooManyRequests, fmt.Sprintf(
			"%d requests of this address are under way, which is the most; send the next when one of them was answered", c.share))
	})
}

// underWay tells whether a request is one of those that its address may have.
func (c *clients) underWay(request context.Context) bool {
	one, _ := request.Value(connKey{}).(net.Conn)
	c.mu.Lock()
	defer c.mu.Unlock()
	place, open := c.open[one]
	return open && place == nil
}

// done says that a request was answered, and that what may be left of it on its connection is worth no place.
func (c *clients) done(request context.Context) {
	if one, is := request.Value(connKey{}).(net.Conn); is {
		c.note(one, http.StateIdle)
	}
}

func (c *clients) forget(place *list.Element) []net.Conn {
	one, _ := c.waiting.Remove(place).(net.Conn)
	delete(c.open, one)
	return []net.Conn{one}
}

// closeWaiting closes each connection without a request under way.
func (c *clients) closeWaiting() {
	c.mu.Lock()
	var closing []net.Conn
	for c.waiting.Len() > 0 {
		closing = append(closing, c.forget(c.waiting.Front())...)
	}
	c.mu.Unlock()
	for _, one := range closing {
		closeNow(one)
	}
}

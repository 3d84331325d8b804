// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// clients are the connections that there are. Those that wait have no request under way: they are idle, or have not
// sent a whole header yet. Whoever opens connections and leaves them costs others nothing: beyond the most that there
// may be, the one that has waited for longest is closed.
type clients struct {
	most int

	mu sync.Mutex
	// open has each connection, with its place in waiting while it waits.
	open    map[net.Conn]*list.Element
	waiting *list.List
}

func newClients(most int) *clients {
	return &clients{most: most, open: map[net.Conn]*list.Element{}, waiting: list.New()}
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
		if open && place != nil {
			c.waiting.Remove(place)
			c.open[one] = nil
		}
	case http.StateIdle:
		if open && place == nil {
			c.open[one] = c.waiting.PushBack(one)
		}
	case http.StateClosed, http.StateHijacked:
		if place != nil {
			c.waiting.Remove(place)
		}
		delete(c.open, one)
	}
	return nil
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

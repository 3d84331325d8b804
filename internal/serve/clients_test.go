// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func (c *clients) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestOthersAreServedWhile2000ConnectionsAreIdle(t *testing.T) {
	o := plain(hello)
	each(t, o, usualTimes, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		before := memory()
		for i := range 2000 {
			c, err := net.Dial("tcp", s.Addr().String())
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { _ = c.Close() })
			if i%2 == 0 { // some say nothing, some begin and do not go on
				_, err := io.WriteString(c, "GET / HTTP/1.1\r\n")
				if err != nil {
					g.Expect(errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)).To(BeTrue(), "%v", err)
				}
			}
			if i%100 == 99 {
				begun := time.Now()
				r, body := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // which is left idle too
				g.Expect(r.StatusCode).To(Equal(http.StatusOK))
				g.Expect(body).To(Equal("hello"))
				g.Expect(time.Since(begun)).To(BeNumerically("<", 5*time.Second))
				g.Expect(s.clients.count()).To(BeNumerically("<=", o.MaxConnections))
			}
		}
		g.Eventually(func() int64 { return memory() - before }, 5*time.Second).Should(
			BeNumerically("<", 16<<20), "of %d connections, and of the 2000 ends of the test", o.MaxConnections)
	})
}

func TestARequestUnderWayIsNotClosedForAnother(t *testing.T) {
	g := NewWithT(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
		hello(w, r)
	})
	o.MaxConnections = 3
	s, _ := run(t, o, usualTimes)
	var slow []net.Conn
	for i := range o.MaxConnections {
		c := dialFrom(t, s, byte(i+1))
		_, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		g.Expect(err).NotTo(HaveOccurred())
		<-arrived
		slow = append(slow, c)
	}
	c := dial(t, s)
	_, err := c.Read(make([]byte, 1))
	g.Expect(errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)).To(BeTrue(), "there is no room: %v", err)
	close(release)
	for _, c := range slow {
		all, err := io.ReadAll(c)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(all)).To(HaveSuffix("hello"))
	}
	r, _ := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	g.Expect(r.StatusCode).To(Equal(http.StatusOK), "there is room again")
}

// post is a request whose body does not come.
const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf"

func TestHalfBodiesLockNobodyOut(t *testing.T) {
	o := plain(hello)
	o.MaxConnections = 20
	// As long as nobody needs the place, they may go on for longer than the test.
	times := times{header: time.Minute, body: time.Minute, response: time.Minute, idle: time.Minute, rest: time.Minute}
	each(t, o, times, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		for i := range 3 * o.MaxConnections {
			c := dialFrom(t, s, byte(i%100+2)) // each from another address, none of which has its share
			_, err := io.WriteString(c, post)
			g.Expect(err).NotTo(HaveOccurred())
			if i%10 == 9 {
				begun := time.Now()
				r, body := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				g.Expect(r.StatusCode).To(Equal(http.StatusOK))
				g.Expect(body).To(Equal("hello"))
				g.Expect(time.Since(begun)).To(BeNumerically("<", 5*time.Second))
			}
		}
	})
}

func TestOneAddressHoldsHalfOfTheConnections(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-release
		}
		hello(w, r)
	})
	o.MaxConnections = 6
	g := NewWithT(t)
	s, _ := run(t, o, usualTimes)
	var slow []net.Conn
	for range o.MaxConnections / 2 {
		c := dial(t, s)
		_, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		g.Expect(err).NotTo(HaveOccurred())
		<-arrived
		slow = append(slow, c)
	}
	for _, request := range []string{"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n", post} {
		for range o.MaxConnections {
			r, body := answered(t, s, request)
			g.Expect(r.StatusCode).To(Equal(http.StatusTooManyRequests))
			g.Expect(r.Header.Get("Retry-After")).To(Equal("1"))
			g.Expect(r.Close).To(BeTrue())
			g.Expect(failure(g, r, body)).To(Equal("3 requests of this address are under way, which is the most; send the next when one of them was answered"))
			r, _ = answeredOn(t, dialFrom(t, s, 2), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			g.Expect(r.StatusCode).To(Equal(http.StatusOK), "another address")
		}
	}
	close(release)
	for _, c := range slow {
		all, err := io.ReadAll(c)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(all)).To(HaveSuffix("hello"))
	}
	g.Eventually(func() int {
		r, _ := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		return r.StatusCode
	}).Should(Equal(http.StatusOK), "there is room again")
}

// peer is a connection of which only the other end's address matters.
type peer struct {
	net.Conn
	remote net.Addr
}

func (p peer) RemoteAddr() net.Addr { return p.remote }

func TestANetworkOfIPv6IsOneOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		one, other string
		same       bool
	}{
		"ports":                {"10.0.0.1:1", "10.0.0.1:2", true},
		"hosts":                {"10.0.0.1:1", "10.0.0.2:1", false},
		"a network of IPv6":    {"[2001:db8::1]:1", "[2001:db8::ffff]:2", true},
		"networks of IPv6":     {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
		"zones":                {"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", true},
		"IPv4 written as IPv6": {"10.0.0.1:1", "[::ffff:10.0.0.1]:1", true},
	} {
		t.Run(name, func(t *testing.T) {
			from := func(address string) netip.Prefix {
				return origin(peer{remote: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))})
			}
			NewWithT(t).Expect(from(c.one) == from(c.other)).To(Equal(c.same))
		})
	}
}

func TestTheConnectionThatWaitedLongestGoesFirst(t *testing.T) {
	g := NewWithT(t)
	c := newClients(2)
	conns := make([]net.Conn, 5)
	for i := range conns {
		conns[i] = peer{remote: &net.TCPAddr{IP: net.IPv4(10, 0, 0, byte(i))}}
	}
	g.Expect(c.turn(conns[0], http.StateNew)).To(BeEmpty())
	g.Expect(c.turn(conns[1], http.StateNew)).To(BeEmpty())
	g.Expect(c.turn(conns[0], http.StateActive)).To(BeEmpty())
	g.Expect(c.turn(conns[0], http.StateIdle)).To(BeEmpty())
	g.Expect(c.turn(conns[2], http.StateNew)).To(HaveExactElements(BeIdenticalTo(conns[1])), "the other one was active since")
	g.Expect(c.turn(conns[1], http.StateActive)).To(BeEmpty(), "what was closed is not counted again")
	g.Expect(c.turn(conns[1], http.StateIdle)).To(BeEmpty())
	g.Expect(c.turn(conns[1], http.StateClosed)).To(BeEmpty())
	g.Expect(c.turn(conns[2], http.StateActive)).To(BeEmpty())
	g.Expect(c.turn(conns[3], http.StateNew)).To(HaveExactElements(BeIdenticalTo(conns[0])))
	g.Expect(c.turn(conns[3], http.StateActive)).To(BeEmpty())
	g.Expect(c.turn(conns[4], http.StateNew)).To(HaveExactElements(BeIdenticalTo(conns[4])), "each other has a request")
	for _, one := range conns {
		c.turn(one, http.StateClosed)
	}
	g.Expect(c.count()).To(BeZero())
	g.Expect(c.waiting.Len()).To(BeZero())
	g.Expect(c.busy).To(BeEmpty())
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"errors"
	"io"
	"net"
	"net/http"
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
	for range o.MaxConnections {
		c := dial(t, s)
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

func TestTheConnectionThatWaitedLongestGoesFirst(t *testing.T) {
	g := NewWithT(t)
	c := newClients(2)
	conns := make([]net.Conn, 5)
	for i := range conns {
		conns[i] = &net.TCPConn{}
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
}

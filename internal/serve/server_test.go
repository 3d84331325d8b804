// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestAnAddressInUseStopsTheStart(t *testing.T) {
	g := NewWithT(t)
	o := plain(hello)
	s, _ := run(t, o, usualTimes)
	o.Address = s.Addr().String()
	_, err := Listen(t.Context(), o)
	g.Expect(err).To(MatchError(And(HavePrefix("cannot listen on "+o.Address), ContainSubstring("address already in use"))))
}

func TestWithoutTLSOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, address := range []string{":0", "0.0.0.0:0", "[::]:0"} {
		o := plain(hello)
		o.Address = address
		_, err := Listen(t.Context(), o)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("which is not loopback: without TLS and authentication whoever reaches it could do everything")), address)
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		o := plain(hello)
		o.Address = address
		s, _ := run(t, o, usualTimes)
		r, _ := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		NewWithT(t).Expect(r.StatusCode).To(Equal(http.StatusOK))
	}
}

func TestEachReplicaServes(t *testing.T) {
	NewWithT(t).Expect((&Server{}).NeedLeaderElection()).To(BeFalse())
}

func TestServingIsOnlyBetweenStartAndStop(t *testing.T) {
	g := NewWithT(t)
	s, err := Listen(t.Context(), plain(hello))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.Serving()).To(MatchError(ContainSubstring("does not run yet")))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Start(ctx) }()
	g.Eventually(s.Serving).Should(Succeed())
	cancel()
	g.Eventually(ended, 5*time.Second).Should(Receive(BeNil()))
	g.Expect(s.Serving()).NotTo(Succeed())
}

func TestAListenerThatFailsEndsTheServer(t *testing.T) {
	g := NewWithT(t)
	s, err := Listen(t.Context(), plain(hello))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.listener.Close()).To(Succeed())
	g.Expect(s.Start(t.Context())).To(MatchError(ContainSubstring("serve the REST API")))
	g.Expect(s.Serving()).NotTo(Succeed())
}

// slow is a server with a request under way, whose answer comes by way of said.
func slow(t *testing.T, grace time.Duration, handle http.HandlerFunc) (stop func(), said chan string) {
	g := NewWithT(t)
	arrived := make(chan struct{})
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		handle(w, r)
	})
	o.Grace = grace
	s, stop := run(t, o, usualTimes)
	_ = dial(t, s) // says nothing, and does not hold the stop up
	said = make(chan string, 1)
	c := client(t)
	go func() {
		r, err := c.Get(url(s))
		if err != nil {
			said <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		said <- string(b)
	}()
	g.Eventually(arrived).Should(BeClosed())
	return stop, said
}

func TestARequestUnderWayIsAnsweredBeforeTheStop(t *testing.T) {
	g := NewWithT(t)
	stop, said := slow(t, 40*time.Second, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(500 * time.Millisecond)
		if r.Context().Err() != nil {
			_, _ = io.WriteString(w, "cut off")
			return
		}
		hello(w, r)
	})
	begun := time.Now()
	stop()
	g.Expect(time.Since(begun)).To(BeNumerically("<", 4*time.Second))
	g.Expect(said).To(Receive(Equal("hello")))
}

func TestAWaitEndsWithTheStop(t *testing.T) {
	g := NewWithT(t)
	stop, said := slow(t, 2*time.Second, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		_, _ = io.WriteString(w, "not yet")
	})
	begun := time.Now()
	stop()
	g.Expect(time.Since(begun)).To(BeNumerically("~", 500*time.Millisecond, 450*time.Millisecond))
	g.Expect(said).To(Receive(Equal("not yet")))
}

func TestARequestThatDoesNotEndDoesNotHoldTheStop(t *testing.T) {
	g := NewWithT(t)
	release := make(chan struct{})
	defer close(release)
	stop, said := slow(t, time.Second, func(http.ResponseWriter, *http.Request) { <-release })
	begun := time.Now()
	stop()
	g.Expect(time.Since(begun)).To(BeNumerically("~", 500*time.Millisecond, 450*time.Millisecond))
	g.Eventually(said).Should(Receive(ContainSubstring("EOF")))
}

func TestAPanicOfAHandlerEndsOneConnection(t *testing.T) {
	g := NewWithT(t)
	log := &told{}
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "boom") {
			panic(errors.New("boom"))
		}
		hello(w, r)
	})
	o.Log = log.logger()
	s, _ := run(t, o, usualTimes)
	_, err := client(t).Get(url(s) + "boom")
	g.Expect(err).To(HaveOccurred())
	g.Expect(log.all()).To(ContainSubstring("http: panic serving"))
	r, _ := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	g.Expect(r.StatusCode).To(Equal(http.StatusOK))
}

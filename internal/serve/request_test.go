// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// each runs a test without TLS and with it.
func each(t *testing.T, o Options, times times, test func(t *testing.T, s *Server)) {
	for name, insecure := range map[string]bool{"HTTP": true, "HTTPS": false} {
		t.Run(name, func(t *testing.T) {
			o.Insecure = insecure
			s, _ := run(t, o, times)
			test(t, s)
		})
	}
}

func TestWhatNoHandlerSeesIsAnsweredInTheEnvelope(t *testing.T) {
	var handled atomic.Int64
	o := plain(func(w http.ResponseWriter, r *http.Request) { handled.Add(1); hello(w, r) })
	each(t, o, usualTimes, func(t *testing.T, s *Server) {
		for name, c := range map[string]struct {
			request string
			code    int
			say     string
		}{
			"a header of 1 MB": {"GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
				http.StatusRequestHeaderFieldsTooLarge, "the headers of the request are longer than 32 KiB"},
			"many headers": {"GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: y\r\n", 10_000) + "\r\n",
				http.StatusRequestHeaderFieldsTooLarge, "the headers of the request are longer than 32 KiB"},
			"a path of 1 MB": {"GET /" + strings.Repeat("x", 1<<20) + " HTTP/1.1\r\nHost: x\r\n\r\n",
				http.StatusRequestHeaderFieldsTooLarge, "the headers of the request are longer than 32 KiB"},
			"no host":          {"GET / HTTP/1.1\r\n\r\n", http.StatusBadRequest, "400 Bad Request: missing required Host header"},
			"no HTTP":          {"hello\r\n\r\n", http.StatusBadRequest, "400 Bad Request"},
			"a coding unknown": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: magic\r\n\r\n", http.StatusNotImplemented, "Unsupported transfer encoding"},
			"a later HTTP":     {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", http.StatusHTTPVersionNotSupported, "505 HTTP Version Not Supported: unsupported protocol version"},
			"lengths disagree": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", http.StatusBadRequest, "400 Bad Request"},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				r, body := answered(t, s, c.request)
				g.Expect(r.StatusCode).To(Equal(c.code))
				g.Expect(failure(g, r, body)).To(Equal(c.say))
			})
		}
		NewWithT(t).Expect(handled.Load()).To(BeZero())
	})
}

func TestAHeaderAndABodyOfTheGreatestSizeAreTaken(t *testing.T) {
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(r.Header.Get("X")), len(b), err)
	})
	each(t, o, usualTimes, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: %s\r\nContent-Length: %d\r\n\r\n%s",
			strings.Repeat("x", maxHeader-200), maxBody, strings.Repeat("x", maxBody))
		r, body := answered(t, s, request)
		g.Expect(r.StatusCode).To(Equal(http.StatusOK))
		g.Expect(body).To(Equal(fmt.Sprint(maxHeader-200, maxBody, nil)))
	})
}

func TestAResponseThatLooksLikeAnErrorIsLeftAlone(t *testing.T) {
	text := "HTTP/1.1 431 x" + plainHeader + "431 x"
	o := plain(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	each(t, o, usualTimes, func(t *testing.T, s *Server) {
		_, body := answered(t, s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		NewWithT(t).Expect(body).To(Equal(text))
	})
}

func TestHTTPOnThePortOfHTTPSIsTold(t *testing.T) {
	g := NewWithT(t)
	o := plain(hello)
	o.Insecure = false
	s, _ := run(t, o, usualTimes)
	r, err := client(t).Get("http://" + s.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	defer r.Body.Close()
	g.Expect(r.StatusCode).To(Equal(http.StatusBadRequest))
	body, err := io.ReadAll(r.Body)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(failure(g, r, string(body))).To(Equal("this is an HTTPS port: write https:// instead of http://"))
}

// drip sends a text a byte at a time, until the server has hung up, and tells how long that took.
func drip(t *testing.T, s *Server, start string, every time.Duration) (took time.Duration, answer string) {
	c := dial(t, s)
	begun := time.Now()
	_, err := io.WriteString(c, start)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	ended := make(chan struct{})
	go func() {
		all, _ := io.ReadAll(c)
		answer = string(all)
		close(ended)
	}()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return time.Since(begun), answer
		case <-ticker.C:
			_, _ = io.WriteString(c, "x")
		}
	}
}

func TestAByteAtATimeHoldsNothingForLong(t *testing.T) {
	times := times{header: 500 * time.Millisecond, body: 500 * time.Millisecond, response: time.Minute, idle: time.Minute}
	var problem atomic.Value
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		problem.Store(err)
		w.Header().Set("Connection", "close")
		fail(w, http.StatusRequestTimeout, "too slow")
	})
	each(t, o, times, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		took, answer := drip(t, s, "GET / HTTP/1.1\r\nHost: x\r\nX: ", 50*time.Millisecond)
		g.Expect(took).To(BeNumerically("~", times.header, 400*time.Millisecond), "a header")
		g.Expect(answer).To(BeEmpty())

		for _, length := range []string{"Content-Length: 1000", "Transfer-Encoding: chunked"} {
			chunk := ""
			if strings.HasPrefix(length, "T") {
				chunk = "3e8\r\n"
			}
			took, answer = drip(t, s, "POST / HTTP/1.1\r\nHost: x\r\n"+length+"\r\n\r\n"+chunk, 50*time.Millisecond)
			g.Expect(took).To(BeNumerically("~", times.body, 1200*time.Millisecond), length)
			g.Expect(answer).To(And(HavePrefix("HTTP/1.1 408 "), ContainSubstring("too slow")), length)
			g.Expect(problem.Load()).To(MatchError(os.ErrDeadlineExceeded))
		}
	})
}

func TestASlowBodyThatNobodyReadsHoldsNothingForLong(t *testing.T) {
	g := NewWithT(t)
	s, _ := run(t, plain(hello), times{header: time.Minute, body: time.Minute, response: time.Minute, idle: time.Minute, rest: 500 * time.Millisecond})
	took, answer := drip(t, s, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", 50*time.Millisecond)
	g.Expect(took).To(BeNumerically("<", 3*time.Second))
	g.Expect(answer).To(HavePrefix("HTTP/1.1 200 "))
}

// A client may send its header first, and its body when it likes: it should see the answer, and may ask again.
func TestABodyThatComesAfterItsAnswerIsTaken(t *testing.T) {
	times := usualTimes
	times.rest = 5 * time.Second
	each(t, plain(hello), times, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		c := dial(t, s)
		for range 2 {
			_, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
			g.Expect(err).NotTo(HaveOccurred())
			time.Sleep(50 * time.Millisecond)
			r, body := answeredOn(t, c, "body")
			g.Expect(r.StatusCode).To(Equal(http.StatusOK))
			g.Expect(body).To(Equal("hello"))
			g.Expect(r.Close).To(BeFalse())
		}
	})
}

func TestAHalfBodyThatNobodyReadsIsSoonAnswered(t *testing.T) {
	g := NewWithT(t)
	s, _ := run(t, plain(hello), times{header: time.Minute, body: time.Minute, response: time.Minute, idle: time.Minute, rest: 200 * time.Millisecond})
	begun := time.Now()
	r, _ := answered(t, s, post)
	g.Expect(time.Since(begun)).To(BeNumerically("<", 5*time.Second))
	g.Expect(r.StatusCode).To(Equal(http.StatusOK))
	g.Expect(r.Close).To(BeTrue(), "what else comes is no request")
}

func TestAClientThatDoesNotReadHoldsNothingForLong(t *testing.T) {
	problem := make(chan error, 1)
	o := plain(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 64<<20)) // more than the kernel buffers
		problem <- err
	})
	s, _ := run(t, o, times{header: time.Minute, body: time.Minute, response: 500 * time.Millisecond, idle: time.Minute})
	g := NewWithT(t)
	c := dial(t, s)
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(problem, 5*time.Second).Should(Receive(MatchError(os.ErrDeadlineExceeded)))
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	g := NewWithT(t)
	s, _ := run(t, plain(hello), times{header: time.Minute, body: time.Minute, response: time.Minute, idle: 300 * time.Millisecond})
	c := dial(t, s)
	_, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	g.Expect(err).NotTo(HaveOccurred())
	begun := time.Now()
	all, err := io.ReadAll(c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(all)).To(HaveSuffix("hello"))
	g.Expect(time.Since(begun)).To(BeNumerically("~", 300*time.Millisecond, 250*time.Millisecond))
}

// The time for a body is no time for what a handler does with it.
func TestAHandlerMayTakeLongerThanItsBody(t *testing.T) {
	problem := make(chan error, 1)
	o := plain(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			problem <- err
			return
		}
		select {
		case <-r.Context().Done():
			problem <- r.Context().Err()
		case <-time.After(time.Second):
			hello(w, r)
		}
	})
	each(t, o, times{header: time.Minute, body: 200 * time.Millisecond, response: time.Minute, idle: time.Minute}, func(t *testing.T, s *Server) {
		g := NewWithT(t)
		r, err := client(t).Post(url(s), "text/plain", strings.NewReader("body"))
		g.Expect(err).NotTo(HaveOccurred())
		r.Body.Close()
		g.Expect(r.StatusCode).To(Equal(http.StatusOK))
		g.Expect(problem).NotTo(Receive())
	})
}

// many is a body of 10 MB that costs its sender nothing.
type many struct{ left int }

func (m *many) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), m.left)
	m.left -= n
	return n, nil
}

func TestBodiesOf10MBTakeNoMemory(t *testing.T) {
	g := NewWithT(t)
	var tooLarge atomic.Int64
	s, _ := run(t, plain(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var limit *http.MaxBytesError
		if errors.As(err, &limit) && limit.Limit == maxBody {
			tooLarge.Add(1)
		}
		fail(w, http.StatusRequestEntityTooLarge, "too large")
	}), usualTimes)
	c := client(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	codes := make(chan int, 40)
	for i := range 40 {
		all.Go(func() {
			request, err := http.NewRequest(http.MethodPost, url(s), &many{left: 10 << 20})
			if err != nil {
				return
			}
			if i%2 == 0 {
				request.ContentLength = 10 << 20 // the others are chunked
			}
			if r, err := c.Do(request); err == nil {
				_, _ = io.Copy(&bytes.Buffer{}, r.Body)
				r.Body.Close()
				codes <- r.StatusCode
			}
		})
	}
	all.Wait()
	close(codes)
	runtime.ReadMemStats(&after)
	g.Expect(tooLarge.Load()).To(BeEquivalentTo(40))
	answers := 0
	for code := range codes {
		g.Expect(code).To(Equal(http.StatusRequestEntityTooLarge))
		answers++
	}
	// A client that goes on to send may see its connection cut before it sees the answer.
	g.Expect(answers).To(BeNumerically(">=", 20))
	g.Expect(after.TotalAlloc-before.TotalAlloc).To(BeNumerically("<", 40<<20), "for 400 MB, client and server together")
}

// SPDX-License-Identifier: Apache-2.0

package serve

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain are the options of a server on loopback.
func plain(h http.HandlerFunc) Options {
	return Options{Address: "127.0.0.1:0", Handler: h, Insecure: true, MaxConnections: 100, Grace: 20 * time.Second, Log: logr.Discard()}
}

// hello answers every request, and reads none of it.
func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

// run starts a server that is stopped at the end of the test; stop does it earlier and waits.
func run(t *testing.T, o Options, times times) (s *Server, stop func()) {
	t.Helper()
	g := NewWithT(t)
	s, err := listen(t.Context(), o, times)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		g.Eventually(ended, 30*time.Second).Should(Receive(BeNil()))
	})
	t.Cleanup(stop)
	g.Eventually(s.Serving).Should(Succeed())
	return s, stop
}

// dial connects, over TLS where the server has it.
func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	return dialFrom(t, s, 1)
}

// dialFrom is dial from 127.0.0.host.
func dialFrom(t *testing.T, s *Server, host byte) net.Conn {
	t.Helper()
	g := NewWithT(t)
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, host)}}).Dial("tcp", s.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	if s.certificate != nil {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() { _ = c.Close() })
	g.Expect(c.SetDeadline(time.Now().Add(20 * time.Second))).To(Succeed())
	return c
}

// answered is what came back for the text of a request.
func answered(t *testing.T, s *Server, request string) (*http.Response, string) {
	t.Helper()
	return answeredOn(t, dial(t, s), request)
}

// answeredOn is the same on a connection that there is.
func answeredOn(t *testing.T, c net.Conn, request string) (*http.Response, string) {
	t.Helper()
	g := NewWithT(t)
	// The server may stop to listen and answer before all is sent.
	go func() { _, _ = io.WriteString(c, request) }()
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	g.Expect(err).NotTo(HaveOccurred())
	body, err := io.ReadAll(r.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return r, string(body)
}

// failure is the error in an envelope, in which nothing else is.
func failure(g *WithT, r *http.Response, body string) string {
	g.Expect(r.Header.Get("Content-Type")).To(Equal("application/json"))
	var e struct {
		Success *bool  `json:"success"`
		Error   string `json:"error"`
	}
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	g.Expect(d.Decode(&e)).To(Succeed(), body)
	g.Expect(e.Success).To(HaveValue(BeFalse()))
	return e.Error
}

// client is one that trusts anybody, and whose connections end with the test.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func url(s *Server) string {
	if s.certificate != nil {
		return "https://" + s.Addr().String() + "/"
	}
	return "http://" + s.Addr().String() + "/"
}

// told is a log.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
	}, funcr.Options{})
}

func (l *told) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "\n")
}

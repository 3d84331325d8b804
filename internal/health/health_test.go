// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fails is a Check that fails by these words.
func fails(words string) health.Check {
	return func(context.Context) error { return errors.New(words) }
}

// get asks below /readyz, as the manager serves it.
func get(h http.Handler, path string) (int, string) {
	mux := http.NewServeMux()
	mux.Handle("/readyz", http.StripPrefix("/readyz", h))
	mux.Handle("/readyz/", http.StripPrefix("/readyz", h))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, http.NoBody))
	return answer.Code, answer.Body.String()
}

func TestTheAnswerNamesThePartAndTheReason(t *testing.T) {
	h := health.New(logr.Discard(), map[string]health.Check{
		"sandbox": health.Alive, "nushell": fails("open /usr/local/bin/nu:\n no such file"), "informers": health.Alive,
	})
	all := "[+]informers ok\n[-]nushell failed: open /usr/local/bin/nu: no such file\n[+]sandbox ok\nnot ready\n"
	for path, want := range map[string]struct {
		code int
		body string
	}{
		"/readyz":                         {500, all},
		"/readyz/":                        {500, all},
		"/readyz?verbose":                 {500, all},
		"/readyz/nushell":                 {500, "[-]nushell failed: open /usr/local/bin/nu: no such file\nnot ready\n"},
		"/readyz/sandbox":                 {200, "ok"},
		"/readyz?exclude=nushell":         {200, "ok"},
		"/readyz?exclude=nushell&verbose": {200, "[+]informers ok\n[+]nushell excluded\n[+]sandbox ok\nall parts are ready\n"},
		"/readyz/disk":                    {404, "there is no part \"disk\"; the parts are informers, nushell, sandbox\n"},
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			code, body := get(h, path)
			g.Expect(code).To(Equal(want.code))
			g.Expect(body).To(Equal(want.body))
		})
	}
}

func TestAReasonIsBounded(t *testing.T) {
	g := NewWithT(t)
	h := health.New(logr.Discard(), map[string]health.Check{"nushell": fails(strings.Repeat("é", 5000))})
	_, body := get(h, "/readyz")
	g.Expect(len(body)).To(BeNumerically("<", 1100))
	g.Expect(body).To(And(HaveSuffix("é…\nnot ready\n"), Not(ContainSubstring("\ufffd"))))
}

func TestTheLogIsToldOfWhatIsNew(t *testing.T) {
	g := NewWithT(t)
	var lines []string
	log := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	var now error
	h := health.New(log, map[string]health.Check{"nushell": func(context.Context) error { return now }, "sandbox": health.Alive})
	for _, now = range []error{nil, errors.New("gone"), errors.New("gone"), errors.New("still gone"), nil, nil} {
		get(h, "/readyz")
	}
	g.Expect(lines).To(HaveExactElements(
		And(ContainSubstring(`"Not ready"`), ContainSubstring(`"part"="nushell"`), ContainSubstring(`"reason"="gone"`)),
		And(ContainSubstring(`"Ready again"`), ContainSubstring(`"part"="nushell"`))))
}

func TestManyMayAskAtOnce(t *testing.T) {
	g := NewWithT(t)
	h := health.New(logr.Discard(), map[string]health.Check{"nushell": fails("gone"), "sandbox": health.Alive})
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 50 {
				get(h, "/readyz")
			}
		})
	}
	asking.Wait()
	code, _ := get(h, "/readyz/sandbox")
	g.Expect(code).To(Equal(http.StatusOK))
}

func TestACheckEndsWithWhoeverAsks(t *testing.T) {
	g := NewWithT(t)
	ctx, leave := context.WithCancel(t.Context())
	h := health.New(logr.Discard(), map[string]health.Check{"nushell": func(ctx context.Context) error {
		leave()
		<-ctx.Done()
		return ctx.Err()
	}})
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody))
	g.Expect(answer.Code).To(Equal(http.StatusInternalServerError))
}

// Parts answer side by side, and within the second that a kubelet waits: the slow one is named, and
// no other.
func TestASlowPartIsNamed(t *testing.T) {
	g := NewWithT(t)
	slow := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	deaf, heard := make(chan struct{}), make(chan struct{})
	h := health.New(logr.Discard(), map[string]health.Check{
		"informers": slow, "metrics": slow, "nushell": health.Alive, "sandbox": func(context.Context) error { // as one that waits for a lock
			defer close(heard)
			<-deaf
			return nil
		},
	})
	began := time.Now()
	code, body := get(h, "/readyz")
	g.Expect(time.Since(began)).To(BeNumerically("<", time.Second))
	g.Expect(code).To(Equal(http.StatusInternalServerError))
	g.Expect(body).To(Equal("[-]informers failed: has not answered yet\n[-]metrics failed: has not answered yet\n[+]nushell ok\n" +
		"[-]sandbox failed: has not answered yet\nnot ready\n"))
	close(deaf)
	<-heard
}

func TestNoPartIsBlamedWhenWhoeverAsksHasGone(t *testing.T) {
	g := NewWithT(t)
	var lines []string
	log := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{})
	ctx, leave := context.WithCancel(t.Context())
	h := health.New(log, map[string]health.Check{"nushell": func(ctx context.Context) error {
		leave()
		<-ctx.Done()
		return ctx.Err()
	}, "sandbox": fails("gone")})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/nushell", http.NoBody))
	g.Expect(lines).To(BeEmpty())
	get(h, "/readyz/sandbox")
	g.Expect(lines).To(HaveLen(1))
}

func TestServing(t *testing.T) {
	g := NewWithT(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	g.Expect(health.Serving(plain.Listener.Addr().String(), false)(t.Context())).To(Succeed())
	g.Expect(health.Serving(secure.Listener.Addr().String(), true)(t.Context())).To(Succeed())
	g.Expect(health.Serving(plain.Listener.Addr().String(), true)(t.Context())).NotTo(Succeed())
	address := plain.Listener.Addr().String()
	plain.Close()
	secure.Close()
	g.Expect(health.Serving(address, false)(t.Context())).To(MatchError(ContainSubstring("nobody answers at " + address)))
}

// A server that takes connections and says nothing is as good as none.
func TestAServerThatHangsIsNotServing(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { g.Expect(listener.Close()).To(Succeed()) }()
	g.Expect(health.Serving(listener.Addr().String(), true)(t.Context())).To(MatchError(ContainSubstring("nobody answers")))
}

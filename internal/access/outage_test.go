// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// closed expects that a guard lets nobody in, and says why.
func closed(t *testing.T, err error, say string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError("it cannot be found out who may send this request: " + say))
}

func TestAManagerThatMayNotAskLetsNobodyIn(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	token := w.token(t, w.account(t))
	poor, err := w.AddUser("poor")
	g.Expect(err).NotTo(HaveOccurred())
	guard := newGuard(t, poor)
	for range 3 {
		_, err = guard.Authenticate(request(token).WithContext(t.Context()))
		closed(t, err, "the operator may not create tokenreviews.authentication.k8s.io; bind the ClusterRole system:auth-delegator to its ServiceAccount")
	}
	g.Expect(guard.log.all()).To(HaveLen(1), "once, not for each request")
	g.Expect(guard.log.all()[0]).To(And(ContainSubstring("Nobody can use the REST API"), ContainSubstring("system:auth-delegator"), Not(ContainSubstring(token))))

	// One that knows who asks, but not what for.
	ctx := context.WithValue(t.Context(), callerKey{}, callerNamed("jane"))
	const say = "the operator may not create subjectaccessreviews.authorization.k8s.io; bind the ClusterRole system:auth-delegator to its ServiceAccount"
	_, err = guard.Namespaces(ctx, "list", []string{"a", "b"})
	closed(t, err, say)
	allowed, err := guard.Object(ctx, "get", "a", "b")
	closed(t, err, say)
	g.Expect(allowed).To(BeFalse())
	allowed, err = guard.Path(ctx, "get", "/")
	closed(t, err, say)
	g.Expect(allowed).To(BeFalse())
}

func callerNamed(name string) caller {
	var c caller
	c.Username = name
	return c
}

func TestAnAPIServerThatIsAwayLetsNobodyIn(t *testing.T) {
	g := NewWithT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(listener.Close()).To(Succeed())
	guard := newGuard(t, &rest.Config{Host: "http://" + listener.Addr().String()})
	begun := time.Now()
	_, err = guard.Authenticate(request("secret-secret"))
	closed(t, err, "the API server does not answer; try again later")
	g.Expect(time.Since(begun)).To(BeNumerically("<", askLimit+time.Second))
	g.Expect(err.Error()).NotTo(ContainSubstring("127.0.0.1"))
	g.Expect(guard.log.all()).To(HaveExactElements(And(ContainSubstring("connection refused"), Not(ContainSubstring("secret")))))
}

func TestAnAPIServerThatHangsLetsNobodyInAndHoldsNobody(t *testing.T) {
	g := NewWithT(t)
	routines := goleak.IgnoreCurrent()
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	g.Expect(err).NotTo(HaveOccurred())
	guard := newGuard(t, &rest.Config{Host: "http://" + listener.Addr().String()})

	gone, leave := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer leave()
	begun := time.Now()
	_, err = guard.Authenticate(request("secret-secret").WithContext(gone))
	g.Expect(apierrors.IsServiceUnavailable(err)).To(BeTrue())
	g.Expect(time.Since(begun)).To(BeNumerically("<", 2*time.Second), "a client that has gone is not waited for")

	begun = time.Now()
	_, err = guard.Authenticate(request("secret-secret"))
	closed(t, err, "the API server does not answer; try again later")
	g.Expect(time.Since(begun)).To(BeNumerically("<", askLimit+2*time.Second))
	g.Expect(guard.calls.Load()).To(BeEquivalentTo(1), "both waited for the same answer")
	g.Expect(listener.Close()).To(Succeed())
	g.Expect(goleak.Find(routines)).To(Succeed())
}

func TestAnAPIServerThatIsBusyIsAskedAgainOnlyForAWhile(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	token := w.token(t, w.account(t))
	var busy atomic.Bool
	busy.Store(true)
	config := rest.CopyConfig(w.manager)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if !busy.Load() {
				return next.RoundTrip(r)
			}
			return &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"1"}}, Body: http.NoBody, Request: r}, nil
		})
	})
	guard := newGuard(t, config)
	begun := time.Now()
	_, err := guard.Authenticate(request(token))
	closed(t, err, "the API server does not answer; try again later")
	g.Expect(time.Since(begun)).To(BeNumerically("<", askLimit+2*time.Second))
	busy.Store(false)
	guard.as(t, token)
	guard.as(t, token)
	g.Expect(guard.log.all()).To(HaveExactElements(ContainSubstring("Nobody can use"), ContainSubstring("says again")))
}

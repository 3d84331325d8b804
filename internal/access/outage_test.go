// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
	authorizationv1 "k8s.io/api/authorization/v1"
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
	g.Expect(guard.log.all()[0]).To(And(ContainSubstring("Requests to the REST API are refused"), ContainSubstring("system:auth-delegator"), Not(ContainSubstring(token))))

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
	g.Expect(guard.log.all()).To(HaveExactElements(ContainSubstring("Requests to the REST API are refused"), ContainSubstring("says again")))
}

func TestAnAuthorizerThatFailsDecidesNothing(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	w.bind(t, robot, robot.Namespace, w.shippedRole(t, "extension_api_user_role.yaml"))
	w.waitFor(t, token, may("list", robot.Namespace))
	var fails atomic.Bool
	fails.Store(true)
	config := rest.CopyConfig(w.manager)
	config.ContentType = "application/json"
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			answer, err := next.RoundTrip(r)
			if err != nil || !fails.Load() || !strings.Contains(r.URL.Path, "subjectaccessreviews") {
				return answer, err
			}
			defer answer.Body.Close()
			var review authorizationv1.SubjectAccessReview
			if err := json.NewDecoder(answer.Body).Decode(&review); err != nil {
				return nil, err
			}
			review.Status.EvaluationError = "Post https://10.0.0.1: connection refused"
			text, err := json.Marshal(review)
			answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			return answer, err
		})
	})
	guard := newGuard(t, config)
	ctx := guard.as(t, token)
	for range 3 {
		_, err := guard.Object(ctx, "delete", robot.Namespace, "etcd")
		closed(t, err, "an authorizer of the API server, such as a webhook, failed; try again later")
	}
	g.Expect(guard.log.all()).To(HaveExactElements(And(ContainSubstring("Requests to the REST API are refused"), ContainSubstring("connection refused"))))
	_, err := guard.Namespaces(ctx, "delete", []string{robot.Namespace})
	closed(t, err, "an authorizer of the API server, such as a webhook, failed; try again later")
	// A yes is one, whoever else could not be asked.
	g.Expect(guard.Object(ctx, "patch", robot.Namespace, "etcd")).To(BeTrue())
	g.Expect(guard.Namespaces(ctx, "list", []string{robot.Namespace})).To(Equal([]string{robot.Namespace}))
	fails.Store(false)
	g.Expect(guard.Object(ctx, "delete", robot.Namespace, "etcd")).To(BeFalse(), "nothing was remembered")
	g.Expect(guard.log.all()).To(HaveLen(2))
}

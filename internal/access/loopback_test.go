// SPDX-License-Identifier: Apache-2.0

package access

import (
	"net/http"
	"net/http/httptest"
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// from is a request as a program or a browser sends it to a host.
func from(method, host string, headers map[string]string) *http.Request {
	r := httptest.NewRequest(method, "/", http.NoBody)
	r.Host, r.RemoteAddr = host, "127.0.0.1:4711"
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return r
}

func TestLoopbackAnswersThisMachine(t *testing.T) {
	g := NewWithT(t)
	l, err := NewLoopback(Limits{}, newMoment().now)
	g.Expect(err).NotTo(HaveOccurred())
	for _, host := range []string{"localhost", "localhost:8090", "LOCALHOST", "127.0.0.1:8090", "127.1.2.3", "[::1]:8090", "[::1]"} {
		ctx, err := l.Authenticate(from(http.MethodDelete, host, nil))
		g.Expect(err).NotTo(HaveOccurred(), host)
		g.Expect(l.Caller(ctx)).To(BeEmpty())
		g.Expect(l.Namespaces(ctx, "list", []string{"b", "a"})).To(Equal([]string{"b", "a"}))
		g.Expect(l.Object(ctx, "patch", "a", "b")).To(BeTrue())
		g.Expect(l.Path(ctx, "delete", "/c")).To(BeTrue())
	}
}

// A page whose name was made to mean 127.0.0.1 is of the same origin as the API, for the browser.
func TestLoopbackRefusesTheNamesOfOthers(t *testing.T) {
	g := NewWithT(t)
	l, err := NewLoopback(Limits{}, newMoment().now)
	g.Expect(err).NotTo(HaveOccurred())
	for _, host := range []string{
		"", "evil.example", "evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "0.0.0.0", "[::]:8090", "[::ffff:10.0.0.1]", "2130706433",
	} {
		_, err := l.Authenticate(from(http.MethodGet, host, map[string]string{"Sec-Fetch-Site": "same-origin"}))
		g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %v", host, err)
		g.Expect(err).To(MatchError(ContainSubstring("is not this machine")))
	}
}

func TestLoopbackLetsNoWebPageAct(t *testing.T) {
	for name, c := range map[string]struct {
		headers map[string]string
		allowed bool
	}{
		"a program":                    {nil, true},
		"a page of the API":            {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8090"}, true},
		"another page":                 {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, false},
		"another port of this machine": {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"}, false},
		"an older browser":             {map[string]string{"Origin": "https://evil.example"}, false},
		"a page of no origin":          {map[string]string{"Origin": "null"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			l, err := NewLoopback(Limits{}, newMoment().now)
			g.Expect(err).NotTo(HaveOccurred())
			for _, method := range []string{http.MethodPost, http.MethodDelete} {
				_, err := l.Authenticate(from(method, "localhost:8090", c.headers))
				g.Expect(err == nil).To(Equal(c.allowed), "%v", err)
				if !c.allowed {
					g.Expect(apierrors.IsForbidden(err)).To(BeTrue())
				}
			}
		})
	}
}

func TestLoopbackCountsRequests(t *testing.T) {
	g := NewWithT(t)
	l, err := NewLoopback(Limits{PerSecond: 1, Burst: 2}, newMoment().now)
	g.Expect(err).NotTo(HaveOccurred())
	for range 2 {
		_, err := l.Authenticate(from(http.MethodGet, "localhost", nil))
		g.Expect(err).NotTo(HaveOccurred())
	}
	_, err = l.Authenticate(from(http.MethodGet, "localhost", nil))
	g.Expect(apierrors.IsTooManyRequests(err)).To(BeTrue())
}

// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Loopback allows everything to everybody: it is for a listener that only this machine reaches. A web page in a
// browser of this machine reaches it too. It is kept out by what browsers say of a request: a page that made the
// browser take 127.0.0.1 for its own address (DNS rebinding) sends its own name as Host, and one that sends a form or
// a script's request here sends its Origin.
type Loopback struct {
	limits *limiter
	pages  *http.CrossOriginProtection
}

// NewLoopback returns a guard for a listener on loopback.
func NewLoopback(limits Limits, now func() time.Time) (*Loopback, error) {
	counts, err := newLimiter(limits, now)
	if err != nil {
		return nil, err
	}
	return &Loopback{limits: counts, pages: http.NewCrossOriginProtection()}, nil
}

// Authenticate identifies nobody; it refuses what a web page has sent.
func (l *Loopback) Authenticate(r *http.Request) (context.Context, error) {
	if err := l.limits.address(r.RemoteAddr); err != nil {
		return nil, err
	}
	if !isLoopback(r.Host) {
		return nil, forbidden(fmt.Errorf("the host %q is not this machine; without authentication only localhost, 127.0.0.1 and [::1] are answered", r.Host))
	}
	if err := l.pages.Check(r); err != nil {
		return nil, forbidden(errors.New("a web page of another origin sent this; without authentication none may act"))
	}
	return r.Context(), nil
}

func forbidden(err error) error { return apierrors.NewForbidden(schema.GroupResource{}, "", err) }

// isLoopback tells whether a Host header, with or without a port, names this machine.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.IsLoopback()
}

// Caller is nobody.
func (*Loopback) Caller(context.Context) string { return "" }

// Namespaces are all of them.
func (*Loopback) Namespaces(_ context.Context, _ string, namespaces []string) ([]string, error) {
	return slices.Clone(namespaces), nil
}

// Object is always true.
func (*Loopback) Object(context.Context, string, string, string) (bool, error) { return true, nil }

// Path is always true.
func (*Loopback) Path(context.Context, string, string) (bool, error) { return true, nil }

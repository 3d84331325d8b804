// SPDX-License-Identifier: Apache-2.0

// Package serve listens for the REST API and bounds what its clients can take: how long a request may be and may take
// to come, how many connections there are, how long a stop may take. What it answers by itself is in the API's
// envelope, {"success": false, "error": "…"}.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
)

// Options of a server.
type Options struct {
	// Address is [host]:port.
	Address string
	// Handler answers. The contexts of its requests end when the server is stopped and they have had a while to end by
	// themselves, so that what waits in them should answer then.
	Handler http.Handler
	// Insecure serves without TLS, which only an address of loopback may be.
	Insecure bool
	// CertFile and KeyFile are in PEM; both empty for a self-signed certificate.
	CertFile, KeyFile string
	// MaxConnections is how many there may be at a time. One remote address, or network of IPv6, may have requests under
	// way on half of them.
	MaxConnections int
	// Grace is how long a stop may take of everything; the server takes half of it at most.
	Grace time.Duration
	Log   logr.Logger
}

// ResponseTime is how long a handler may take to read its request and to answer.
const ResponseTime = 2 * time.Minute

// times are how long clients may take.
type times struct {
	header, body, response, idle time.Duration
	// rest is for what a handler has left unread of a body: a client that sends its body after the header should see the
	// answer and no reset connection.
	rest time.Duration
}

var usualTimes = times{header: 10 * time.Second, body: 5 * time.Second, response: ResponseTime, idle: time.Minute, rest: 500 * time.Millisecond}

// Server is a manager's runnable.
type Server struct {
	options     Options
	listener    net.Listener
	certificate *certificate // nil without TLS
	http        *http.Server
	clients     *clients
	up          atomic.Bool
	endRequests context.CancelFunc
}

// Listen takes the address at once, so that one that cannot be had stops the start. The error names the address, or the
// files of the certificate.
func Listen(ctx context.Context, o Options) (*Server, error) {
	return listen(ctx, o, usualTimes)
}

func listen(ctx context.Context, o Options, t times) (*Server, error) {
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", o.Address, err)
	}
	s := &Server{options: o, clients: newClients(o.MaxConnections)}
	if s.listener, err = s.secure(tcp); err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	base, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endRequests = end
	s.http = &http.Server{
		Handler:                      s.limitBody(s.clients.admit(o.Handler), t),
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               maxHeader - headerSlop,
		ReadHeaderTimeout:            t.header,
		WriteTimeout:                 t.response,
		IdleTimeout:                  t.idle,
		BaseContext:                  func(net.Listener) context.Context { return base },
		ConnContext:                  withConn,
		ConnState:                    s.clients.note,
		ErrorLog:                     slog.NewLogLogger(logr.ToSlogHandler(o.Log), slog.LevelWarn),
	}
	return s, nil
}

// secure gives a listener a certificate, or makes sure that it needs none.
func (s *Server) secure(tcp net.Listener) (net.Listener, error) {
	if !s.options.Insecure {
		var err error
		if s.certificate, err = newCertificate(s.options.CertFile, s.options.KeyFile, s.options.Log); err != nil {
			return nil, err
		}
		return listener{Listener: tcp, tls: s.certificate.config()}, nil
	}
	if address, ok := tcp.Addr().(*net.TCPAddr); !ok || !address.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is %s, which is not loopback: without TLS and authentication whoever reaches it could do everything",
			s.options.Address, tcp.Addr())
	}
	return listener{Listener: tcp}, nil
}

// Addr is the address that is listened on, with the port that was chosen where 0 was asked for.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// NeedLeaderElection says that every replica serves.
func (*Server) NeedLeaderElection() bool { return false }

// Serving says why no requests are answered; nil when they are.
func (s *Server) Serving() error {
	if !s.up.Load() {
		return errors.New("the server of the REST API does not run yet, or is being stopped")
	}
	return nil
}

// Start serves until ctx ends, and then until the requests under way have been answered: they have a quarter of the
// grace period to end by themselves, and another one after their contexts were ended.
func (s *Server) Start(ctx context.Context) error {
	defer s.endRequests()
	group, ctx := errgroup.WithContext(ctx)
	if s.certificate != nil {
		group.Go(func() error { return s.certificate.watch(ctx) })
	}
	group.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve the REST API: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return s.stop(context.WithoutCancel(ctx))
	})
	s.up.Store(true)
	s.options.Log.Info("Serving the REST API", "address", s.Addr().String(), "tls", s.certificate != nil)
	return group.Wait()
}

func (s *Server) stop(ctx context.Context) error {
	s.up.Store(false)
	ctx, cancel := context.WithTimeout(ctx, s.options.Grace/2)
	defer cancel()
	defer time.AfterFunc(s.options.Grace/4, s.endRequests).Stop()
	s.clients.closeWaiting()
	if err := s.http.Shutdown(ctx); err != nil {
		s.options.Log.Error(err, "Requests to the REST API were still under way when the server had to stop")
		return s.http.Close()
	}
	return nil
}

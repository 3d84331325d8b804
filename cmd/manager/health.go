// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/health"
)

const (
	// informersWait bounds how long a probe waits to learn that informers are not synced.
	informersWait = 500 * time.Millisecond
	// slowProbe bounds how long a client may take to send its request.
	slowProbe = 5 * time.Second
)

// served tells whether an address means that something is served there.
func served(address string) bool { return address != "0" }

// addProbes serves what the kubelet asks. It is not controller-runtime's own server, which
// withholds the reasons.
func addProbes(ctx context.Context, mgr ctrl.Manager, p *parts, s config.Settings) error {
	if !served(s.ProbeBindAddress) {
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.ProbeBindAddress)
	if err != nil {
		return fmt.Errorf("listen at --health-probe-bind-address: %w", err)
	}
	mux := http.NewServeMux()
	log := ctrl.Log.WithName("health")
	for path, checks := range map[string]map[string]health.Check{
		"/healthz": {"ping": health.Alive},
		"/readyz":  readiness(mgr, p, s),
	} {
		handler := http.StripPrefix(path, health.New(log, checks))
		mux.Handle(path, handler)
		mux.Handle(path+"/", handler)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: slowProbe, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	if err := mgr.Add(&manager.Server{Name: "health probe", Server: server, Listener: listener}); err != nil {
		return errors.Join(fmt.Errorf("add the probes: %w", err), listener.Close())
	}
	return nil
}

// readiness are the parts of a manager that is ready: it has read the cluster, serves, and
// could run nu now, in the sandbox that is asked for. A library is none of them: a bad one
// is told by its Extensions and by metrics, and takes nothing from the others.
func readiness(mgr ctrl.Manager, p *parts, s config.Settings) map[string]health.Check {
	checks := map[string]health.Check{
		"nushell": func(ctx context.Context) error {
			_, err := p.runner.Toolchain(ctx)
			return err
		},
		"sandbox": func(ctx context.Context) error {
			_, err := p.box.Probe(ctx)
			return err
		},
		"informers": func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, informersWait)
			defer cancel()
			if !mgr.GetCache().WaitForCacheSync(ctx) {
				return errors.New("the objects of the cluster have not been read yet")
			}
			return nil
		},
	}
	if served(s.MetricsBindAddress) {
		checks["metrics"] = health.Serving(s.MetricsBindAddress, s.MetricsSecure)
	}
	if p.server != nil {
		checks["api"] = func(context.Context) error { return p.server.Serving() }
	}
	return checks
}

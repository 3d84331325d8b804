// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/controller"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/inventory"
	"provisioning.dev/extension-operator/internal/load"
	"provisioning.dev/extension-operator/internal/metrics"
	"provisioning.dev/extension-operator/internal/nushell"
	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/serve"
	"provisioning.dev/extension-operator/internal/store"
)

// parts are what the manager is made of.
type parts struct {
	// copies is this process's alone until it ends.
	copies    *store.Store
	box       *sandbox.Sandbox
	runner    *nushell.Runner
	libraries []*catalog.Library
	loader    *load.Loader
	wakes     *controller.Wakes
	// inventory is there beside the controller of Extensions, installer is that of Installations; nil where it does not run.
	inventory *inventory.Inventory
	installer *installation.Reconciler
	// api answers the REST API.
	api http.Handler
	// server is that of the REST API; nil without one.
	server *serve.Server
	// observers are told of loads and verdicts.
	observers observers
	metrics   *metrics.Metrics
	// lostEvents counts the audit events that were lost.
	lostEvents func() uint64
	// restartNeeded: the configuration file gives other settings than those in force.
	restartNeeded atomic.Bool
}

// assemble builds every part and adds what runs to mgr.
func assemble(ctx context.Context, mgr ctrl.Manager, s config.Settings) (*parts, error) {
	copies, err := store.Open(s.CacheDir)
	if err != nil {
		return nil, fmt.Errorf("open --cache-dir: %w", err)
	}
	box, err := sandbox.New(sandbox.Mode(s.Sandbox), s.SandboxPath)
	if err != nil {
		return nil, err
	}
	p := &parts{copies: copies, box: box, lostEvents: func() uint64 { return 0 }}
	if err := p.addAudit(mgr, s); err != nil {
		return nil, err
	}
	if err := p.addMetrics(ctx, mgr, s); err != nil {
		return nil, err
	}
	if err := p.addRunner(mgr, s); err != nil {
		return nil, err
	}
	p.loader, err = load.New(load.Options{
		Runner: p.runner, Observer: p.observers, CacheSize: s.CacheSize, Slots: s.LoadSlots,
		SlotsPerNamespace: s.LoadSlotsPerNamespace, Timeout: s.LoadTimeout, Log: ctrl.Log.WithName("load"), Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	p.wakes = controller.NewWakes()
	if err := p.addLibraries(mgr, s, copies); err != nil {
		return nil, err
	}
	if err := mgr.Add(p.loader); err != nil {
		return nil, fmt.Errorf("add the loader: %w", err)
	}
	janitor := &store.Janitor{Store: copies, Interval: time.Hour, Age: 24 * time.Hour, Log: ctrl.Log.WithName("store")}
	if err := mgr.Add(janitor); err != nil {
		return nil, fmt.Errorf("add the store's janitor: %w", err)
	}
	if err := p.addControllers(ctx, mgr, s); err != nil {
		return nil, err
	}
	p.saySandbox(ctx)
	p.sayToolchain(ctx)
	return p, nil
}

// addControllers adds those that this process runs. The REST API is beside that of Extensions.
func (p *parts) addControllers(ctx context.Context, mgr ctrl.Manager, s config.Settings) error {
	if s.Runs(config.ExtensionController) {
		if err := controller.IndexPeers(ctx, mgr.GetFieldIndexer()); err != nil {
			return fmt.Errorf("index the Extensions: %w", err)
		}
		if err := p.reconciler(mgr, s).Setup(mgr, s.Workers); err != nil {
			return fmt.Errorf("set up the controller of Extensions: %w", err)
		}
		if err := p.addAPI(ctx, mgr, s); err != nil {
			return err
		}
	}
	if s.Runs(config.InstallationController) {
		p.installer = p.newInstaller(mgr, s)
		if err := p.installer.Setup(ctx, mgr, s.InstallationWorkers); err != nil {
			return fmt.Errorf("set up the controller of Installations: %w", err)
		}
	}
	return nil
}

// addRunner makes what runs Nushell, in stages of the store, and has some wait in advance.
func (p *parts) addRunner(mgr ctrl.Manager, s config.Settings) error {
	p.runner = nushell.New(nushell.Options{
		Nushell: s.NushellPath, Provisioning: s.ProvisioningPath, Sandbox: p.box, Limits: processLimits(s),
		NewStage: func() (nushell.Stage, error) { return p.copies.NewStage() },
		Workers:  s.LoadWorkers, WorkerIdle: s.LoadWorkerIdle, Log: ctrl.Log.WithName("nushell"),
	})
	if err := mgr.Add(p.runner); err != nil {
		return fmt.Errorf("add the runner of Nushell: %w", err)
	}
	return nil
}

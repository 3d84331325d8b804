// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/controller"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/nushell"
	"provisioning.dev/extension-operator/internal/resolve"
	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/store"
)

// addLibraries makes a catalog of each --library and has it watched on every
// replica, so that whoever becomes leader knows them already.
func (p *parts) addLibraries(mgr ctrl.Manager, s config.Settings, copies *store.Store) error {
	entries, err := config.ParseLibraries(s.Libraries)
	if err != nil {
		return fmt.Errorf("--library: %w", err)
	}
	for _, entry := range entries {
		library, err := catalog.NewLibrary(catalog.Options{
			Name: entry.Name, Dir: entry.Dir, Store: copies, Interval: s.LibraryInterval, Limits: folderLimits(s),
			OnChange: p.changed, OnSync: p.wakes.Synced,
			Logger: ctrl.Log.WithName("catalog").WithValues("catalog", entry.Name),
		})
		if err != nil {
			return err
		}
		if err := mgr.Add(library); err != nil {
			return fmt.Errorf("add library %s: %w", entry.Name, err)
		}
		p.libraries = append(p.libraries, library)
	}
	return nil
}

// changed tells of answers of a catalog that are not what they were.
func (p *parts) changed(consulted []extension.Consulted) {
	p.wakes.Changed(consulted)
	if p.inventory != nil {
		p.inventory.Changed()
	}
	if p.installer != nil {
		p.installer.CatalogsMoved()
	}
}

func (p *parts) reconciler(mgr ctrl.Manager, s config.Settings) *controller.Reconciler {
	return controller.New(controller.Options{
		Client:   mgr.GetClient(),
		Recorder: mgr.GetEventRecorder("extension-operator"),
		Resolver: resolve.New(controller.Peers{Reader: mgr.GetClient()}, p.catalogs().forResolving()...),
		Loader:   p.loader,
		Observer: p.observers,
		Wakes:    p.wakes,
		AutoLoad: s.AutoLoad,
		Synced:   p.synced,
		Grace:    s.NotFoundGrace,
		Now:      time.Now,
	})
}

// synced is when the library that was read longest ago was last read whole; the
// zero time while there is one that never was.
func (p *parts) synced() time.Time {
	oldest := time.Now() // without a library there is nothing to wait for
	for _, library := range p.libraries {
		if at := library.Synced(); at.Before(oldest) {
			oldest = at
		}
	}
	return oldest
}

// saySandbox logs what will hold nu on this machine. Too little is no reason not to
// start: the objects and the readiness check say so, and load nothing.
func (p *parts) saySandbox(ctx context.Context) {
	log := ctrl.Log.WithName("setup")
	report, err := p.box.Probe(ctx)
	switch {
	case err != nil:
		log.Error(err, "The sandbox cannot be set up; nothing is loaded until it can")
	case report.Level != sandbox.LevelEnforced:
		log.Info("WARNING: extensions are not held by the whole sandbox; use libraries that you trust",
			"level", report.Level, "missing", report.Missing)
	default:
		log.Info("Sandbox in force", "level", report.Level)
	}
}

// sayToolchain logs which nu was found. None is no reason not to start: the
// objects say so, and nu may come later.
func (p *parts) sayToolchain(ctx context.Context) {
	log := ctrl.Log.WithName("setup")
	tools, err := p.runner.Toolchain(ctx)
	switch {
	case err != nil:
		log.Error(err, "Nushell is not available; Extensions will say so until it is")
	case !nushell.Supported(tools.NushellVersion):
		log.Info("WARNING: this version of Nushell is not one that the loading program was tested with",
			"version", tools.NushellVersion, "supported", nushell.SupportedVersions)
	default:
		log.Info("Nushell found", "version", tools.NushellVersion, "digest", tools.Nushell)
	}
}

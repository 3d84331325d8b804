// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/metrics"
	"provisioning.dev/extension-operator/internal/nushell"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// scrapeWait bounds how long a scrape waits for nu, and for the sandbox's helper: both together
// end before Prometheus' own 10 s.
const scrapeWait = 4 * time.Second

// addMetrics makes the metrics and has them told of what is done. Whoever serves them
// registers them.
func (p *parts) addMetrics(ctx context.Context, mgr ctrl.Manager, s config.Settings) error {
	extensions, err := newInformed(ctx, mgr, &api.Extension{})
	if err != nil {
		return err
	}
	installations := unknown
	if s.Runs(config.InstallationController) {
		all, err := newInformed(ctx, mgr, &api.Installation{})
		if err != nil {
			return err
		}
		installations = all.installations
	}
	p.metrics = metrics.New(metrics.Sources{
		Version: version, Levels: sandbox.Levels(), Layers: sandbox.Layers(),
		Installations: installations, Outcomes: installation.Outcomes(), Waits: installation.Waits(),
		Loads: p.measureLoads, Extensions: extensions.extensions, Catalogs: p.measureCatalogs,
		Nushell: p.measureNushell, Sandbox: p.measureSandbox, LostEvents: p.lostEvents, RestartNeeded: p.restartNeeded.Load,
	})
	p.observers = append(p.observers, p.metrics)
	return nil
}

// informed are the objects of a kind that an informer has.
type informed struct {
	informer cache.Informer
	reader   client.Reader
}

func newInformed(ctx context.Context, mgr ctrl.Manager, kind client.Object) (informed, error) {
	informer, err := mgr.GetCache().GetInformer(ctx, kind, cache.BlockUntilSynced(false))
	if err != nil {
		return informed{}, fmt.Errorf("find the informer of %T: %w", kind, err)
	}
	return informed{informer, mgr.GetCache()}, nil
}

// into lists them all, once the informer has read the cluster. They are only read.
func (i informed) into(all client.ObjectList) (known bool) {
	return i.informer.HasSynced() && i.reader.List(context.Background(), all, client.UnsafeDisableDeepCopy) == nil
}

func (i informed) extensions() ([]api.Extension, bool) {
	all := &api.ExtensionList{}
	known := i.into(all)
	return all.Items, known
}

func (i informed) installations() ([]api.Installation, bool) {
	all := &api.InstallationList{}
	known := i.into(all)
	return all.Items, known
}

// unknown are the Installations where this process does not run their controller.
func unknown() ([]api.Installation, bool) { return nil, false }

func (p *parts) measureLoads() metrics.Loads {
	s := p.loader.Stats()
	return metrics.Loads{
		Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions, Collapsed: s.Collapsed,
		Entries: s.Entries, InUse: s.InUse, Waiting: s.Waiting,
	}
}

func (p *parts) measureCatalogs() []metrics.Catalog {
	catalogs := make([]metrics.Catalog, 0, len(p.libraries))
	for _, library := range p.libraries {
		s := library.Stats()
		catalogs = append(catalogs, metrics.Catalog{
			Name: library.Name(), Synced: s.Synced, Versions: s.Versions, Broken: s.Broken, Errors: s.Errors, Available: s.Available,
		})
	}
	return catalogs
}

func (p *parts) measureNushell() metrics.Nushell {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	tools, err := p.runner.Toolchain(ctx)
	if err != nil {
		return metrics.Nushell{}
	}
	return metrics.Nushell{Available: true, Version: tools.NushellVersion, Supported: nushell.Supported(tools.NushellVersion)}
}

func (p *parts) measureSandbox() (held extension.Enforcement, available bool) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWait)
	defer cancel()
	report, err := p.box.Probe(ctx)
	return extension.Enforcement{Level: report.Level, Missing: report.Missing}, err == nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/broadcast"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/httpapi"
	"provisioning.dev/extension-operator/internal/inventory"
	"provisioning.dev/extension-operator/internal/load"
)

// addAPI builds the REST API, which every replica offers, over what the informers and
// the catalogs of this one know.
func (p *parts) addAPI(ctx context.Context, mgr ctrl.Manager, s config.Settings) error {
	p.inventory = inventory.New(inventory.Options{Client: mgr.GetClient(), Catalogs: p.catalogs()})
	extensions, err := mgr.GetCache().GetInformer(ctx, &api.Extension{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("watch the Extensions: %w", err)
	}
	changed := func(any) { p.inventory.Changed() }
	_, err = extensions.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: changed, DeleteFunc: changed, UpdateFunc: func(any, any) { p.inventory.Changed() },
	})
	if err != nil {
		return fmt.Errorf("watch the Extensions: %w", err)
	}
	clearing, err := p.addBroadcast(ctx, mgr, s)
	if err != nil {
		return err
	}
	guard, err := newGuard(mgr, s)
	if err != nil {
		return err
	}
	handler, err := httpapi.New(httpapi.Options{
		Guard:     guard,
		Inventory: p.inventory,
		Catalogs:  p.catalogs(),
		Cache:     replicaCache{clearing: clearing, loader: p.loader, settings: s, since: time.Now()},
		Version:   version, Log: ctrl.Log.WithName("api"), Now: time.Now,
	})
	if err != nil {
		return fmt.Errorf("set up the REST API: %w", err)
	}
	p.api = p.metrics.Requests(handler.Pattern, handler)
	return nil
}

// addBroadcast has this replica hear of what all are to clear. The informer is one of its
// own: where it may not watch, nothing but clearing is affected.
func (p *parts) addBroadcast(ctx context.Context, mgr ctrl.Manager, s config.Settings) (*broadcast.Channel, error) {
	namespace := ownNamespace(s)
	channel := broadcast.New(broadcast.Options{
		Client: mgr.GetClient(), Namespace: namespace, Clear: p.loader.Clear, Log: ctrl.Log.WithName("cache"), Now: time.Now,
	})
	informers, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
		DefaultNamespaces: map[string]cache.Config{
			namespace: {FieldSelector: fields.OneTermEqualSelector("metadata.name", broadcast.ConfigMapName)},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("watch ConfigMap %s/%s: %w", namespace, broadcast.ConfigMapName, err)
	}
	informer, err := informers.GetInformer(ctx, &corev1.ConfigMap{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch ConfigMap %s/%s: %w", namespace, broadcast.ConfigMapName, err)
	}
	if _, err := informer.AddEventHandler(channel.Handler()); err != nil {
		return nil, fmt.Errorf("watch ConfigMap %s/%s: %w", namespace, broadcast.ConfigMapName, err)
	}
	return channel, mgr.Add(informers)
}

// namespaceFile is where a pod finds the name of its namespace.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ownNamespace is that of the leader's Lease, of the pod, or the one that is shipped.
func ownNamespace(s config.Settings) string {
	if s.LeaderElectionNS != "" {
		return s.LeaderElectionNS
	}
	if text, err := os.ReadFile(namespaceFile); err == nil && len(text) > 0 {
		return strings.TrimSpace(string(text))
	}
	return "extension-system"
}

// replicaCache is what the API tells of caches, and asks of them.
type replicaCache struct {
	clearing *broadcast.Channel
	loader   *load.Loader
	settings config.Settings
	since    time.Time
}

// Clear has every replica forget.
func (c replicaCache) Clear(ctx context.Context, key extension.Key, by string) (bool, error) {
	return c.clearing.Clear(ctx, key, by)
}

// Stats are this process's; a pod's host name is the pod's.
func (c replicaCache) Stats() httpapi.Stats {
	stats := c.loader.Stats()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return httpapi.Stats{
		Replica: host, Since: c.since, Runs: stats.Runs, Hits: stats.Hits, Evictions: stats.Evictions,
		Entries: stats.Entries, Capacity: c.settings.CacheSize,
	}
}

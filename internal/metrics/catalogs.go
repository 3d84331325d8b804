// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// catalogs collects the state of each catalog. There are as many as the settings name.
type catalogs struct {
	source func() []Catalog

	available, synced, versions, broken, errors family
}

func newCatalogs(source func() []Catalog) *catalogs {
	return &catalogs{
		source:    source,
		available: gauge("catalog_available", "1 while the catalog can be read.", "catalog"),
		synced: gauge("catalog_last_sync_timestamp_seconds",
			"When the last reading of the whole catalog began, in seconds since 1970; 0 before the first.", "catalog"),
		versions: gauge("catalog_versions", "Versions that the catalog offers.", "catalog"),
		broken: gauge("catalog_broken_versions",
			"Folders of the catalog that cannot be loaded, as far as is known: a manifest is read when somebody asks for it.", "catalog"),
		errors: counter("catalog_errors_total", "Looks at the catalog that could not read it.", "catalog"),
	}
}

// Describe implements prometheus.Collector.
func (c *catalogs) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, c.available, c.synced, c.versions, c.broken, c.errors)
}

// Collect implements prometheus.Collector.
func (c *catalogs) Collect(ch chan<- prometheus.Metric) {
	for _, now := range c.source() {
		c.available.send(ch, flag(now.Available), now.Name)
		synced := 0.0
		if !now.Synced.IsZero() {
			synced = float64(now.Synced.UnixMilli()) / 1e3
		}
		c.synced.send(ch, synced, now.Name)
		c.versions.send(ch, float64(now.Versions), now.Name)
		c.broken.send(ch, float64(now.Broken), now.Name)
		c.errors.send(ch, float64(now.Errors), now.Name)
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package metrics counts what the operator does and tells how it fares, for Prometheus.
// Every label has a closed set of values, or one that the operator's own settings
// bound: what users name things, and how many there are, makes no series.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// prefix of every name.
const prefix = "extension_operator_"

// Sources are what is read at each scrape; every field is required. None may make
// anybody wait for long.
type Sources struct {
	// Version of the operator.
	Version string
	// Levels and Layers are the sandbox's, whole.
	Levels, Layers []string
	Loads          func() Loads
	// Extensions are all there are; known is false until they have been read once. They are
	// only read.
	Extensions func() (list []api.Extension, known bool)
	// Installations are all there are, in the same way; none are known where this process
	// does not run them. Outcomes are how an attempt of one may end, whole; Waits are the
	// other reasons for not being Ready.
	Installations   func() (list []api.Installation, known bool)
	Outcomes, Waits []string
	Catalogs        func() []Catalog
	Nushell         func() Nushell
	// Sandbox is what would hold a process now. Where less than what is required can be
	// set up, and so nothing is loaded, it is not available.
	Sandbox func() (held extension.Enforcement, available bool)
	// LostEvents counts the events that are in no audit log.
	LostEvents func() uint64
	// RestartNeeded: a restart would give other settings, or none.
	RestartNeeded func() bool
}

// Loads is the state of loading. Fields are counts since the start of the process but
// for the last three.
type Loads struct {
	Hits, Misses, Evictions, Collapsed uint64
	// Entries of the memory, slots InUse and loads Waiting for one, now.
	Entries, InUse, Waiting int
}

// Catalog is the state of one catalog.
type Catalog struct {
	Name string
	// Synced is when it was last read whole; zero before the first time.
	Synced           time.Time
	Versions, Broken int
	// Errors counts the looks that could not read it.
	Errors    uint64
	Available bool
}

// Nushell is the nu that loads would use now.
type Nushell struct {
	// Available is false where there is none; the rest is empty then.
	Available bool
	Version   string
	// Supported: the loading program is tested with this version.
	Supported bool
}

// Metrics is told what is done, and collects that and its sources. Nothing that tells it
// waits. It is safe for concurrent use.
type Metrics struct {
	counters
	requests
	// parts are what it collects.
	parts []prometheus.Collector
}

// New makes a Metrics, to be registered by whoever serves it.
func New(s Sources) *Metrics {
	m := &Metrics{counters: newCounters(s), requests: newRequests()}
	m.parts = append(m.counters.all(), m.requests.all()...)
	m.parts = append(m.parts,
		newLoads(s.Loads), newObjects(s.Extensions), newInstallations(s), newCatalogs(s.Catalogs), newMachine(s), newAudit(s.LostEvents))
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, part := range m.parts {
		part.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, part := range m.parts {
		part.Collect(ch)
	}
}

// family is one name whose values are read when they are scraped.
type family struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) family {
	return family{prometheus.NewDesc(prefix+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) family {
	return family{prometheus.NewDesc(prefix+name, help, labels, nil), prometheus.CounterValue}
}

// send sends one series; values are those of the labels, in their order.
func (f family) send(ch chan<- prometheus.Metric, value float64, values ...string) {
	ch <- prometheus.MustNewConstMetric(f.desc, f.kind, value, values...)
}

// flag is 1 for true.
func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// describe sends the families of a collector.
func describe(ch chan<- *prometheus.Desc, families ...family) {
	for _, f := range families {
		ch <- f.desc
	}
}

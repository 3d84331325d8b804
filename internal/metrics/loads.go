// SPDX-License-Identifier: Apache-2.0

package metrics

import "github.com/prometheus/client_golang/prometheus"

// loads collects the state of loading.
type loads struct {
	source func() Loads

	hits, misses, evictions, collapsed, entries, inUse, waiting family
}

func newLoads(source func() Loads) *loads {
	return &loads{
		source: source,
		hits:   counter("cache_hits_total", "Loads that were answered from memory."),
		misses: counter("cache_misses_total", "Loads that memory had no answer for. What a reload token asks for is not looked for there."),
		evictions: counter("cache_evictions_total",
			"Outcomes that were forgotten to make room for others (--cache-size)."),
		collapsed: counter("cache_collapsed_calls_total",
			"Askers of a load who joined one that was under way, or had just ended. They are in no other count of loads."),
		entries: gauge("cache_entries", "Outcomes of loads that are remembered."),
		inUse:   gauge("load_slots_in_use", "Slots that loads hold (of --load-slots)."),
		waiting: gauge("loads_waiting", "Loads that wait for a slot."),
	}
}

// Describe implements prometheus.Collector.
func (l *loads) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, l.hits, l.misses, l.evictions, l.collapsed, l.entries, l.inUse, l.waiting)
}

// Collect implements prometheus.Collector.
func (l *loads) Collect(ch chan<- prometheus.Metric) {
	now := l.source()
	l.hits.send(ch, float64(now.Hits))
	l.misses.send(ch, float64(now.Misses))
	l.evictions.send(ch, float64(now.Evictions))
	l.collapsed.send(ch, float64(now.Collapsed))
	l.entries.send(ch, float64(now.Entries))
	l.inUse.send(ch, float64(now.InUse))
	l.waiting.send(ch, float64(now.Waiting))
}

// audit collects the state of the audit log.
type audit struct {
	source func() uint64
	lost   family
}

func newAudit(source func() uint64) *audit {
	return &audit{source: source, lost: counter("audit_events_lost_total", "Events that could not be written to the audit log.")}
}

// Describe implements prometheus.Collector.
func (a *audit) Describe(ch chan<- *prometheus.Desc) { describe(ch, a.lost) }

// Collect implements prometheus.Collector.
func (a *audit) Collect(ch chan<- prometheus.Metric) { a.lost.send(ch, float64(a.source())) }

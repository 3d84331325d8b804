// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// durations are the buckets of a load's time, in seconds: from memory it takes under a
// microsecond, on a worker that waits some milliseconds, cold some ten.
var durations = []float64{1e-6, 1e-5, 1e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}

// counters are what observers are told.
type counters struct {
	types, outcomes, codes, levels set
	// purposes and ends are those of attempts of Installations.
	purposes, ends set

	loads     *prometheus.CounterVec
	took      *prometheus.HistogramVec
	processes *prometheus.CounterVec
	reloads   *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	clears    prometheus.Counter
	attempts  *prometheus.CounterVec
	left      prometheus.Counter
	// cold, warm and cached are the series of took.
	cold, warm, cached prometheus.Observer
}

func newCounters(s Sources) counters {
	c := counters{
		types: typeNames(), outcomes: outcomes(), codes: codeNames(), levels: s.Levels,
		purposes: set{api.PlanPurpose, api.ApplyPurpose, api.UninstallPurpose}, ends: s.Outcomes,
		loads: counterVec("loads_total",
			"Loads of one extension, by its type and how they ended: carried out by Nushell, or answered from memory.", "type", "outcome"),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "load_duration_seconds", Buckets: durations,
			Help: "Time of a load, by how it ran: cold in a new Nushell, warm in one that was started in advance, cached from memory. " +
				"Without loads for which no Nushell could be started.",
		}, []string{"how"}),
		processes: counterVec("load_processes_total",
			"Processes of Nushell that loads were made by, by the level of the sandbox that was enforced.", "level"),
		reloads: counterVec("reload_tokens_handled_total",
			"Reload tokens that were answered in status.lastHandledReloadAt, by how it ended.", "outcome"),
		refusals: counterVec("refusals_total",
			"Extensions that were given up (Stalled) until something changes, by the reason.", "reason"),
		clears: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "cache_clears_total", Help: "Times that the memory of loads was cleared.",
		}),
		attempts: counterVec("installation_attempts_total",
			"Attempts of Installations that have ended, by their purpose and how: Succeeded, or the reason why not.", "purpose", "outcome"),
		left: prometheus.NewCounter(prometheus.CounterOpts{
			Name: prefix + "installations_left_behind_total",
			Help: "Installations with the deletionPolicy Uninstall that were let go without having been uninstalled.",
		}),
	}
	c.cold, c.warm, c.cached = c.took.WithLabelValues(howCold), c.took.WithLabelValues(howWarm), c.took.WithLabelValues(howCached)
	c.begin()
	return c
}

func counterVec(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

// begin makes every series, so that a first failure is an increase of a counter and not
// the beginning of one.
func (c *counters) begin() {
	for _, outcome := range c.outcomes {
		for _, t := range c.types {
			c.loads.WithLabelValues(t, outcome)
		}
		c.reloads.WithLabelValues(outcome)
	}
	for _, code := range c.codes {
		c.refusals.WithLabelValues(code)
	}
	for _, level := range c.levels {
		c.processes.WithLabelValues(level)
	}
	for _, purpose := range c.purposes {
		for _, end := range c.ends {
			c.attempts.WithLabelValues(purpose, end)
		}
	}
}

func (c *counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.loads, c.took, c.processes, c.reloads, c.refusals, c.clears, c.attempts, c.left}
}

// Loaded counts a load that was carried out.
func (c *counters) Loaded(r extension.LoadRecord) {
	c.count(r.Member.Key.Type, r.Fault)
	if len(r.Checked.Process.Argv) == 0 {
		return // there was nothing to start
	}
	how := c.cold
	if r.Checked.Process.Warm {
		how = c.warm
	}
	how.Observe(r.Ended.Sub(r.Began).Seconds())
	c.processes.WithLabelValues(c.levels.label(r.Checked.Enforcement.Level)).Inc()
}

// Recalled counts a load that was answered from memory.
func (c *counters) Recalled(r extension.RecallRecord) {
	c.count(r.Key.Type, r.Fault)
	c.cached.Observe(r.Took.Seconds())
}

func (c *counters) count(t extension.Type, fault *extension.Fault) {
	c.loads.WithLabelValues(c.types.label(string(t)), c.outcomes.label(outcomeOf(fault))).Inc()
}

// Cleared counts a clearing of the memory.
func (c *counters) Cleared(extension.ClearRecord) { c.clears.Inc() }

// Reloaded counts a reload token that was handled.
func (c *counters) Reloaded(r extension.VerdictRecord) {
	c.reloads.WithLabelValues(c.outcomes.label(outcomeOf(r.Fault))).Inc()
}

// Refused counts an Extension that is given up.
func (c *counters) Refused(r extension.VerdictRecord) {
	c.refusals.WithLabelValues(c.codes.label(outcomeOf(r.Fault))).Inc()
}

// Ran counts an attempt of an Installation that has ended.
func (c *counters) Ran(r extension.AttemptRecord) {
	c.attempts.WithLabelValues(c.purposes.label(r.Purpose), c.ends.label(r.Outcome)).Inc()
}

// LeftBehind counts an Installation that was let go.
func (c *counters) LeftBehind(extension.LeftRecord) { c.left.Inc() }

// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"runtime"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// machine collects what loads are made with: the operator and its settings, Nushell and the sandbox.
type machine struct {
	Sources

	build, restart, nushell, nushellInfo, sandbox, level, missing family
}

func newMachine(s Sources) *machine {
	return &machine{
		Sources:     s,
		build:       gauge("build_info", "1 for the version of the operator that runs.", "version", "go_version"),
		restart:     gauge("restart_needed", "1 while the configuration file gives other settings than those in force, or is wrong."),
		nushell:     gauge("nushell_available", "1 while there is a Nushell to load with."),
		nushellInfo: gauge("nushell_info", "1 for the version of Nushell that loads use now; nothing where there is none.", "version", "supported"),
		sandbox:     gauge("sandbox_available", "1 while what --sandbox requires can be set up; nothing is loaded without."),
		level:       gauge("sandbox_level", "1 for the level of the sandbox that holds a Nushell that is started now.", "level"),
		missing:     gauge("sandbox_layer_missing", "1 for each layer of the sandbox that would not be in force.", "layer"),
	}
}

// Describe implements prometheus.Collector.
func (m *machine) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, m.build, m.restart, m.nushell, m.nushellInfo, m.sandbox, m.level, m.missing)
}

// Collect implements prometheus.Collector.
func (m *machine) Collect(ch chan<- prometheus.Metric) {
	m.build.send(ch, 1, m.Version, runtime.Version())
	m.restart.send(ch, flag(m.RestartNeeded()))
	nu := m.Nushell()
	m.nushell.send(ch, flag(nu.Available))
	if nu.Available {
		m.nushellInfo.send(ch, 1, nu.Version, strconv.FormatBool(nu.Supported))
	}
	held, available := m.Sandbox()
	m.sandbox.send(ch, flag(available))
	for _, level := range m.Levels {
		m.level.send(ch, flag(level == held.Level), level)
	}
	for _, layer := range m.Layers {
		m.missing.send(ch, flag(slices.Contains(held.Missing, layer)), layer)
	}
}

// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/metrics"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// operator is what a test says the operator's state is, and its metrics.
type operator struct {
	*WithT
	*metrics.Metrics
	registry *prometheus.Registry

	loads      metrics.Loads
	extensions []api.Extension
	known      bool
	catalogs   []metrics.Catalog
	nushell    metrics.Nushell
	held       extension.Enforcement
	available  bool
	lost       uint64
	restart    bool
	// installations are known where their controller runs.
	installations []api.Installation
	installs      bool
}

// The sandbox's words, as cmd/manager passes them on.
var levels, layers = sandbox.Levels(), sandbox.Layers()

func newOperator(tb testing.TB) *operator {
	o := &operator{
		WithT: NewWithT(tb), registry: prometheus.NewPedanticRegistry(), known: true, installs: true,
		catalogs: []metrics.Catalog{{Name: "builtin", Synced: time.Unix(1_700_000_000, 5e8), Versions: 12, Broken: 1, Errors: 2, Available: true}},
		nushell:  metrics.Nushell{Available: true, Version: "0.115.1", Supported: true},
		held:     extension.Enforcement{Level: "Enforced"}, available: true,
	}
	o.Metrics = metrics.New(metrics.Sources{
		Version: "v1.2.3", Levels: levels, Layers: layers,
		Loads:         func() metrics.Loads { return o.loads },
		Extensions:    func() ([]api.Extension, bool) { return o.extensions, o.known },
		Installations: func() ([]api.Installation, bool) { return o.installations, o.installs },
		Outcomes:      installation.Outcomes(), Waits: installation.Waits(),
		Catalogs:   func() []metrics.Catalog { return o.catalogs },
		Nushell:    func() metrics.Nushell { return o.nushell },
		Sandbox:    func() (extension.Enforcement, bool) { return o.held, o.available },
		LostEvents: func() uint64 { return o.lost }, RestartNeeded: func() bool { return o.restart },
	})
	o.registry.MustRegister(o.Metrics)
	return o
}

// gather is one scrape, by the families' names.
func (o *operator) gather() map[string]*dto.MetricFamily {
	families, err := o.registry.Gather()
	o.Expect(err).NotTo(HaveOccurred())
	byName := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// series are the values of a family by its labels' values, joined by commas; of a
// histogram the number of observations.
func (o *operator) series(name string) map[string]float64 {
	values := map[string]float64{}
	for _, m := range o.gather()["extension_operator_"+name].GetMetric() {
		labels := make([]string, 0, len(m.GetLabel()))
		for _, pair := range m.GetLabel() {
			labels = append(labels, pair.GetValue())
		}
		// It has one of the three.
		values[strings.Join(labels, ",")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return values
}

// some are the series that are not 0.
func (o *operator) some(name string) map[string]float64 {
	values := o.series(name)
	for labels, value := range values {
		if value == 0 {
			delete(values, labels)
		}
	}
	return values
}

// load is one that was carried out in 20 ms.
func load(t extension.Type, name string, fault *extension.Fault) extension.LoadRecord {
	began := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	return extension.LoadRecord{
		Member: extension.Member{Key: extension.Key{Type: t, Name: name, Version: "1.0.0"}}, Fault: fault,
		Checked: extension.Checked{Process: extension.Process{Argv: []string{"nu"}}, Enforcement: extension.Enforcement{Level: "Enforced"}},
		Began:   began, Ended: began.Add(20 * time.Millisecond),
	}
}

// recall is a load of etcd that was answered from memory in 400 ns.
func recall(fault *extension.Fault) extension.RecallRecord {
	return extension.RecallRecord{Key: extension.Key{Type: extension.Taskserv, Name: "etcd"}, Took: 400, Fault: fault}
}

// object is an Extension whose Ready has a reason; without one it was not looked at.
func object(kind api.ExtensionType, reason string) api.Extension {
	ext := api.Extension{Spec: api.ExtensionSpec{Type: kind, Name: "etcd"}}
	if reason != "" {
		ext.Status.Conditions = []metav1.Condition{{Type: api.ResolvedCondition, Reason: "Wrong"}, {Type: api.ReadyCondition, Reason: reason}}
	}
	return ext
}

// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/prometheus/client_golang/prometheus"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// installations counts Installations at each scrape, by how they fare.
type installations struct {
	source  func() ([]api.Installation, bool)
	reasons set
	count   family
}

func newInstallations(s Sources) *installations {
	reasons := slices.Concat(set{api.InstalledReason, unseen, other}, s.Waits, s.Outcomes)
	slices.Sort(reasons)
	return &installations{
		source: s.Installations, reasons: slices.Compact(slices.DeleteFunc(reasons, func(r string) bool { return r == api.StepSucceeded })),
		count: gauge("installations", "Installations in the cluster, by the reason of Ready. "+
			"Only a manager that runs their controller tells, once it has read them.", "reason"),
	}
}

// Describe implements prometheus.Collector.
func (i *installations) Describe(ch chan<- *prometheus.Desc) { describe(ch, i.count) }

// Collect implements prometheus.Collector. Reasons that none has are told as 0.
func (i *installations) Collect(ch chan<- prometheus.Metric) {
	list, known := i.source()
	if !known {
		return
	}
	counts := make(map[string]int, len(i.reasons))
	for n := range list {
		counts[i.reason(&list[n])]++
	}
	for _, reason := range i.reasons {
		i.count.send(ch, float64(counts[reason]), reason)
	}
}

func (i *installations) reason(inst *api.Installation) string {
	ready := meta.FindStatusCondition(inst.Status.Conditions, api.ReadyCondition)
	if ready == nil {
		return unseen
	}
	return i.reasons.label(ready.Reason)
}

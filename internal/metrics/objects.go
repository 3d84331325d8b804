// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/prometheus/client_golang/prometheus"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// objects counts Extensions at each scrape, by what they are and how they fare.
type objects struct {
	source func() ([]api.Extension, bool)
	// types and reasons are the labels; what is beyond them counts as other.
	types, reasons set
	count          family
}

func newObjects(source func() ([]api.Extension, bool)) *objects {
	return &objects{
		source: source, types: typeNames(), reasons: append(outcomes(), api.LoadingReason, api.SuspendedReason, unseen, other),
		count: gauge("extensions", "Extensions in the cluster, by their type and the reason of Ready. "+
			"Every replica tells the same; none tells anything before it has read them.", "type", "reason"),
	}
}

// Describe implements prometheus.Collector.
func (o *objects) Describe(ch chan<- *prometheus.Desc) { describe(ch, o.count) }

// Collect implements prometheus.Collector. Reasons that no Extension has are told as 0.
func (o *objects) Collect(ch chan<- prometheus.Metric) {
	list, known := o.source()
	if !known {
		return
	}
	type series struct{ kind, reason string }
	counts := make(map[series]int, len(o.types)*len(o.reasons))
	for _, kind := range o.types {
		for _, reason := range o.reasons {
			counts[series{kind, reason}] = 0
		}
	}
	for i := range list {
		counts[series{o.types.label(string(list[i].Spec.Type)), o.reason(&list[i])}]++
	}
	for of, n := range counts {
		o.count.send(ch, float64(n), of.kind, of.reason)
	}
}

func (o *objects) reason(ext *api.Extension) string {
	ready := meta.FindStatusCondition(ext.Status.Conditions, api.ReadyCondition)
	if ready == nil {
		return unseen
	}
	return o.reasons.label(ready.Reason)
}

// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"testing"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// BenchmarkLoaded is what being told of one load costs.
func BenchmarkLoaded(b *testing.B) {
	o, record := newOperator(b), load(extension.Taskserv, "etcd", nil)
	b.ReportAllocs()
	for b.Loop() {
		o.Loaded(record)
	}
}

// BenchmarkRecalled is what being told of one answer from memory costs. Such a load takes
// a microsecond altogether.
func BenchmarkRecalled(b *testing.B) {
	o, record := newOperator(b), recall(nil)
	b.ReportAllocs()
	for b.Loop() {
		o.Recalled(record)
	}
}

// BenchmarkCollect is what a scrape costs here, with 8,000 Extensions that are listed already.
func BenchmarkCollect(b *testing.B) {
	o := newOperator(b)
	for range 4000 {
		o.extensions = append(o.extensions, object(api.TaskservType, api.LoadedReason), object(api.ClusterType, api.VersionNotFoundReason))
	}
	b.ReportAllocs()
	for b.Loop() {
		o.gather()
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// BenchmarkDependents measures, among 1,000 Extensions of which ten need one under
// Require: how long after that one is Ready they are, and how many reconciles and
// writes a change of its version costs.
func BenchmarkDependents(b *testing.B) {
	const (
		bystanders = 989
		dependents = 10
	)
	w := benchmarkWorld(b)
	for _, v := range []string{"1.0.0", "1.1.0"} {
		w.publish(api.TaskservType, "base", v, nil)
	}
	w.publishNeeding("top", "1.0.0", "base")
	w.populate(bystanders)
	w.start()
	w.apply(api.TaskservType, "base", "1.0.0")
	for i := range dependents {
		w.apply(api.TaskservType, fmt.Sprint("top-", i), "", policy(api.RequireDependencies), func(ext *api.Extension) { ext.Spec.Name = "top" })
	}
	w.allReady(bystanders + dependents + 1)
	Eventually(reconciles, "20s", "500ms").Should(stayTheSame())

	count, writes := reconciles(), w.writes.Load()
	w.change("base", func(ext *api.Extension) { ext.Spec.Version = "1.1.0" })
	for i := range dependents {
		Eventually(func() string { return w.get(fmt.Sprint("top-", i)).Status.Dependencies[0].Version }).Should(Equal("1.1.0"))
	}
	Eventually(reconciles, "20s", "500ms").Should(stayTheSame())
	b.ReportMetric(reconciles()-count, "reconciles/change")
	b.ReportMetric(float64(w.writes.Load()-writes), "writes/change")

	p50, p99 := w.follow(100)
	b.ReportMetric(p50.Seconds()*1000, "p50-ms")
	b.ReportMetric(p99.Seconds()*1000, "p99-ms")
}

// follow deletes base and makes it anew, n times, and measures from its becoming
// Ready to the same of top-0, as a watch sees both.
func (w *world) follow(n int) (p50, p99 time.Duration) {
	watching, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	events, err := watching.Watch(context.Background(), &api.ExtensionList{}, client.InNamespace(w.namespace))
	Expect(err).NotTo(HaveOccurred())
	defer events.Stop()
	await := func(name string, ready bool) time.Time {
		for event := range events.ResultChan() {
			ext, ok := event.Object.(*api.Extension)
			if ok && event.Type != watch.Deleted && ext.Name == name && meta.IsStatusConditionTrue(ext.Status.Conditions, api.ReadyCondition) == ready &&
				ext.Status.ObservedGeneration > 0 {
				break
			}
		}
		return time.Now()
	}
	took := make([]time.Duration, 0, n)
	for range n {
		Expect(admin.Delete(context.Background(), w.get("base"))).To(Succeed())
		await("top-0", false)
		w.apply(api.TaskservType, "base", "1.0.0")
		from := await("base", true)
		took = append(took, await("top-0", true).Sub(from))
	}
	slices.Sort(took)
	return took[n/2], took[n*99/100]
}

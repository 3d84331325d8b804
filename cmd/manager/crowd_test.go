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
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// The good ones beside a crowd of another namespace.
const (
	goodOnes = 10
	crowd    = 1000
)

// crowds are what each of a crowd's extensions is: none, one that is refused, one
// that computes until it is ended.
var crowds = []struct {
	name   string
	module string
}{
	{"alone", ""},
	{"broken", "export def install [ {"},
	{"hanging", endlessModule},
}

// BenchmarkCrowd compares how long good Extensions take to become Ready alone,
// beside 1,000 broken ones and beside 1,000 that hang, all different.
func BenchmarkCrowd(b *testing.B) {
	benchmarkWorld(b)
	alone := 0.0
	for _, c := range crowds {
		w := newWorldOf(b)
		home := newWorldOf(b)
		w.alsoIn = home.namespace
		for i := range goodOnes {
			w.publish(api.TaskservType, fmt.Sprint("good-", i), "1.0.0", map[string]string{"mod.nu": goodModule + fmt.Sprintf("# %d\n", i)})
		}
		if c.module != "" {
			w.gather(c.module)
		}
		w.start()
		time.Sleep(12 * time.Second) // the library is read, and all of the crowd was begun
		all := w.timeToReady(home)
		b.ReportMetric(all.Seconds()*1000, c.name+"-ms")
		if alone == 0 {
			alone = all.Seconds()
		} else {
			b.ReportMetric(all.Seconds()/alone, c.name+"-ratio")
		}
		w.stop()
	}
}

// gather creates the crowd.
func (w *world) gather(module string) {
	workqueue.ParallelizeUntil(context.Background(), 8, crowd, func(i int) {
		name := fmt.Sprint("crowd-", i)
		w.publish(api.TaskservType, name, "1.0.0", map[string]string{"mod.nu": module + fmt.Sprintf("\n# %d\n", i)})
		w.apply(api.TaskservType, name, "")
	})
}

// timeToReady creates the good ones at once in a world that w's manager sees, five
// times over, and returns the median of the times until the last is Ready. Nothing is
// remembered of the time before.
func (w *world) timeToReady(home *world) time.Duration {
	var took []time.Duration
	for range 5 {
		watching, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme()})
		Expect(err).NotTo(HaveOccurred())
		events, err := watching.Watch(context.Background(), &api.ExtensionList{}, client.InNamespace(home.namespace))
		Expect(err).NotTo(HaveOccurred())
		w.loader.Clear(extension.Key{}, "")
		began := time.Now()
		for i := range goodOnes {
			home.apply(api.TaskservType, fmt.Sprint("good-", i), "")
		}
		seen := map[string]bool{}
		for event := range events.ResultChan() {
			ext, ok := event.Object.(*api.Extension)
			if ok && meta.IsStatusConditionTrue(ext.Status.Conditions, api.ReadyCondition) {
				seen[ext.Name] = true
			}
			if len(seen) == goodOnes {
				break
			}
		}
		took = append(took, time.Since(began))
		events.Stop()
		Expect(admin.DeleteAllOf(context.Background(), &api.Extension{}, client.InNamespace(home.namespace))).To(Succeed())
		time.Sleep(200 * time.Millisecond)
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/controller"
)

// The figures of design.md section 8 that need an API server. Each benchmark
// measures once, whatever b.N is: run them with -benchtime=1x.

func benchmarkWorld(b *testing.B) *world {
	b.Helper()
	RegisterFailHandler(func(message string, _ ...int) { b.Fatal(message) })
	ctrl.SetLogger(zap.New(zap.WriteTo(b.Output())))
	startCluster(b)
	w := newWorldOf(b)
	w.publish(api.TaskservType, "etcd", "3.5.9", nil)
	return w
}

// populate creates n Extensions that ask for the same version.
func (w *world) populate(n int) {
	workqueue.ParallelizeUntil(context.Background(), 8, n, func(i int) {
		w.apply(api.TaskservType, fmt.Sprint("etcd-", i), "", func(ext *api.Extension) { ext.Spec.Name = "etcd" })
	})
}

// allReady waits for n writes, which costs the machine nothing, and only then looks.
func (w *world) allReady(n int) {
	Eventually(w.writes.Load, 3*time.Minute).Should(BeNumerically(">=", n))
	Eventually(w.countReady, time.Minute, time.Second).Should(Equal(n))
}

func (w *world) countReady() int {
	list := &api.ExtensionList{}
	Expect(admin.List(context.Background(), list, client.InNamespace(w.namespace))).To(Succeed())
	n := 0
	for _, ext := range list.Items {
		if meta.IsStatusConditionTrue(ext.Status.Conditions, api.ReadyCondition) {
			n++
		}
	}
	return n
}

// BenchmarkReady compares making 1,000 Extensions Ready from one remembered load
// with as many bare status patches and Events by the same client.
func BenchmarkReady(b *testing.B) {
	const n = 1000
	w := benchmarkWorld(b)
	w.populate(n)
	var first, last atomic.Int64
	w.patch = func(_ context.Context, send func() error, _ client.Object) error {
		first.CompareAndSwap(0, time.Now().UnixNano())
		defer func() { last.Store(time.Now().UnixNano()) }()
		return send()
	}
	w.start()
	w.allReady(n)
	took := time.Duration(last.Load() - first.Load())
	Expect(w.writes.Load()).To(BeEquivalentTo(n))
	w.stop()
	bare := w.barePatches(b, n)
	b.ReportMetric(float64(n)/took.Seconds(), "ready/s")
	b.ReportMetric(float64(n)/bare.Seconds(), "patches/s")
	b.ReportMetric(bare.Seconds()/took.Seconds(), "ratio")
	b.ReportMetric(float64(w.writes.Load())/n, "writes/object")
}

// barePatches writes what the controller wrote to other objects, with as many
// workers, the same client and an Event each, and does nothing else.
func (w *world) barePatches(b *testing.B, n int) time.Duration {
	other := newWorldOf(b)
	other.populate(n)
	status := w.get("etcd-0").Status
	targets := &api.ExtensionList{}
	Expect(admin.List(context.Background(), targets, client.InNamespace(other.namespace))).To(Succeed())
	o := options(w.settings)
	mgr, err := ctrl.NewManager(asManager, o)
	Expect(err).NotTo(HaveOccurred())
	recorder := mgr.GetEventRecorder("bare")
	c, err := client.New(asManager, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	began := time.Now()
	workqueue.ParallelizeUntil(context.Background(), w.settings.Workers, n, func(i int) {
		ext := &targets.Items[i]
		updated := ext.DeepCopy()
		updated.Status = status
		base := client.MergeFromWithOptions(ext, client.MergeFromWithOptimisticLock{})
		if err := c.Status().Patch(context.Background(), updated, base); err != nil {
			b.Error(err)
		}
		recorder.Eventf(ext, nil, "Normal", "Loaded", "Load", "loaded taskserv:etcd:3.5.9")
	})
	return time.Since(began)
}

// BenchmarkQuiet counts writes and loads of 2,000 loaded Extensions in an idle
// minute and over a restart.
func BenchmarkQuiet(b *testing.B) {
	const n = 2000
	w := benchmarkWorld(b)
	w.settings.LibraryInterval = 10 * time.Second
	w.populate(n)
	w.start()
	w.allReady(n)
	time.Sleep(2 * time.Second)
	w.writes.Store(0)
	time.Sleep(time.Minute)
	b.ReportMetric(float64(w.writes.Load()), "idle-writes/min")
	w.stop()
	w.writes.Store(0)
	w.start()
	time.Sleep(20 * time.Second)
	b.ReportMetric(float64(w.writes.Load()), "restart-writes")
	b.ReportMetric(float64(w.loader.Stats().Runs), "restart-loads")
}

// BenchmarkHeap measures what a loaded Extension takes in the informer.
func BenchmarkHeap(b *testing.B) {
	const n = 2000
	w := benchmarkWorld(b)
	w.populate(n)
	w.start()
	w.allReady(n)
	w.stop()
	// What informers cost without objects is not to be counted: an empty one goes first.
	empty := newWorldOf(b)
	defer empty.hold(&api.Extension{})()
	before := heap()
	defer w.hold(&api.Extension{})()
	b.ReportMetric(float64(heap()-before)/n, "B/extension")
}

// hold fills an informer of a world's namespace and returns what ends it.
func (w *world) hold(object client.Object) (release func()) {
	informers, err := cache.New(cluster.Config, cache.Options{
		Scheme: scheme(), DefaultTransform: controller.Trim,
		DefaultNamespaces: map[string]cache.Config{w.namespace: {}},
	})
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { Expect(informers.Start(ctx)).To(Succeed()) })
	_, err = informers.GetInformer(ctx, object)
	Expect(err).NotTo(HaveOccurred())
	Expect(informers.WaitForCacheSync(ctx)).To(BeTrue())
	return func() {
		cancel()
		running.Wait()
	}
}

func heap() uint64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkScrape measures what a scrape of 8,000 Extensions in the informer takes, but
// for sending it.
func BenchmarkScrape(b *testing.B) {
	const n, scrapes = 8000, 20
	w := benchmarkWorld(b)
	w.populate(n)
	w.start()
	w.allReady(n)
	registry := prometheus.NewRegistry()
	registry.MustRegister(w.metrics)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range scrapes {
		families, err := registry.Gather()
		Expect(err).NotTo(HaveOccurred())
		Expect(families).NotTo(BeEmpty())
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	b.ReportMetric(took.Seconds()*1000/scrapes, "ms/scrape")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/scrapes/(1<<20), "MiB/scrape")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/scrapes, "allocs/scrape")
}

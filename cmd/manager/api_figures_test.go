// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// askMuch has clients ask a server for a while, and returns how often they were answered
// and, sorted, how long each answer took.
func askMuch(url string, clients int, d time.Duration) (perSecond float64, took []time.Duration) {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport}
	var mu sync.Mutex
	var running sync.WaitGroup
	began := time.Now()
	for range clients {
		running.Go(func() {
			var own []time.Duration
			for time.Since(began) < d {
				at := time.Now()
				response, err := c.Get(url)
				Expect(err).NotTo(HaveOccurred())
				_, err = io.Copy(io.Discard, response.Body)
				Expect(err).NotTo(HaveOccurred())
				Expect(response.Body.Close()).To(Succeed())
				own = append(own, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
		})
	}
	running.Wait()
	slices.Sort(took)
	return float64(len(took)) / time.Since(began).Seconds(), took
}

// BenchmarkLoadedOverHTTP compares GET loaded of 100 entries with a bare handler that
// writes the same bytes: both in turn, several times, by 8 clients and then by 200.
func BenchmarkLoadedOverHTTP(b *testing.B) {
	const n = 100
	w := benchmarkWorld(b)
	w.settings.APIBindAddress = "127.0.0.1:0"
	for i := range n {
		w.publish(api.TaskservType, fmt.Sprint("taskserv-", i), "1.0.0", nil)
	}
	w.start()
	for i := range n {
		w.apply(api.TaskservType, fmt.Sprint("taskserv-", i), "")
	}
	w.allReady(n)
	Eventually(func() []entry { return w.loaded("") }).Should(HaveLen(n))
	text := []byte(w.call(http.MethodGet, "/api/v1/extensions/loaded").Text)
	whole := "http://" + w.server.Addr().String()
	bare := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		_, _ = out.Write(text)
	}))
	defer bare.Close()
	for _, clients := range []int{8, 200} {
		var ratios, answers, p99s, bareP99s []float64
		for range 7 {
			perSecond, took := askMuch(whole+"/api/v1/extensions/loaded", clients, time.Second)
			barePerSecond, bareTook := askMuch(bare.URL, clients, time.Second)
			ratios, answers = append(ratios, perSecond/barePerSecond), append(answers, perSecond)
			p99s = append(p99s, float64(took[len(took)*99/100])/float64(time.Millisecond))
			bareP99s = append(bareP99s, float64(bareTook[len(bareTook)*99/100])/float64(time.Millisecond))
		}
		b.ReportMetric(median(answers), fmt.Sprint("requests/s-", clients))
		b.ReportMetric(median(ratios), fmt.Sprint("ratio-", clients))
		b.ReportMetric(median(p99s), fmt.Sprint("p99-ms-", clients))
		b.ReportMetric(median(bareP99s), fmt.Sprint("bare-p99-ms-", clients))
	}
	b.ReportMetric(float64(len(text)), "bytes")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkReloadOverHTTP compares a reload over HTTP, until it is handled, with a bare
// patch of the annotation and a bare load by nu.
func BenchmarkReloadOverHTTP(b *testing.B) {
	const n = 40
	w := benchmarkWorld(b)
	for i := range n {
		w.publish(api.TaskservType, fmt.Sprint("taskserv-", i), "1.0.0", nil)
	}
	w.start()
	for i := range n {
		w.apply(api.TaskservType, fmt.Sprint("taskserv-", i), "")
	}
	w.allReady(n)
	server := httptest.NewServer(w.api)
	defer server.Close()
	var whole, patches, loads []float64
	for i := range n {
		name := fmt.Sprint("taskserv-", i)
		began := time.Now()
		response, err := http.Post(server.URL+reloadPath, "application/json", strings.NewReader(reloadOf(name)))
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Body.Close()).To(Succeed())
		Expect(response.StatusCode).To(Equal(http.StatusOK))
		whole = append(whole, milliseconds(began))
		patches = append(patches, w.barePatch(name))
		loads = append(loads, w.bareLoad(name))
	}
	b.ReportMetric(median(whole), "reload-ms")
	b.ReportMetric(median(patches), "patch-ms")
	b.ReportMetric(median(loads), "load-ms")
	b.ReportMetric(median(whole)/(median(patches)+median(loads)), "ratio")
}

func milliseconds(since time.Time) float64 {
	return float64(time.Since(since)) / float64(time.Millisecond)
}

// barePatch annotates an Extension by something that nobody looks at.
func (w *world) barePatch(name string) float64 {
	ext := w.get(name)
	began := time.Now()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"example.org/figure":"`+began.String()+`"}}}`))
	Expect(admin.Patch(context.Background(), ext, patch)).To(Succeed())
	return milliseconds(began)
}

// bareLoad has nu look at a version, beside the loader and its memory.
func (w *world) bareLoad(name string) float64 {
	resolver := resolve.New(nil, w.catalogs().forResolving()...)
	resolution, err := resolver.Resolve(context.Background(), resolve.Request{Ref: extension.Ref{Type: extension.Taskserv, Name: name}})
	Expect(err).NotTo(HaveOccurred())
	began := time.Now()
	_, err = w.runner.Check(context.Background(), resolution.Plan, false)
	Expect(err).NotTo(HaveOccurred())
	return milliseconds(began)
}

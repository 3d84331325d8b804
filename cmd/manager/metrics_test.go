// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// serveMetrics is what lets anybody on this machine scrape.
func serveMetrics(address string) []string {
	return []string{"--metrics-bind-address=" + address, "--metrics-secure=false"}
}

// scrape reads the metrics of a manager as Prometheus does; the text is what it was sent.
func scrape(address string) (families map[string]*dto.MetricFamily, text string) {
	GinkgoHelper()
	status, text := ask("http://" + address + "/metrics")
	if status != http.StatusOK {
		return nil, text
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	Expect(err).NotTo(HaveOccurred())
	return families, text
}

// series gives one family's values above 0, by its labels' values in the order of
// their names.
func series(address, name string) func() map[string]float64 {
	return func() map[string]float64 {
		families, _ := scrape(address)
		values := map[string]float64{}
		for _, m := range families["extension_operator_"+name].GetMetric() {
			var labels []string
			for _, pair := range m.GetLabel() {
				labels = append(labels, pair.GetValue())
			}
			value := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			if value > 0 {
				values[strings.Join(labels, ",")] = value
			}
		}
		return values
	}
}

type counts = map[string]float64

// onlyMine deletes what other specs have left: the program looks at all namespaces.
func onlyMine() {
	GinkgoHelper()
	all := &api.ExtensionList{}
	Expect(admin.List(context.Background(), all)).To(Succeed())
	for i := range all.Items {
		Expect(client.IgnoreNotFound(admin.Delete(context.Background(), &all.Items[i]))).To(Succeed())
	}
}

var _ = Describe("the metrics", func() {
	BeforeEach(onlyMine)

	It("tell of loads, hits, failures, reloads and objects as they happen", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.ClusterType, "buildkit", "1.0.0", map[string]string{
			"manifest.toml": manifest(api.ClusterType, "buildkit", "1.0.0") + "dependencies = [\"etcd\"]\n",
		})
		w.publish(api.TaskservType, "broken", "1.0.0", map[string]string{"mod.nu": brokenModule})
		address := freeAddress()
		w.spawn(append(serveMetrics(address), "--library-interval=1s", "--not-found-grace=0s", "--load-workers=0")...)
		Eventually(series(address, "nushell_available")).Should(Equal(counts{"": 1}))
		Eventually(series(address, "catalog_available")).Should(Equal(counts{"extensions": 1}))

		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		Eventually(series(address, "loads_total")).Should(Equal(counts{"Loaded,taskserv": 1}))
		w.apply(api.ClusterType, "buildkit", "")
		w.apply(api.TaskservType, "again", "", func(ext *api.Extension) { ext.Spec.Name = "etcd" })
		w.becomes("buildkit", ready)
		w.becomes("again", ready)
		Expect(series(address, "loads_total")()).To(Equal(counts{"Loaded,taskserv": 3, "Loaded,cluster": 1}))
		Expect(series(address, "cache_hits_total")()).To(Equal(counts{"": 2}), "of 4 loads")
		Expect(series(address, "load_duration_seconds")()).To(Equal(counts{"cold": 2, "cached": 2}))

		w.apply(api.TaskservType, "broken", "")
		w.becomes("broken", badLoad)
		Eventually(series(address, "refusals_total")).Should(Equal(counts{"LoadFailed": 1}))
		w.reload("etcd", "again")
		Eventually(series(address, "reload_tokens_handled_total")).Should(Equal(counts{"Loaded": 1}))
		Expect(series(address, "loads_total")()).To(Equal(counts{"Loaded,taskserv": 4, "Loaded,cluster": 1, "LoadFailed,taskserv": 1}))
		Expect(series(address, "cache_entries")()).To(Equal(counts{"": 3}))
		Expect(series(address, "sandbox_level")()).To(Equal(counts{w.get("etcd").Status.Sandbox.Level: 1}))
		Expect(series(address, "load_processes_total")()).To(Equal(counts{"Enforced": 4}))
		Expect(series(address, "catalog_versions")()).To(Equal(counts{"extensions": 3}))
		Expect(series(address, "load_slots_in_use")()).To(BeEmpty())

		extensions := series(address, "extensions")
		Expect(extensions()).To(Equal(counts{"Loaded,taskserv": 2, "Loaded,cluster": 1, "LoadFailed,taskserv": 1}))
		Expect(admin.Delete(GinkgoT().Context(), w.get("broken"))).To(Succeed())
		Eventually(extensions).Should(Equal(counts{"Loaded,taskserv": 2, "Loaded,cluster": 1}))
		w.change("buildkit", func(ext *api.Extension) { ext.Spec.Version = "9.9.9" })
		w.becomes("buildkit", "False VersionNotFound Stalled")
		Eventually(extensions).Should(Equal(counts{"Loaded,taskserv": 2, "VersionNotFound,cluster": 1}))
	})

	It("are well formed, few, and hold neither a name nor a secret", func() {
		const canary = "canary2b94f0"
		GinkgoT().Setenv("MANAGER_CANARY", canary)
		w := newWorld()
		w.publish(api.TaskservType, "secretive", "1.0.0", map[string]string{"mod.nu": "use '/proc/self/environ'\n# " + canary + "\n"})
		address := freeAddress()
		w.spawnWith(func(kubeconfig string) {
			text, err := os.ReadFile(kubeconfig)
			Expect(err).NotTo(HaveOccurred())
			Expect(os.WriteFile(kubeconfig, append(text, "\n# "+canary+"\n"...), 0o600)).To(Succeed())
		}, append(serveMetrics(address), "--audit-log="+filepath.Join(w.t.TempDir(), canary+".log"))...)
		w.apply(api.TaskservType, "secretive", "", func(ext *api.Extension) {
			ext.Labels = map[string]string{"label": canary}
			ext.Annotations = map[string]string{api.ReloadAnnotation: canary}
		})
		w.becomes("secretive", badLoad)
		Eventually(series(address, "refusals_total")).Should(Equal(counts{"LoadFailed": 1}))
		_, text := scrape(address)
		Expect(text).NotTo(Or(ContainSubstring(canary), ContainSubstring("secretive"), ContainSubstring(w.namespace), ContainSubstring(w.catalogDir)))

		problems, err := promlint.New(strings.NewReader(text)).Lint()
		Expect(err).NotTo(HaveOccurred())
		own := 0
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "extension_operator_") {
				own++
			}
		}
		for _, p := range problems { // what controller-runtime and client-go count is theirs
			Expect(p.Metric).NotTo(HavePrefix("extension_operator_"), p.Text)
		}
		Expect(own).To(And(BeNumerically(">", 100), BeNumerically("<", 300)))
	})

	It("tell that nu, the sandbox or a library is away, and only the first two make the manager unready", func() {
		w := newWorld()
		w.settings.NushellPath = filepath.Join(w.t.TempDir(), "nu")
		aside := w.catalogDir + ".aside"
		Expect(os.Rename(w.catalogDir, aside)).To(Succeed())
		address, probes := freeAddress(), freeAddress()
		w.spawn(append(serveMetrics(address), "--health-probe-bind-address="+probes)...)
		Eventually(series(address, "catalog_errors_total")).Should(HaveKeyWithValue("extensions", BeNumerically(">", 1)))
		Expect(series(address, "catalog_available")()).To(BeEmpty())
		Expect(series(address, "nushell_available")()).To(BeEmpty())
		Expect(series(address, "nushell_info")()).To(BeEmpty())
		Expect(series(address, "sandbox_available")()).To(Equal(counts{"": 1}), "as far as the helper goes")
		Expect(os.Symlink(nu, w.settings.NushellPath)).To(Succeed())
		Eventually(code("http://" + probes + "/readyz")).Should(Equal(http.StatusOK))
		Expect(series(address, "nushell_info")()).To(HaveKey(MatchRegexp(`^true,0\.115\.\d+$`)))
		_, body := ask("http://" + probes + "/readyz?verbose")
		Expect(body).To(Equal("[+]informers ok\n[+]metrics ok\n[+]nushell ok\n[+]sandbox ok\nall parts are ready\n"))
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False CatalogUnavailable Reconciling")
		Eventually(series(address, "extensions")).Should(Equal(counts{"CatalogUnavailable,taskserv": 1}))
		Expect(code("http://" + probes + "/readyz")()).To(Equal(http.StatusOK))
		Expect(os.Rename(aside, w.catalogDir)).To(Succeed())
		for _, folder := range []string{"providers", "taskservs", "clusters"} {
			Expect(os.MkdirAll(filepath.Join(w.catalogDir, folder), 0o755)).To(Succeed())
		}
		Eventually(series(address, "catalog_available")).Should(Equal(counts{"extensions": 1}))
	})

	It("tell loads by a Nushell that waited from those by a new one", func() {
		w := newWorld()
		names := []string{"one", "two", "three"}
		for _, name := range names {
			w.publish(api.TaskservType, name, "1.0.0", nil)
		}
		address := freeAddress()
		w.spawn(append(serveMetrics(address), "--load-workers=1")...)
		for i, name := range names {
			w.apply(api.TaskservType, name, "")
			w.becomes(name, ready)
			Eventually(func() float64 {
				took := series(address, "load_duration_seconds")()
				return took["cold"] + took["warm"]
			}).Should(BeEquivalentTo(i + 1))
		}
		Expect(series(address, "load_duration_seconds")()).To(HaveKeyWithValue("warm", BeNumerically(">", 0)))
		Expect(series(address, "load_processes_total")()).To(Equal(counts{"Enforced": 3}))
	})

	It("tell which layers of the sandbox are missing", func() {
		w := newWorld()
		address := freeAddress()
		w.settings.SandboxPath = ""
		w.spawn(append(serveMetrics(address), "--sandbox=off")...)
		Eventually(series(address, "sandbox_level")).Should(Equal(counts{"None": 1}))
		Expect(series(address, "sandbox_available")()).To(Equal(counts{"": 1}), "nothing is required")
		Expect(series(address, "sandbox_layer_missing")()).To(HaveLen(7))
	})
})

var _ = Describe("profiles", func() {
	It("are served on loopback where that is asked for", func() {
		w := newWorld()
		address := freeAddress()
		w.spawn("--pprof-bind-address=" + address)
		Eventually(code("http://" + address + "/debug/pprof/heap")).Should(Equal(http.StatusOK))
	})
})

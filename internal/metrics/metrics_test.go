// SPDX-License-Identifier: Apache-2.0

package metrics_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/metrics"
)

var syntax = extension.NewFault(extension.LoadFailed, "does not parse")

func TestLoadsAreCountedByTypeAndOutcomeAndTimedByHowTheyRan(t *testing.T) {
	o := newOperator(t)
	o.Loaded(load(extension.Taskserv, "etcd", nil))
	o.Loaded(load(extension.Taskserv, "etcd", nil))
	o.Loaded(load(extension.Provider, "local", syntax))
	warm := load(extension.Cluster, "cicd", nil)
	warm.Checked.Process.Warm = true
	warm.Checked.Enforcement.Level = "Partial"
	o.Loaded(warm)
	never := load(extension.Cluster, "cicd", extension.NewTransientFault(extension.NushellUnavailable, errors.New("oh"), "no nu"))
	never.Checked = extension.Checked{}
	o.Loaded(never)
	o.Recalled(recall(nil))
	o.Recalled(recall(syntax))

	o.Expect(o.some("loads_total")).To(Equal(map[string]float64{
		"Loaded,taskserv": 3, "LoadFailed,taskserv": 1, "LoadFailed,provider": 1, "Loaded,cluster": 1, "NushellUnavailable,cluster": 1,
	}))
	o.Expect(o.some("load_duration_seconds")).To(Equal(map[string]float64{"cold": 3, "warm": 1, "cached": 2}), "no process, no time")
	o.Expect(o.series("load_processes_total")).To(Equal(map[string]float64{"Enforced": 3, "Partial": 1, "None": 0}))
	for _, m := range o.gather()["extension_operator_load_duration_seconds"].GetMetric() {
		if m.GetLabel()[0].GetValue() == "cold" {
			o.Expect(m.GetHistogram().GetSampleSum()).To(BeNumerically("~", 0.06, 1e-9), "seconds")
		}
	}
}

// The replaced system told its users cache_hits / total loads.
func TestTheHitRatioComesFromTwoCounters(t *testing.T) {
	o := newOperator(t)
	o.Loaded(load(extension.Taskserv, "etcd", nil))
	for range 3 {
		o.Recalled(recall(nil))
	}
	o.loads = metrics.Loads{Hits: 3, Misses: 1, Entries: 1}
	loads := 0.0
	for _, value := range o.series("loads_total") {
		loads += value
	}
	o.Expect(o.series("cache_hits_total")[""] / loads).To(Equal(0.75))
}

func TestVerdictsAreCountedByReason(t *testing.T) {
	o := newOperator(t)
	o.Reloaded(extension.VerdictRecord{Token: "a"})
	o.Reloaded(extension.VerdictRecord{Token: "b", Fault: syntax})
	o.Refused(extension.VerdictRecord{Fault: syntax})
	o.Cleared(extension.ClearRecord{Entries: 7})
	o.Expect(o.some("reload_tokens_handled_total")).To(Equal(map[string]float64{"Loaded": 1, "LoadFailed": 1}))
	o.Expect(o.some("refusals_total")).To(Equal(map[string]float64{"LoadFailed": 1}))
	o.Expect(o.series("cache_clears_total")).To(Equal(map[string]float64{"": 1}))
}

func TestTheStateIsReadAtEachScrape(t *testing.T) {
	o := newOperator(t)
	o.loads = metrics.Loads{Hits: 1, Misses: 2, Evictions: 3, Collapsed: 4, Entries: 5, InUse: 6, Waiting: 7}
	o.lost = 8
	for name, value := range map[string]float64{
		"cache_hits_total": 1, "cache_misses_total": 2, "cache_evictions_total": 3, "cache_collapsed_calls_total": 4,
		"cache_entries": 5, "load_slots_in_use": 6, "loads_waiting": 7, "audit_events_lost_total": 8,
	} {
		o.Expect(o.series(name)).To(Equal(map[string]float64{"": value}), name)
	}
	o.loads.Entries = 0
	o.Expect(o.series("cache_entries")).To(Equal(map[string]float64{"": 0}))
}

func TestExtensionsAreCountedByTypeAndReason(t *testing.T) {
	o := newOperator(t)
	o.extensions = []api.Extension{
		object(api.TaskservType, api.LoadedReason), object(api.TaskservType, api.LoadedReason), object(api.ClusterType, api.SuspendedReason),
		object(api.ProviderType, ""), object(api.ProviderType, "SomethingElse"), object(api.ProviderType, api.CatalogUnavailableReason),
	}
	o.Expect(o.some("extensions")).To(Equal(map[string]float64{
		"Loaded,taskserv": 2, "Suspended,cluster": 1, "Unseen,provider": 1, "Other,provider": 1, "CatalogUnavailable,provider": 1,
	}))
	all := len(o.series("extensions"))
	o.extensions = o.extensions[:1]
	o.Expect(o.some("extensions")).To(Equal(map[string]float64{"Loaded,taskserv": 1}))
	o.Expect(o.series("extensions")).To(HaveLen(all), "what there is none of is told as 0")
	o.known = false
	o.Expect(o.series("extensions")).To(BeEmpty(), "0 would be a lie")
}

func TestAttemptsAreCountedByPurposeAndOutcome(t *testing.T) {
	o := newOperator(t)
	o.Ran(extension.AttemptRecord{Purpose: api.ApplyPurpose, Outcome: api.StepSucceeded})
	o.Ran(extension.AttemptRecord{Purpose: api.ApplyPurpose, Outcome: api.StepSucceeded})
	o.Ran(extension.AttemptRecord{Purpose: api.UninstallPurpose, Outcome: api.OutcomeUnknownReason})
	o.Ran(extension.AttemptRecord{Purpose: "Party", Outcome: "Fun"})
	o.LeftBehind(extension.LeftRecord{})
	o.Expect(o.some("installation_attempts_total")).To(Equal(map[string]float64{
		"Succeeded,Apply": 2, "OutcomeUnknown,Uninstall": 1, "Other,Other": 1,
	}))
	o.Expect(o.series("installation_attempts_total")).To(HaveKeyWithValue("InstallFailed,Apply", 0.0), "a first failure is an increase")
	o.Expect(o.series("installations_left_behind_total")).To(Equal(map[string]float64{"": 1}))
}

func TestInstallationsAreCountedByReasonWhereTheyAreKnown(t *testing.T) {
	o := newOperator(t)
	for _, reason := range []string{api.InstalledReason, api.InstalledReason, api.QueuedReason, api.VerifyFailedReason, "Odd", ""} {
		inst := api.Installation{}
		if reason != "" {
			inst.Status.Conditions = []metav1.Condition{{Type: api.ReadyCondition, Reason: reason}}
		}
		o.installations = append(o.installations, inst)
	}
	o.Expect(o.some("installations")).To(Equal(map[string]float64{"Installed": 2, "Queued": 1, "VerifyFailed": 1, "Other": 1, "Unseen": 1}))
	o.Expect(o.series("installations")).To(HaveKeyWithValue("ImagePullFailed", 0.0))
	o.installs = false
	o.Expect(o.series("installations")).To(BeEmpty())
}

func TestCatalogs(t *testing.T) {
	o := newOperator(t)
	o.catalogs = append(o.catalogs, metrics.Catalog{Name: "mine", Errors: 9})
	for name, values := range map[string][2]float64{
		"catalog_available": {1, 0}, "catalog_last_sync_timestamp_seconds": {1_700_000_000.5, 0}, "catalog_versions": {12, 0},
		"catalog_broken_versions": {1, 0}, "catalog_errors_total": {2, 9},
	} {
		o.Expect(o.series(name)).To(Equal(map[string]float64{"builtin": values[0], "mine": values[1]}), name)
	}
}

func TestNushellAndTheSandboxAreToldAsTheyAreNow(t *testing.T) {
	o := newOperator(t)
	o.Expect(o.series("nushell_available")).To(Equal(map[string]float64{"": 1}))
	o.Expect(o.series("nushell_info")).To(Equal(map[string]float64{"true,0.115.1": 1}))
	o.Expect(o.series("sandbox_level")).To(Equal(map[string]float64{"Enforced": 1, "Partial": 0, "None": 0}))
	o.Expect(o.some("sandbox_layer_missing")).To(BeEmpty())

	o.nushell = metrics.Nushell{Available: true, Version: "0.120.0"}
	o.held = extension.Enforcement{Level: "Partial", Missing: []string{"landlock_network"}}
	o.Expect(o.series("nushell_info")).To(Equal(map[string]float64{"false,0.120.0": 1}), "one version at a time")
	o.Expect(o.series("sandbox_level")).To(Equal(map[string]float64{"Enforced": 0, "Partial": 1, "None": 0}))
	o.Expect(o.some("sandbox_layer_missing")).To(Equal(map[string]float64{"landlock_network": 1}))
	o.Expect(o.series("sandbox_layer_missing")).To(HaveLen(len(layers)))

	o.nushell = metrics.Nushell{}
	o.held, o.available = extension.Enforcement{Level: "None", Missing: layers}, false
	o.Expect(o.series("nushell_available")).To(Equal(map[string]float64{"": 0}))
	o.Expect(o.series("nushell_info")).To(BeEmpty())
	o.Expect(o.series("sandbox_available")).To(Equal(map[string]float64{"": 0}))
	o.Expect(o.some("sandbox_layer_missing")).To(HaveLen(len(layers)))
}

func TestThatARestartIsNeededIsTold(t *testing.T) {
	o := newOperator(t)
	o.Expect(o.series("restart_needed")).To(Equal(map[string]float64{"": 0}))
	o.restart = true
	o.Expect(o.series("restart_needed")).To(Equal(map[string]float64{"": 1}))
}

// api answers as the REST API does: by patterns with names in them.
func (o *operator) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/extensions/loaded/{type}/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "missing" {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	mux.HandleFunc("/openapi.json", func(http.ResponseWriter, *http.Request) {})
	return o.Requests(func(r *http.Request) string {
		_, pattern := mux.Handler(r)
		return pattern
	}, mux)
}

func request(h http.Handler, method, path string) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, http.NoBody))
}

func TestRequestsAreCountedByRoute(t *testing.T) {
	o := newOperator(t)
	h := o.api()
	request(h, http.MethodGet, "/api/v1/extensions/loaded/taskserv/etcd")
	request(h, http.MethodGet, "/api/v1/extensions/loaded/taskserv/kubernetes?q=1")
	request(h, http.MethodGet, "/api/v1/extensions/loaded/taskserv/missing")
	request(h, http.MethodGet, "/openapi.json")
	request(h, http.MethodPost, "/api/v1/extensions/loaded/taskserv/etcd")
	request(h, http.MethodGet, "/etc/passwd")
	const loaded = "/api/v1/extensions/loaded/{type}/{name}"
	o.Expect(o.series("http_requests_total")).To(Equal(map[string]float64{
		"200,get," + loaded: 2, "404,get," + loaded: 1, "200,get,/openapi.json": 1, "405,post,Other": 1, "404,get,Other": 1,
	}))
	o.Expect(o.series("http_request_duration_seconds")).To(Equal(map[string]float64{loaded: 3, "/openapi.json": 1, "Other": 2}))
}

func TestNamesAreThoseThatPrometheusWants(t *testing.T) {
	o := newOperator(t)
	request(o.api(), http.MethodGet, "/openapi.json")
	problems, err := testutil.GatherAndLint(o.registry)
	o.Expect(err).NotTo(HaveOccurred())
	o.Expect(problems).To(BeEmpty())
	for name, family := range o.gather() {
		o.Expect(name).To(HavePrefix("extension_operator_"))
		o.Expect(family.GetHelp()).To(HaveSuffix("."), name)
	}
}

// mostSeries is how many series a scrape has at most, with one catalog and the two
// routes that api has, whatever users do.
const mostSeries = 360

// scrape is what Prometheus reads.
func (o *operator) scrape() string {
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(o.registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	o.Expect(answer.Code).To(Equal(http.StatusOK), answer.Body.String())
	return answer.Body.String()
}

func TestWhateverUsersDoSeriesAreBounded(t *testing.T) {
	o := newOperator(t)
	h := o.api()
	odd := []string{"", "é\x80\xff", "a b", `"`, "{}", strings.Repeat("x", 5000), "../..", "Loaded\n"}
	o.loads, o.lost = metrics.Loads{Hits: 1e9}, 1e9
	for i := range 10_000 {
		name := fmt.Sprint(odd[i%len(odd)], i)
		fault := extension.NewFault(extension.Code(name), "%s", name)
		record := load(extension.Type(name), name, fault)
		record.Checked.Enforcement.Level = name
		record.Checked.Toolchain.NushellVersion = name
		o.Loaded(record)
		o.Recalled(extension.RecallRecord{Key: record.Member.Key, Fault: fault})
		o.Refused(extension.VerdictRecord{Asker: extension.Asker{Namespace: name, Name: name}, Fault: fault})
		o.Reloaded(extension.VerdictRecord{Token: name, Fault: fault})
		o.extensions = append(o.extensions, object(api.ExtensionType(name), name), object(api.TaskservType, name))
		o.held.Missing = append(o.held.Missing, name)
		if i%10 == 0 {
			request(h, "M"+strconv.Itoa(i), fmt.Sprintf("/%d/%x", i, name))
			request(h, http.MethodGet, fmt.Sprintf("/api/v1/extensions/loaded/%x/%d", name, i))
		}
	}
	lines := 0
	for line := range strings.Lines(o.scrape()) {
		if !strings.HasPrefix(line, "#") {
			lines++
		}
	}
	o.Expect(lines).To(And(BeNumerically("<=", mostSeries), BeNumerically(">", mostSeries/2)))
	o.Expect(o.some("loads_total")).To(Equal(map[string]float64{"Other,Other": 20_000}), "nothing is lost")
	o.Expect(o.some("extensions")).To(Equal(map[string]float64{"Other,Other": 10_000, "Other,taskserv": 10_000}))
}

func TestManyTellAtOnceWhileOthersScrape(t *testing.T) {
	o := newOperator(t)
	var telling sync.WaitGroup
	for range 4 {
		telling.Go(func() {
			for range 200 {
				o.Loaded(load(extension.Taskserv, "etcd", nil))
				o.Recalled(recall(syntax))
				o.Refused(extension.VerdictRecord{Fault: syntax})
			}
		})
		telling.Go(func() {
			for range 10 {
				_, _ = o.registry.Gather()
			}
		})
	}
	telling.Wait()
	o.Expect(o.some("loads_total")).To(Equal(map[string]float64{"Loaded,taskserv": 800, "LoadFailed,taskserv": 800}))
}

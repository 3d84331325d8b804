// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	_ "sigs.k8s.io/controller-runtime/pkg/controller" // registers its metrics
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// dashboard is what is looked at of one of Grafana.
type dashboard struct {
	Title         string
	UID           string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct {
			RefID      string
			Expr       string
			Datasource struct{ UID string }
		}
	}
}

func theDashboard(g *WithT) dashboard {
	text, err := os.ReadFile(filepath.Join(root, chart, "files", "dashboard.json"))
	g.Expect(err).NotTo(HaveOccurred())
	var d dashboard
	g.Expect(json.Unmarshal(text, &d)).To(Succeed())
	return d
}

// TestAlertsAndDashboardReadMetricsThatThereAre: Prometheus' own parser takes each expression, and each metric is one of docs/metrics.md,
// which a test holds against the registry, or of controller-runtime's registry.
func TestAlertsAndDashboardReadMetricsThatThereAre(t *testing.T) {
	g := NewWithT(t)
	var expressions []string
	for _, panel := range theDashboard(g).Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, target.Expr)
		}
	}
	g.Expect(len(expressions)).To(BeNumerically(">", 20))
	names := promQL(g, strings.Join(expressions, "\n"), "names", filepath.Join(chart, "files", "alerts.yaml"))
	known := knownMetrics(g)
	g.Expect(len(names)).To(BeNumerically(">", 20))
	for _, name := range names {
		plain := strings.TrimSuffix(name, "_bucket")
		g.Expect(known[name] || known[plain]).To(BeTrue(), "no metric is called %s", name)
	}
}

func knownMetrics(g *WithT) map[string]bool {
	known := map[string]bool{}
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllSubmatch(text, -1) {
		known[string(row[1])] = true
	}
	g.Expect(len(known)).To(BeNumerically(">", 20))
	registry, ok := metrics.Registry.(prometheus.Collector)
	g.Expect(ok).To(BeTrue())
	described := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(described)
		close(described)
	}()
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	for desc := range described {
		known[name.FindStringSubmatch(desc.String())[1]] = true
	}
	g.Expect(known).To(HaveKey("workqueue_depth"))
	return known
}

func TestTheDashboardIsOneThatGrafanaCanShow(t *testing.T) {
	g := NewWithT(t)
	d := theDashboard(g)
	g.Expect(d.Title).To(Equal("extension-operator"))
	g.Expect(d.UID).NotTo(BeEmpty())
	g.Expect(d.SchemaVersion).To(BeNumerically(">=", 36))
	g.Expect(d.Templating.List).To(HaveLen(1))
	g.Expect(d.Templating.List[0].Type).To(Equal("datasource"))
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, panel := range d.Panels {
		g.Expect(ids).NotTo(HaveKey(panel.ID), panel.Title)
		ids[panel.ID] = true
		g.Expect(panel.Type).To(BeElementOf("row", "stat", "timeseries"), panel.Title)
		for x := panel.GridPos.X; x < panel.GridPos.X+panel.GridPos.W; x++ {
			for y := panel.GridPos.Y; y < panel.GridPos.Y+panel.GridPos.H; y++ {
				g.Expect(x).To(BeNumerically("<", 24), panel.Title)
				g.Expect(taken).NotTo(HaveKey([2]int{x, y}), "%s is over another panel", panel.Title)
				taken[[2]int{x, y}] = panel.Title
			}
		}
		refs := map[string]bool{}
		for _, target := range panel.Targets {
			g.Expect(refs).NotTo(HaveKey(target.RefID), panel.Title)
			refs[target.RefID] = true
			g.Expect(target.Datasource.UID).To(Equal("${datasource}"), panel.Title)
		}
		g.Expect(len(refs) > 0).To(Equal(panel.Type != "row"), panel.Title)
	}
	shipped := rendered(t, g, "metrics: {dashboard: {enabled: true}}").of("ConfigMap")["extension-operator-dashboard"]
	var again dashboard
	text := shipped.Object["data"].(map[string]any)["extension-operator.json"].(string)
	g.Expect(json.Unmarshal([]byte(text), &again)).To(Succeed())
	g.Expect(again).To(Equal(d))
}

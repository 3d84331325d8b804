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
	Panels []panel
}

type panel struct {
	ID          int
	Type        string
	Title       string
	Description string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID        string
		Expr         string
		LegendFormat string
		Datasource   struct{ UID string }
	}
	FieldConfig struct {
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct{ ID string }
		}
	}
}

// colours that the panel gives to a name of its legend by rules of its own.
func (p panel) colours(name string) int {
	given := 0
	for _, o := range p.FieldConfig.Overrides {
		fits := o.Matcher.Options == name
		if o.Matcher.ID == "byRegexp" {
			fits = regexp.MustCompile("^(?:" + o.Matcher.Options + ")$").MatchString(name)
		}
		for _, property := range o.Properties {
			if fits && property.ID == "color" {
				given++
			}
		}
	}
	return given
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
	shown := strings.NewReplacer("$__range", "6h") // Grafana's, for the time that is shown
	for _, panel := range theDashboard(g).Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, shown.Replace(target.Expr))
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

// TestTheDashboardCanBeRead: no title is cut at a width of 1600 pixels, each panel says what it shows, and each line has a name.
func TestTheDashboardCanBeRead(t *testing.T) {
	g := NewWithT(t)
	for _, panel := range theDashboard(g).Panels {
		g.Expect(len(panel.Title)).To(BeNumerically("<=", 5*panel.GridPos.W), panel.Title)
		g.Expect(panel.Description != "").To(Equal(panel.Type != "row"), panel.Title)
		for _, target := range panel.Targets {
			g.Expect(target.LegendFormat != "" || len(panel.Targets) == 1 && panel.Type == "stat").To(BeTrue(), panel.Title)
		}
	}
}

// TestTheDashboardCountsFailuresAsTheAlertDoes: an Installation that has failed is one on both.
func TestTheDashboardCountsFailuresAsTheAlertDoes(t *testing.T) {
	g := NewWithT(t)
	alerts, err := os.ReadFile(filepath.Join(root, chart, "files", "alerts.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	failed := regexp.MustCompile(`extension_operator_installations\{reason=~"[^"]*Failed[^"]*"\}`)
	counted := 0
	for _, panel := range theDashboard(g).Panels {
		for _, target := range panel.Targets {
			for _, selector := range failed.FindAllString(target.Expr, -1) {
				counted++
				g.Expect(string(alerts)).To(ContainSubstring(selector))
			}
		}
	}
	g.Expect(counted).To(Equal(1))
}

// TestEveryReasonHasItsColour: by what is at fault, so one that is new to docs/metrics.md is put in a class.
func TestEveryReasonHasItsColour(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	g.Expect(err).NotTo(HaveOccurred())
	labelled := map[string]string{
		"Extensions by reason of Ready":    "extensions",
		"Loads by outcome":                 "loads_total",
		"Reload tokens answered":           "reload_tokens_handled_total",
		"Installations by reason of Ready": "installations",
		"Attempts that have ended":         "installation_attempts_total",
	}
	for _, panel := range theDashboard(g).Panels {
		metric := labelled[panel.Title]
		delete(labelled, panel.Title)
		if metric == "" {
			continue
		}
		row := regexp.MustCompile("(?m)^\\| `extension_operator_" + metric + "` \\|.*`(?:reason|outcome)`: ([^|<]+)").FindSubmatch(text)
		g.Expect(row).NotTo(BeNil(), metric)
		names := regexp.MustCompile("`([A-Za-z]+)`").FindAllSubmatch(row[1], -1)
		g.Expect(len(names)).To(BeNumerically(">", 10), metric)
		for _, name := range names {
			legend := strings.NewReplacer("{{purpose}}", "Apply", "{{reason}}", string(name[1]), "{{outcome}}", string(name[1])).Replace(panel.Targets[0].LegendFormat)
			g.Expect(panel.colours(legend)).To(Equal(1), "%s: %s", panel.Title, legend)
		}
	}
	g.Expect(labelled).To(BeEmpty())
}

// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/manifests"
)

// alert is a rule of files/alerts.yaml.
type alert struct {
	Alert, Expr, For    string
	Labels, Annotations map[string]string
}

func theAlerts(g *WithT) []alert {
	var file struct {
		Groups []struct{ Rules []alert }
	}
	read(g, filepath.Join(root, chart, "files", "alerts.yaml"), &file)
	g.Expect(file.Groups).To(HaveLen(1))
	g.Expect(len(file.Groups[0].Rules)).To(BeNumerically(">", 20))
	return file.Groups[0].Rules
}

func read(g *WithT, path string, into any) {
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(yaml.Unmarshal(text, into)).To(Succeed())
}

// promQL gives the lines that hack/promql prints.
func promQL(g *WithT, stdin, command, file string) []string {
	out, err := manifests.PromQL(stdin, command, file)
	g.Expect(err).NotTo(HaveOccurred())
	return strings.Split(strings.TrimSpace(out), "\n")
}

// TestAlertsFireOverSeriesWhenTheyShould, and each has tests of its own, whose names begin with it: one in which it fires, and one in which it never does.
func TestAlertsFireOverSeriesWhenTheyShould(t *testing.T) {
	g := NewWithT(t)
	const path = "test/chart/testdata/alerts.yaml"
	var file struct {
		Tests []struct {
			Name          string
			AlertRuleTest []struct {
				Alertname string
				ExpAlerts []any `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	read(g, filepath.Join(root, path), &file)
	var names []string
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		names = append(names, test.Name)
		about, _, _ := strings.Cut(test.Name, ":")
		fired := false
		for _, moment := range test.AlertRuleTest {
			fired = fired || moment.Alertname == about && len(moment.ExpAlerts) > 0
		}
		fires[about] = fires[about] || fired
		quiet[about] = quiet[about] || !fired
	}
	for _, rule := range theAlerts(g) {
		g.Expect(fires[rule.Alert]).To(BeTrue(), "no test of its own has %s fire", rule.Alert)
		g.Expect(quiet[rule.Alert]).To(BeTrue(), "no test of its own has %s be quiet all the time", rule.Alert)
	}
	g.Expect(promQL(g, "", "test", path)).To(Equal(names), "what ran and passed")
}

// TestEveryAlertTellsWhatToDo, and where its runbook says more.
func TestEveryAlertTellsWhatToDo(t *testing.T) {
	g := NewWithT(t)
	for _, rule := range theAlerts(g) {
		g.Expect(rule.Labels["severity"]).To(BeElementOf("critical", "warning", "info"), rule.Alert)
		g.Expect(rule.Annotations["summary"]).NotTo(BeEmpty(), rule.Alert)
		g.Expect(rule.Annotations["description"]).NotTo(BeEmpty(), rule.Alert)
		path, anchor, _ := strings.Cut(rule.Annotations["runbook"], "#")
		g.Expect(anchors(g, path)).To(HaveKey(anchor), rule.Alert)
	}
}

// TestTheTableOfAlertsIsThatOfTheFile: docs/metrics.md has each, in the order of the file, with its severity and how long it waits.
func TestTheTableOfAlertsIsThatOfTheFile(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	g.Expect(err).NotTo(HaveOccurred())
	var told, are [][]string
	for _, row := range regexp.MustCompile("(?m)^\\| `(Extension[A-Za-z]+)` \\| ([a-z]+) \\| ([0-9a-z]*) ?\\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		told = append(told, row[1:])
	}
	for _, rule := range theAlerts(g) {
		are = append(are, []string{rule.Alert, rule.Labels["severity"], rule.For})
	}
	g.Expect(told).To(Equal(are))
}

// TestEveryReasonOfAnInstallationIsForOneAlertOrNone: those of docs/metrics.md, which a test holds against the registry.
func TestEveryReasonOfAnInstallationIsForOneAlertOrNone(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "metrics.md"))
	g.Expect(err).NotTo(HaveOccurred())
	row := regexp.MustCompile("(?m)^\\| `extension_operator_installations` .*$").FindString(string(text))
	reasons := regexp.MustCompile("`([A-Z][A-Za-z]+)`").FindAllStringSubmatch(row, -1)
	g.Expect(len(reasons)).To(BeNumerically(">", 20))
	meant := []*regexp.Regexp{regexp.MustCompile("^(Installed|Planning|Installing|Uninstalling|AwaitingApproval|Suspended)$")} // well, bounded, or a person's choice
	for _, rule := range theAlerts(g) {
		if matcher := regexp.MustCompile(`extension_operator_installations\{reason=~"(.+)"\}`).FindStringSubmatch(rule.Expr); matcher != nil {
			meant = append(meant, regexp.MustCompile("^("+matcher[1]+")$"))
		}
	}
	for _, reason := range reasons {
		matched := 0
		for _, pattern := range meant {
			if pattern.MatchString(reason[1]) {
				matched++
			}
		}
		g.Expect(matched).To(Equal(1), reason[1])
	}
}

func TestThePrometheusRuleHasTheAlertsThatAreWanted(t *testing.T) {
	var names []string
	for _, rule := range theAlerts(NewWithT(t)) {
		names = append(names, rule.Alert)
	}
	for values, missing := range map[string]string{
		"metrics: {prometheusRule: {enabled: true}}":                                    "",
		"metrics: {prometheusRule: {enabled: true, disabled: [ExtensionsNotReady]}}":    "ExtensionsNotReady",
		"{installations: {enabled: false}, metrics: {prometheusRule: {enabled: true}}}": "ExtensionInstallerDown",
	} {
		t.Run(values, func(t *testing.T) {
			g := NewWithT(t)
			var spec struct{ Groups []struct{ Rules []alert } }
			made := rendered(t, g, values).of("PrometheusRule")["extension-operator"]
			text, err := yaml.Marshal(made.Object["spec"])
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(yaml.Unmarshal(text, &spec)).To(Succeed())
			var got []string
			for _, rule := range spec.Groups[0].Rules {
				got = append(got, rule.Alert)
			}
			want := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == missing })
			g.Expect(got).To(Equal(want))
		})
	}
}

// anchors of the headings of a document, as GitHub makes them.
func anchors(g *WithT, path string) map[string]bool {
	text, err := os.ReadFile(filepath.Join(root, path))
	g.Expect(err).NotTo(HaveOccurred())
	all := map[string]bool{}
	other := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllSubmatch(text, -1) {
		plain := other.ReplaceAllString(strings.ToLower(string(heading[1])), "")
		all[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return all
}

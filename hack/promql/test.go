// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// tests is the part of promtool's format that is known here.
type tests struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []test         `yaml:"tests"`
}

type test struct {
	Name        string `yaml:"name"`
	InputSeries []struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	} `yaml:"input_series"`
	AlertRuleTest []moment `yaml:"alert_rule_test"`
}

// moment is what is expected of an alert at one time.
type moment struct {
	EvalTime  model.Duration `yaml:"eval_time"`
	Alertname string         `yaml:"alertname"`
	ExpAlerts []struct {
		ExpLabels      map[string]string `yaml:"exp_labels"`
		ExpAnnotations map[string]string `yaml:"exp_annotations"`
	} `yaml:"exp_alerts"`
}

func testFile(path string, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var all tests
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var rules []rulefmt.Rule
	for _, name := range all.RuleFiles {
		more, err := readRules(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			return err
		}
		rules = append(rules, more...)
	}
	var problems []error
	for _, t := range all.Tests {
		if err := t.run(rules, time.Duration(all.EvaluationInterval)); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", t.Name, err))
			continue
		}
		fmt.Fprintln(out, t.Name)
	}
	return errors.Join(problems...)
}

// run evaluates the alerts that the test speaks of at every step, and looks at what they are when it speaks of them.
func (t test) run(rules []rulefmt.Rule, step time.Duration) error {
	if step <= 0 || len(t.AlertRuleTest) == 0 {
		return errors.New("evaluation_interval and alert_rule_test must be given")
	}
	series, err := t.series(step)
	if err != nil {
		return err
	}
	alerts, err := t.alerts(rules, newEngine(series))
	if err != nil {
		return err
	}
	left := slices.Clone(t.AlertRuleTest)
	slices.SortFunc(left, func(a, b moment) int { return int(a.EvalTime - b.EvalTime) })
	var problems []error
	for now := time.Duration(0); len(left) > 0; now += step {
		for _, a := range alerts {
			if err := a.evaluate(time.UnixMilli(0).Add(now)); err != nil {
				return fmt.Errorf("%s at %s: %w", a.rule.Alert, now, err)
			}
		}
		for ; len(left) > 0 && time.Duration(left[0].EvalTime) < now+step; left = left[1:] {
			problems = append(problems, left[0].compare(alerts[left[0].Alertname].firing()))
		}
	}
	return errors.Join(problems...)
}

// alerts are those that the test speaks of.
func (t test) alerts(rules []rulefmt.Rule, engine engine) (map[string]*alert, error) {
	alerts := map[string]*alert{}
	for _, m := range t.AlertRuleTest {
		at := slices.IndexFunc(rules, func(r rulefmt.Rule) bool { return r.Alert == m.Alertname })
		if at < 0 || m.Alertname == "" {
			return nil, fmt.Errorf("no alert is called %q", m.Alertname)
		}
		alerts[m.Alertname] = newAlert(rules[at], engine)
	}
	return alerts, nil
}

func (m moment) compare(got []string) error {
	var want []string
	for _, e := range m.ExpAlerts {
		labels := map[string]string{model.AlertNameLabel: m.Alertname}
		maps.Copy(labels, e.ExpLabels)
		want = append(want, format(labels, e.ExpAnnotations))
	}
	slices.Sort(want)
	if slices.Equal(want, got) {
		return nil
	}
	return fmt.Errorf("%s at %s\n  is wanted: %s\n  is: %s", m.Alertname, m.EvalTime, want, got)
}

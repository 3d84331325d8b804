// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// alert is an alerting rule, and since when its condition holds for which labels.
type alert struct {
	rule   rulefmt.Rule
	engine engine
	since  map[string]time.Time
	// now are the elements of the last evaluation, as they would be sent.
	now map[string]string
	at  time.Time
}

func newAlert(rule rulefmt.Rule, engine engine) *alert {
	return &alert{rule: rule, engine: engine, since: map[string]time.Time{}}
}

// evaluate looks once. An element that is gone begins anew when it comes back.
func (a *alert) evaluate(now time.Time) error {
	elements, err := a.engine.query(context.Background(), a.rule.Expr, now)
	if err != nil {
		return err
	}
	a.at, a.now = now, map[string]string{}
	for _, element := range elements {
		labels, annotations, err := a.made(element)
		if err != nil {
			return err
		}
		id := fmt.Sprint(labels)
		if _, twice := a.now[id]; twice {
			return fmt.Errorf("two elements have the labels %s", id)
		}
		a.now[id] = format(labels, annotations)
		if _, known := a.since[id]; !known {
			a.since[id] = now
		}
	}
	maps.DeleteFunc(a.since, func(id string, _ time.Time) bool { _, still := a.now[id]; return !still })
	return nil
}

// firing are those that have held for long enough, sorted.
func (a *alert) firing() (texts []string) {
	for id, text := range a.now {
		if a.at.Sub(a.since[id]) >= time.Duration(a.rule.For) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}

// made are the labels and annotations of the alert for an element.
func (a *alert) made(element promql.Sample) (labels, annotations map[string]string, err error) {
	labels = element.Metric.Map()
	data := template.AlertTemplateData(maps.Clone(labels), nil, "", element)
	delete(labels, model.MetricNameLabel)
	if err := a.expand(a.rule.Labels, data, labels); err != nil {
		return nil, nil, err
	}
	labels[model.AlertNameLabel] = a.rule.Alert
	annotations = map[string]string{}
	return labels, annotations, a.expand(a.rule.Annotations, data, annotations)
}

// variables are what Prometheus puts before each template of a rule.
const variables = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"

// expand is strict: a label that the element has not is an error.
func (a *alert) expand(texts map[string]string, data any, into map[string]string) error {
	for name, text := range texts {
		expanded, err := template.NewTemplateExpander(context.Background(), variables+text, a.rule.Alert, data,
			model.TimeFromUnixNano(a.at.UnixNano()), a.engine.query, nil, []string{"missingkey=error"}).Expand()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		into[name] = expanded
	}
	return nil
}

// format is an alert as text; maps print in the order of their keys.
func format(labels, annotations map[string]string) string {
	return fmt.Sprintf("\n    %q\n      %q", labels, annotations)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
)

// series are those of the test, each with a sample at every step from 0 on.
func (t test) series(step time.Duration) (list []storage.Series, err error) {
	for _, s := range t.InputSeries {
		name, values, err := promQL.ParseSeriesDesc(s.Series + " " + s.Values)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Series, err)
		}
		points := make([]promql.FPoint, 0, len(values))
		for i, value := range values {
			if !value.Omitted {
				points = append(points, promql.FPoint{T: int64(i) * step.Milliseconds(), F: value.Value})
			}
		}
		list = append(list, promql.NewStorageSeries(promql.Series{Metric: name, Floats: points}))
	}
	return list, nil
}

// engine is Prometheus' own, over series in memory.
type engine struct {
	*promql.Engine
	series storage.Queryable
}

func newEngine(series []storage.Series) engine {
	return engine{
		promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true, Parser: promQL}),
		&storage.MockQueryable{MockQuerier: &storage.MockQuerier{
			SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
				return selectSeries(series, matchers)
			},
		}},
	}
}

// query is an instant query, as an alert's. What Prometheus would warn of is an error.
func (e engine) query(ctx context.Context, text string, now time.Time) (promql.Vector, error) {
	query, err := e.NewInstantQuery(ctx, e.series, nil, text, now)
	if err != nil {
		return nil, err
	}
	defer query.Close()
	result := query.Exec(ctx)
	if problems := result.Warnings.AsErrors(); len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return result.Vector()
}

func selectSeries(series []storage.Series, matchers []*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{}
	for _, s := range series {
		if matches(s.Labels(), matchers) {
			set.left = append(set.left, s)
		}
	}
	return set
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// seriesSet is a storage.SeriesSet of those that are left.
type seriesSet struct {
	storage.Series

	left []storage.Series
}

func (s *seriesSet) Next() bool {
	if len(s.left) == 0 {
		return false
	}
	s.Series, s.left = s.left[0], s.left[1:]
	return true
}

func (s *seriesSet) At() storage.Series                { return s.Series }
func (s *seriesSet) Err() error                        { return nil }
func (s *seriesSet) Warnings() annotations.Annotations { return nil }

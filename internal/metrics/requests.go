// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// answers are the buckets of a request's time, in seconds: a list takes less than a
// millisecond, a reload that is waited for as long as it is waited for.
var answers = []float64{1e-3, 5e-3, 2.5e-2, 0.1, 0.5, 1, 5, 10, 30}

// requests are those to the REST API.
type requests struct {
	total *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

func newRequests() requests {
	return requests{
		total: counterVec("http_requests_total",
			"Requests to the REST API, by the route that they took, their method and the status code of the answer.", "route", "method", "code"),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "http_request_duration_seconds", Buckets: answers,
			Help: "Time that requests to the REST API took, by their route.",
		}, []string{"route"}),
	}
}

func (q *requests) all() []prometheus.Collector { return []prometheus.Collector{q.total, q.took} }

// Requests counts what next answers. The pattern of a request is the one that a
// http.ServeMux has for it, of which there is a fixed number; empty where it has none.
func (q *requests) Requests(pattern func(*http.Request) string, next http.Handler) http.Handler {
	route := promhttp.WithLabelFromRequest("route", func(r *http.Request) string {
		_, route, methodFirst := strings.Cut(pattern(r), " ")
		if !methodFirst {
			route = pattern(r)
		}
		if route == "" {
			return other
		}
		return route
	})
	return promhttp.InstrumentHandlerDuration(q.took, promhttp.InstrumentHandlerCounter(q.total, next, route), route)
}

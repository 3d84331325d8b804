// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// ClearQuery asks to clear the cache.
type ClearQuery struct {
	Key cacheKey `query:"key" doc:"Only this key"`
}

// cleared is the output of clear.
type cleared struct {
	Status int
	Body   Success[string]
}

// counted is the output of stats.
type counted struct{ Body Success[CacheStats] }

func (a *API) registerCache() {
	register(a, operation{
		method: http.MethodDelete, path: base + "/cache", id: "clear-cache", summary: "Have every replica forget what it remembers of loads",
		description: "What is loaded stays so: statuses are no cache. The next load of what was forgotten runs Nushell.",
		about:       byPath,
		success:     reflect.TypeFor[Success[string]](), accepted: reflect.TypeFor[Success[string]](),
	}, a.clear)
	register(a, operation{
		method: http.MethodGet, path: base + "/stats", id: "get-stats", summary: "Tell how the cache of the replica that answers fares",
		about: byPath,
	}, a.stats)
}

func (a *API) clear(ctx context.Context, q *ClearQuery) (*cleared, error) {
	key, _ := extension.ParseKey(string(q.Key)) // the schema has let through what is one, or none
	done, err := a.opts.Cache.Clear(ctx, key, a.opts.Guard.Caller(ctx))
	if err != nil {
		return nil, err
	}
	if !done {
		return &cleared{http.StatusAccepted, Success[string]{Success: true, Data: "Every replica was asked to clear its cache, and the one that answers has not heard of it yet; " +
			"its log says \"Cache cleared\" once it has, or else why it cannot watch the ConfigMap that tells it"}}, nil
	}
	text := "Cache cleared"
	if q.Key != "" {
		text = "Cache cleared of " + string(q.Key)
	}
	return &cleared{http.StatusOK, Success[string]{Success: true, Data: text}}, nil
}

func (a *API) stats(context.Context, *struct{}) (*counted, error) {
	s := a.opts.Cache.Stats()
	data := CacheStats{
		Replica: s.Replica, Since: s.Since.UTC().Format(time.RFC3339), Loads: s.Runs + s.Hits, CacheHits: s.Hits, Runs: s.Runs,
		Evictions: s.Evictions, Entries: s.Entries, Capacity: s.Capacity,
	}
	if data.Loads > 0 {
		data.HitRatio = float64(data.CacheHits) / float64(data.Loads)
	}
	return &counted{Success[CacheStats]{Success: true, Data: data}}, nil
}

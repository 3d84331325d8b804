// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// DependentsQuery asks who depends on an extension.
type DependentsQuery struct {
	Paging
	Type      kind  `path:"type"`
	Name      label `path:"name"`
	Namespace label `query:"namespace" doc:"Only Extensions of this namespace"`
}

// dependents is the output of dependents.
type dependents struct {
	Body struct {
		Success[Dependents]
		Continue string `json:"continue,omitempty" doc:"There is more: ask again with this"`
	} `nameHint:"SuccessDependentsPage"`
}

func (a *API) registerDependents() {
	register(a, operation{
		method: http.MethodGet, path: base + "/{type}/{name}/dependents", id: "list-dependents", summary: "List what would break without an extension",
		description: "The Extensions that you may list and that depend on it, directly or by way of others, in any version: each demand that their statuses tell of.",
		failures:    []int{http.StatusGone},
	}, a.listDependents)
}

func (a *API) listDependents(ctx context.Context, q *DependentsQuery) (*dependents, error) {
	namespaces, err := a.visible(ctx, q.Namespace)
	if err != nil {
		return nil, err
	}
	all, err := a.opts.Inventory.Dependents(ctx, namespaces, q.Type.value(), string(q.Name))
	if err != nil {
		return nil, err
	}
	some, next, err := part(q.Paging, all, func(d *extension.Dependent) string {
		return pageID(d.Namespace, d.Name, shown(d.On), d.Demand.By.String(), d.Demand.Constraint)
	})
	if err != nil {
		return nil, err
	}
	out := &dependents{}
	out.Body.Success.Success, out.Body.Continue = true, next
	out.Body.Data = Dependents{Extensions: make([]Dependent, 0, len(some)), Loaded: loadedAmong(all)}
	for _, d := range some {
		out.Body.Data.Extensions = append(out.Body.Data.Extensions, Dependent{
			Namespace: d.Namespace, Name: d.Name, Loaded: keyOrNull(d.Loaded), DependsOn: shown(d.On),
			RequiredBy: keyOrNull(d.Demand.By), Constraint: d.Demand.Constraint,
		})
	}
	return out, nil
}

// loadedAmong are the keys of what is loaded and makes a demand, or has one made for it.
func loadedAmong(all []extension.Dependent) []string {
	keys := make([]string, 0, len(all))
	for _, d := range all {
		if d.Loaded.Version == "" {
			continue // nothing of it is loaded
		}
		keys = append(keys, d.Loaded.String())
		if d.Demand.By.Version != "" {
			keys = append(keys, d.Demand.By.String())
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// LoadedQuery asks for what is loaded.
type LoadedQuery struct {
	Paging
	Type      kind  `query:"type" doc:"Only this type"`
	Name      label `query:"name" doc:"Only extensions of this name"`
	Namespace label `query:"namespace" doc:"Only what Extensions of this namespace were loaded with"`
}

// PresenceQuery asks whether one extension is loaded.
type PresenceQuery struct {
	Type      kind    `path:"type"`
	Name      label   `path:"name"`
	Version   version `query:"version" doc:"Only this version"`
	Namespace label   `query:"namespace" doc:"Only what Extensions of this namespace were loaded with"`
}

// presence is the output of is-loaded.
type presence struct{ Body Success[Presence] }

func (a *API) registerLoaded() {
	register(a, operation{
		method: http.MethodGet, path: base + "/loaded", id: "list-loaded", summary: "List what is loaded",
		description: "What the statuses of the Extensions that you may list say is loaded, what was loaded as a dependency included: " +
			"one entry for each key, catalog and input digest.",
		success: reflect.TypeFor[List[Entry]](), failures: []int{http.StatusGone},
	}, a.listLoaded)
	register(a, operation{
		method: http.MethodGet, path: base + "/loaded/{type}/{name}", id: "is-loaded", summary: "Tell whether an extension is loaded, and what of it",
	}, a.isLoaded)
}

// listLoaded is asked most, and its answer is kept.
func (a *API) listLoaded(ctx context.Context, q *LoadedQuery) (*document, error) {
	stamp := a.opts.Inventory.Stamp()
	namespaces, err := a.visible(ctx, q.Namespace)
	if err != nil {
		return nil, err
	}
	id := pageID(strings.Join(namespaces, ","), string(q.Type.value()), string(q.Name), strconv.Itoa(q.Limit), q.Continue)
	if text, known := a.pages.get(stamp, id); known {
		return written(jsonType, text), nil
	}
	rows, err := a.opts.Inventory.Loaded(ctx, namespaces)
	if err != nil {
		return nil, err
	}
	rows, next, err := part(q.Paging, filter(rows, q.Type, q.Name, ""), rowID)
	if err != nil {
		return nil, err
	}
	list := List[Entry]{Success: true, Data: make([]Entry, 0, len(rows)), Continue: next}
	for at := range rows {
		list.Data = append(list.Data, entryOf(&rows[at]))
	}
	text, err := encode(list)
	if err != nil {
		return nil, err
	}
	a.pages.put(stamp, id, text)
	return written(jsonType, text), nil
}

func (a *API) isLoaded(ctx context.Context, q *PresenceQuery) (*presence, error) {
	namespaces, err := a.visible(ctx, q.Namespace)
	if err != nil {
		return nil, err
	}
	rows, err := a.opts.Inventory.Loaded(ctx, namespaces)
	if err != nil {
		return nil, err
	}
	found := Presence{Extensions: []LoadedDetail{}}
	for _, row := range filter(rows, q.Type, q.Name, q.Version) {
		found.Loaded = true
		found.Extensions = append(found.Extensions, detailOf(&row))
	}
	return &presence{Success[Presence]{Success: true, Data: found}}, nil
}

// visible are the namespaces with Extensions that the caller may list, or the one that is
// asked for.
func (a *API) visible(ctx context.Context, namespace label) ([]string, error) {
	all, err := a.opts.Inventory.Namespaces(ctx)
	if err != nil {
		return nil, err
	}
	return a.mayList(ctx, namespace, all)
}

// filter leaves the rows alone, which are others' too.
func filter(rows []extension.LoadedRow, t kind, name label, v version) []extension.LoadedRow {
	if t == "" && name == "" && v == "" {
		return rows
	}
	var some []extension.LoadedRow
	for _, row := range rows {
		if (t == "" || row.Key.Type == t.value()) && (name == "" || row.Key.Name == string(name)) && (v == "" || row.Key.Version == string(v)) {
			some = append(some, row)
		}
	}
	return slices.Clip(some)
}

func rowID(row *extension.LoadedRow) string {
	return pageID(row.Key.String(), row.Catalog, string(row.Digest), string(row.InputDigest))
}

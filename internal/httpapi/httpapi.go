// SPDX-License-Identifier: Apache-2.0

// Package httpapi is the REST API: what the replaced system offered to its callers, kept
// to the letter, and what belongs beside it. It holds nothing of its own: reads come from
// the informer, actions are written where every replica sees them, and so it is the same
// whichever replica answers. Who may do what is a Guard's to say.
//
//	httpapi.go, ports.go     what it is made with
//	serve.go, routes.go      from a request to its operation; 404, 405 and panics
//	operation.go, openapi.go how an operation is registered and documented
//	failure.go               every failure in the envelope
//	words.go, documents.go   the forms of requests and answers
//	page.go                  limit and continue
//	loaded.go, dependents.go, reload.go, cache.go, catalogs.go     the operations
package httpapi

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-logr/logr"
)

// Options of the API; every field is required.
type Options struct {
	Guard     Guard
	Inventory Inventory
	Catalogs  Catalogs
	Cache     Cache
	// Version of the operator, for the description.
	Version string
	Log     logr.Logger
	Now     func() time.Time
}

// API is the handler of the API.
type API struct {
	opts   Options
	huma   huma.API
	routes *routes
	pages  *pages
}

var _ http.Handler = (*API)(nil)

// New makes the handler of the API. It is for one server's every path.
func New(opts Options) (*API, error) {
	a := &API{opts: opts, routes: newRoutes(), pages: newPages()}
	a.huma = humago.New(a.routes, huma.Config{
		OpenAPI:                      describe(opts.Version),
		Formats:                      map[string]huma.Format{jsonType: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat:                jsonType,
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{inEnvelope},
	})
	a.registerLoaded()
	a.registerDependents()
	a.registerReload()
	a.registerCache()
	a.registerCatalogs()
	if err := a.registerDescription(); err != nil {
		return nil, err
	}
	return a, nil
}

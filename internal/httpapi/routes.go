// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"net/http"
	"path"
	"strings"
)

// routes find the handler of a request. ServeMux refuses two patterns of which neither is
// narrower, as /loaded/{type}/{name} and /{type}/{name}/dependents are; so there are two,
// and the first goes first.
type routes struct{ first, second *http.ServeMux }

func newRoutes() *routes { return &routes{first: http.NewServeMux(), second: http.NewServeMux()} }

// HandleFunc adds a handler.
func (r *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	if strings.Contains(pattern, base+"/{") {
		r.second.HandleFunc(pattern, handler)
		return
	}
	r.first.HandleFunc(pattern, handler)
}

// find gives what serves req and the pattern that it has there, or nil.
func (r *routes) find(req *http.Request) (handler http.Handler, pattern string) {
	// A path that is to be cleaned first is none that anybody was told of. ServeMux
	// would send such a caller elsewhere.
	if path.Clean(req.URL.Path) != req.URL.Path {
		return nil, ""
	}
	for _, mux := range []*http.ServeMux{r.first, r.second} {
		if _, pattern := mux.Handler(req); pattern != "" {
			return mux, pattern
		}
	}
	return nil, ""
}

// ServeHTTP is for the adapter, which wants a whole mux; requests come by find.
func (r *routes) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if handler, _ := r.find(req); handler != nil {
		handler.ServeHTTP(w, req)
	}
}

// methods that a path may be asked by.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// allowed lists the methods by which the path of req can be asked.
func (r *routes) allowed(req *http.Request) []string {
	var found []string
	for _, method := range methods {
		other := *req
		other.Method = method
		if handler, _ := r.find(&other); handler != nil {
			found = append(found, method)
		}
	}
	return found
}

// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// base is the path of everything but the description.
	base = "/api/v1/extensions"
	// jsonType is the media type of all answers but drawings.
	jsonType = "application/json"
)

// operation is what one path does by one method.
type operation struct {
	method, path, id, summary, description string
	// about tells that it is about no object: its path is what a caller needs a right to.
	about pathRight
	// failures that it may answer with, beside those that all may.
	failures []int
	// success is the document of 200; nil for what Output.Body is.
	success reflect.Type
	// accepted tells that it may answer 202, by the same document and details.
	accepted reflect.Type
	// more media types of 200.
	texts []string
	// within are middlewares that see the request first.
	within huma.Middlewares
}

// pathRight says whether a right to the path is needed.
type pathRight bool

const byPath pathRight = true

// common are the failures that every operation may answer with.
var common = []int{
	http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable,
}

// register adds an operation. Whatever do fails with leaves in the envelope.
func register[I, O any](a *API, op operation, do func(context.Context, *I) (*O, error)) {
	schemas := a.huma.OpenAPI().Components.Schemas
	responses := map[string]*huma.Response{"default": described("Any other failure", schemas, reflect.TypeFor[Failure]())}
	for _, status := range slices.Concat(common, op.failures) {
		responses[strconv.Itoa(status)] = described(http.StatusText(status), schemas, reflect.TypeFor[Failure]())
	}
	if op.success != nil {
		responses["200"] = described(http.StatusText(http.StatusOK), schemas, op.success)
		for _, text := range op.texts {
			responses["200"].Content[text] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
	}
	if op.accepted != nil {
		responses["202"] = described("Asked for, and not done yet", schemas, op.accepted)
		responses["202"].Headers = map[string]*huma.Param{"Location": {Description: "Where to look, as far as there is a place", Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	within := op.within
	if op.about == byPath {
		within = append(huma.Middlewares{a.mayPath}, within...)
	}
	huma.Register(a.huma, huma.Operation{
		Method: op.method, Path: op.path, OperationID: op.id, Summary: op.summary, Description: op.description,
		Responses: responses, Middlewares: within,
		MaxBodyBytes: maxBody + 1, // huma refuses what is as long as this
	}, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, a.failure(ctx, err)
		}
		return out, nil
	})
}

func described(description string, schemas huma.Registry, document reflect.Type) *huma.Response {
	return &huma.Response{Description: description, Content: map[string]*huma.MediaType{
		jsonType: {Schema: schemas.Schema(document, true, "")},
	}}
}

// mayPath lets through who has the right to the path.
func (a *API) mayPath(ctx huma.Context, next func(huma.Context)) {
	op := ctx.Operation()
	may, err := a.opts.Guard.Path(ctx.Context(), strings.ToLower(op.Method), op.Path)
	switch {
	case err != nil:
		writeFailure(ctx, a.failure(ctx.Context(), err))
	case !may:
		writeFailure(ctx, fail(http.StatusForbidden,
			"you may not %s %s; ask for a ClusterRole with that verb and nonResourceURL", strings.ToLower(op.Method), op.Path))
	default:
		next(ctx)
	}
}

// mayList gives those of namespaces whose Extensions the caller may list. One that was
// asked for and may not be listed is a Failure.
func (a *API) mayList(ctx context.Context, namespace label, namespaces []string) ([]string, error) {
	if namespace != "" {
		namespaces = []string{string(namespace)}
	}
	allowed, err := a.opts.Guard.Namespaces(ctx, "list", namespaces)
	if err == nil && namespace != "" && len(allowed) == 0 {
		return nil, fail(http.StatusForbidden, "you may not list the Extensions of namespace %s; ask for a Role with that verb, such as extension-viewer", namespace)
	}
	return allowed, err
}

// writeFailure answers with a Failure from a middleware.
func writeFailure(ctx huma.Context, failure *Failure) {
	failure.write(response(ctx))
}

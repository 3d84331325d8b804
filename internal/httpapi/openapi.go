// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// describe is the description of the API before it has operations.
func describe(version string) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: "extension-operator", Version: version,
			Description: "What is loaded, and how to have it loaded again. Every answer is an envelope: success and data, or success, error, reason and details.",
		},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{
				"token": {Type: "http", Scheme: "bearer", Description: "A token that the Kubernetes API server knows; none where the API listens on loopback only"},
			},
		},
		Security: []map[string][]string{{"token": {}}, {}},
	}
}

// document is an answer that is written already.
type document struct {
	Body func(huma.Context)
}

// written answers with text.
func written(mediaType string, text []byte) *document {
	return &document{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", mediaType)
		ctx.SetHeader("Content-Length", strconv.Itoa(len(text)))
		ctx.SetStatus(http.StatusOK)
		_, _ = ctx.BodyWriter().Write(text) // who does not read is not told
	}}
}

// response is the writer behind a context.
func response(ctx huma.Context) http.ResponseWriter {
	_, w := humago.Unwrap(ctx)
	return w
}

// registerDescription adds /openapi.json, which says what everything before it is. It is
// the last that is added.
func (a *API) registerDescription() error {
	var text []byte
	register(a, operation{
		method: http.MethodGet, path: "/openapi.json", id: "describe", summary: "Describe this API",
		success: reflect.TypeFor[map[string]any](),
	}, func(context.Context, *struct{}) (*document, error) { return written(jsonType, text), nil })
	schemas := a.huma.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel") // huma's own, which nobody is answered with
	delete(schemas, "ErrorDetail")
	var err error
	text, err = encode(a.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("describe the API: %w", err)
	}
	return nil
}

// encode writes a document as huma does.
func encode(document any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(document)
	return text.Bytes(), err
}

// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// description is /openapi.json, as a client reads it.
type description struct {
	document any
	schemas  map[string]*jsonschema.Schema
	Paths    map[string]map[string]called
}

// called is one operation of it.
type called struct {
	Parameters []struct {
		Name, In string
		Required bool
		Schema   map[string]any
	}
	RequestBody struct {
		Content map[string]struct{ Schema map[string]any }
	}
	Responses map[string]struct {
		Content map[string]struct{ Schema map[string]any }
	}
}

func readDescription(t testing.TB, d *desk) *description {
	t.Helper()
	g := NewWithT(t)
	text := d.description(t)
	read := &description{schemas: map[string]*jsonschema.Schema{}}
	g.Expect(json.Unmarshal(text, read)).To(Succeed())
	var err error
	read.document, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	g.Expect(err).NotTo(HaveOccurred())
	return read
}

// check holds an answer against what the description says of it.
func (d *description) check(t *rapid.T, path, method string, out reply) {
	op := d.Paths[path][method]
	if out.Code >= http.StatusInternalServerError {
		t.Fatalf("%d: %s", out.Code, out.Body.String())
	}
	status := strconv.Itoa(out.Code)
	if _, listed := op.Responses[status]; !listed {
		status = "default"
	}
	mediaType := out.Header().Get("Content-Type")
	if _, listed := op.Responses[status].Content[mediaType]; !listed {
		t.Fatalf("%s %s: %d is not described as %s: %s", method, path, out.Code, mediaType, out.Body.String())
	}
	if mediaType != "application/json" {
		return
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	where := "openapi.json#/paths/" + url.PathEscape(escape(path)) + "/" + method + "/responses/" + status + "/content/application~1json/schema"
	schema := d.schemas[where]
	if schema == nil {
		compiler := jsonschema.NewCompiler()
		compiler.AssertFormat()
		if err := compiler.AddResource("openapi.json", d.document); err != nil {
			t.Fatal(err)
		}
		var err error
		if schema, err = compiler.Compile(where); err != nil {
			t.Fatal(err)
		}
		d.schemas[where] = schema
	}
	body, err := jsonschema.UnmarshalJSON(bytes.NewReader(out.Body.Bytes()))
	if err != nil {
		t.Fatalf("%s: %v", out.Body.String(), err)
	}
	if err := schema.Validate(body); err != nil {
		t.Fatalf("%s %s: %d %s: %v", method, path, out.Code, out.Body.String(), err)
	}
}

// value draws what fits a schema most of the time, and now and then anything.
func value(schemas map[string]map[string]any, schema map[string]any) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		if ref, is := schema["$ref"].(string); is {
			return value(schemas, schemas[ref[strings.LastIndex(ref, "/")+1:]]).Draw(t, "ref")
		}
		if rapid.IntRange(0, 5).Draw(t, "odd") == 0 {
			return rapid.OneOf(rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Just[any](nil), rapid.SliceOfN(rapid.Int(), 0, 3).AsAny(), rapid.Bool().AsAny()).Draw(t, "anything")
		}
		if pattern, is := schema["pattern"].(string); is {
			return rapid.StringMatching(pattern).Draw(t, "text")
		}
		if enum, is := schema["enum"].([]any); is {
			return rapid.SampledFrom(enum).Draw(t, "one of")
		}
		switch schema["type"] {
		case "integer":
			return rapid.IntRange(-1, 1001).Draw(t, "number")
		case "object":
			return object(schemas, schema).Draw(t, "object")
		}
		return rapid.OneOf(rapid.String(), rapid.StringMatching(`(taskserv|Provider)/[a-z]{1,8}(@\^?[0-9](\.[0-9]){0,2})?`)).Draw(t, "string")
	})
}

// object draws a document, with a field too many or too few now and then.
func object(schemas map[string]map[string]any, schema map[string]any) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		properties, _ := schema["properties"].(map[string]any)
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if rapid.IntRange(0, 3).Draw(t, "has "+name) > 0 {
				out[name] = value(schemas, properties[name].(map[string]any)).Draw(t, name)
			}
		}
		if rapid.IntRange(0, 5).Draw(t, "more") == 0 {
			out[rapid.String().Draw(t, "field")] = rapid.Int().Draw(t, "value")
		}
		return out
	})
}

// fits tells whether text can stand in a segment of a path, as what it is.
func fits(text string) bool { return text != "" && text != "." && text != ".." }

// request draws a request for an operation.
func request(t *rapid.T, schemas map[string]map[string]any, path, method string, op called) *http.Request {
	query := url.Values{}
	headers := http.Header{}
	for _, p := range op.Parameters {
		drawn := text(value(schemas, p.Schema).Draw(t, p.Name))
		switch {
		case p.In == "path":
			if !fits(drawn) {
				drawn = "x"
			}
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(drawn))
		case p.In == "query" && rapid.Bool().Draw(t, "has "+p.Name):
			query.Set(p.Name, drawn)
		case p.In == "header":
			headers.Set(p.Name, rapid.SampledFrom([]string{"", "*/*", "application/json", "text/vnd.mermaid", "text/*;q=x", drawn}).Draw(t, "header"))
		}
	}
	if rapid.IntRange(0, 9).Draw(t, "odd query") == 0 {
		query.Set(rapid.String().Draw(t, "parameter"), "x")
	}
	var body []byte
	if content, has := op.RequestBody.Content["application/json"]; has {
		body = []byte(text(value(schemas, content.Schema).Draw(t, "body")))
		if rapid.IntRange(0, 9).Draw(t, "odd body") == 0 {
			body = rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "bytes")
		}
		headers.Set("Content-Type", rapid.SampledFrom([]string{"application/json", "application/json; charset=utf-8", "text/plain", "a/b+json", ";", ""}).Draw(t, "media type"))
	}
	r := httptest.NewRequest(strings.ToUpper(method), "http://localhost/", bytes.NewReader(body))
	r.Header = headers
	r.URL = &url.URL{Path: "/", RawQuery: query.Encode()}
	if parsed, err := url.Parse(path); err == nil {
		r.URL.Path, r.URL.RawPath = parsed.Path, parsed.RawPath
	}
	return r
}

func text(drawn any) string {
	if s, is := drawn.(string); is {
		return s
	}
	data, err := json.Marshal(drawn)
	if err != nil {
		panic(err)
	}
	return string(data)
}

func TestNoRequestEndsOutsideOfTheDescription(t *testing.T) {
	d := newDesk(t)
	described := readDescription(t, d)
	schemas := map[string]map[string]any{}
	var components struct {
		Components struct {
			Schemas map[string]map[string]any
		}
	}
	NewWithT(t).Expect(json.Unmarshal(d.description(t), &components)).To(Succeed())
	maps.Copy(schemas, components.Components.Schemas)
	seen := map[int]int{}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			path := rapid.SampledFrom(slices.Sorted(maps.Keys(described.Paths))).Draw(t, "path")
			method := rapid.SampledFrom(slices.Sorted(maps.Keys(described.Paths[path]))).Draw(t, "method")
			r := request(t, schemas, path, method, described.Paths[path][method])
			out := reply{ResponseRecorder: httptest.NewRecorder()}
			d.handler.ServeHTTP(out, r)
			seen[out.Code]++
			described.check(t, path, method, out)
		}
	})
	t.Log("answers by number:", seen)
	NewWithT(t).Expect(seen).To(And(HaveKey(200), HaveKey(415), HaveKey(422)), "both good and bad requests are drawn")
}

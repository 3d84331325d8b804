// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/httpapi"
)

const (
	extensions = "/api/v1/extensions"
	good       = `{"extension_type": "taskserv", "name": "kubernetes"}`
)

func TestBadRequestsAreToldWhatIsWrong(t *testing.T) {
	big := `{"extension_type": "taskserv", "name": "` + strings.Repeat("a", 70<<10) + `"}`
	for name, c := range map[string]struct {
		method, path, body, mediaType string
		code                          int
		reason, text                  string
	}{
		"wrong JSON":        {"POST", "/reload", `{"extension_type": `, "application/json", 400, "BadRequest", "the body is not JSON; send a document such as"},
		"two documents":     {"POST", "/reload", good + good, "application/json", 400, "BadRequest", "not JSON"},
		"empty body":        {"POST", "/reload", "", "application/json", 400, "BadRequest", "the body is missing"},
		"null":              {"POST", "/reload", "null", "application/json", 422, "Invalid", "expected object"},
		"a list":            {"POST", "/reload", "[]", "application/json", 422, "Invalid", "expected object"},
		"empty object":      {"POST", "/reload", "{}", "application/json", 422, "Invalid", "expected required property extension_type to be present"},
		"unknown type":      {"POST", "/reload", `{"extension_type": "addon", "name": "x"}`, "application/json", 422, "Invalid", "body.extension_type: expected string to be provider, taskserv or cluster"},
		"no name at all":    {"POST", "/reload", `{"extension_type": "taskserv", "name": "Kube_rnetes"}`, "application/json", 422, "Invalid", "body.name: expected string to be a DNS label"},
		"extra field":       {"POST", "/reload", `{"extension_type": "taskserv", "name": "x", "forse": true}`, "application/json", 422, "Invalid", "body.forse: unexpected property"},
		"a range":           {"POST", "/reload", `{"extension_type": "taskserv", "name": "x", "version": "^1"}`, "application/json", 422, "Invalid", "body.version: expected string to be an exact version"},
		"a number":          {"POST", "/reload", `{"extension_type": 1, "name": "x"}`, "application/json", 422, "Invalid", "body.extension_type: expected string"},
		"wrong media type":  {"POST", "/reload", good, "text/plain", 415, "UnsupportedMediaType", "Content-Type: application/json"},
		"a form":            {"POST", "/reload", good, "application/x-www-form-urlencoded", 415, "UnsupportedMediaType", "Content-Type: application/json"},
		"no media type":     {"POST", "/reload", good, "", 415, "UnsupportedMediaType", "Content-Type: application/json"},
		"large body":        {"POST", "/reload", big, "application/json", 413, "RequestEntityTooLarge", "65536 bytes"},
		"body that waits":   {"POST", "/reload?wait=soon", good, "application/json", 422, "Invalid", "query.wait: expected string to be a time"},
		"unknown parameter": {"GET", "/loaded?tpye=taskserv", "", "", 422, "Invalid", "query.tpye: unknown query parameter"},
		"limit":             {"GET", "/loaded?limit=0", "", "", 422, "Invalid", "query.limit"},
		"limit of words":    {"GET", "/loaded?limit=all", "", "", 422, "Invalid", "query.limit: invalid integer"},
		"continue":          {"GET", "/loaded?continue=%21", "", "", 422, "Invalid", "leave it out"},
		"continue of past":  {"GET", "/loaded?continue=YQ", "", "", 410, "Expired", "begin again"},
		"name with a slash": {"GET", "/loaded/taskserv/a%2fb", "", "", 422, "Invalid", "path.name"},
		"traversal":         {"GET", "/loaded/taskserv/..%2f..%2fetc", "", "", 404, "NotFound", "there is no"},
		"dots":              {"GET", "/loaded/../loaded", "", "", 404, "NotFound", "there is no"},
		"slashes":           {"GET", "//loaded", "", "", 404, "NotFound", "openapi.json"},
		"unknown path":      {"GET", "/unloaded", "", "", 404, "NotFound", "GET /openapi.json lists what there is"},
		"no name":           {"GET", "/loaded/taskserv/", "", "", 404, "NotFound", "there is no"},
		"wrong method":      {"GET", "/reload", "", "", 405, "MethodNotAllowed", "use POST"},
		"wrong key":         {"DELETE", "/cache?key=kubernetes", "", "", 422, "Invalid", "query.key: expected string to be a key as type:name:version"},
		"root":              {"GET", "/graph?root=etcd", "", "", 422, "Invalid", "query.root"},
		"root of a range":   {"GET", "/graph?root=taskserv/etcd@latest", "", "", 422, "Invalid", "neither an exact version nor a range"},
		"format":            {"GET", "/graph?format=svg", "", "", 422, "Invalid", "query.format"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			r := httptest.NewRequest(c.method, extensions+c.path, strings.NewReader(c.body))
			if c.mediaType != "" {
				r.Header.Set("Content-Type", c.mediaType)
			}
			out := d.send(t, r)
			g.Expect(out.Code).To(Equal(c.code), out.Body.String())
			g.Expect(out.Reason).To(Equal(c.reason))
			g.Expect(out.Error).To(ContainSubstring(c.text))
			g.Expect(out.Body.Len()).To(BeNumerically("<", 4096), "what was sent is not sent back")
			g.Expect(d.stock.reloaded).To(BeEmpty())
		})
	}
}

func TestMethodsThatAreNotAllowedAreToldWhichAre(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	for path, allowed := range map[string]string{
		"/reload": "POST", "/loaded": "GET, HEAD", "/cache": "DELETE", "/loaded/taskserv/etcd": "GET, HEAD", "/taskserv/etcd/dependents": "GET, HEAD",
	} {
		for _, method := range []string{"PUT", "PATCH", "OPTIONS", "TRACE", "BREW"} {
			out := d.call(t, method, extensions+path)
			g.Expect(out.Code).To(Equal(405), path)
			g.Expect(out.Header().Get("Allow")).To(Equal(allowed), path)
		}
	}
	g.Expect(d.call(t, "HEAD", extensions+"/loaded").Code).To(Equal(200))
}

func TestAPatternIsOneOfAFixedSet(t *testing.T) {
	g := NewWithT(t)
	api, err := httpapi.New(httpapi.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	for request, pattern := range map[string]string{
		"GET /loaded/taskserv/etcd": "GET " + extensions + "/loaded/{type}/{name}", "GET /taskserv/etcd/dependents": "GET " + extensions + "/{type}/{name}/dependents",
		"GET /loaded/taskserv/dependents": "GET " + extensions + "/loaded/{type}/{name}", "PUT /reload": "", "GET /loaded/a/../b": "", "GET /x": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		g.Expect(api.Pattern(httptest.NewRequest(method, extensions+path, nil))).To(Equal(pattern), request)
	}
}

func TestManyMistakesAreToldInFew(t *testing.T) {
	g := NewWithT(t)
	var body strings.Builder
	body.WriteString(`{"extension_type": "taskserv", "name": "x"`)
	for i := range 3000 {
		fmt.Fprintf(&body, `, "field-%d": 1`, i)
	}
	out := newDesk(t).call(t, "POST", extensions+"/reload", body.String()+"}")
	g.Expect(out.Code).To(Equal(422))
	g.Expect(out.Details).To(HaveLen(20))
	g.Expect(len(out.Error)).To(BeNumerically("<=", 1024))
}

func TestABodyOfJustTheLimitIsTaken(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	out := d.call(t, "POST", extensions+"/reload", good+strings.Repeat(" ", 64<<10-len(good)))
	g.Expect(out.Code).To(Equal(200), out.Body.String())
	g.Expect(d.call(t, "POST", extensions+"/reload", good+strings.Repeat(" ", 64<<10-len(good)+1)).Code).To(Equal(413))
}

// endless is a body whose length nobody was told.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func TestALargeBodyIsNotKept(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	for _, length := range []int64{-1, 10 << 20} {
		body := &endless{}
		r := httptest.NewRequest(http.MethodPost, extensions+"/reload", io.NopCloser(body))
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = length
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out := d.send(t, r)
		runtime.ReadMemStats(&after)
		g.Expect(out.Code).To(Equal(413))
		g.Expect(body.read).To(BeNumerically("<=", 256<<10))
		g.Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", 1<<20))
	}
}

func TestWhatTheGuardSaysIsTold(t *testing.T) {
	resource := schema.GroupResource{Group: "extensions.provisioning.dev", Resource: "extensions"}
	for name, c := range map[string]struct {
		err    error
		code   int
		reason string
		header string
		value  string
	}{
		"nobody":    {apierrors.NewUnauthorized("send a token"), 401, "Unauthorized", "WWW-Authenticate", "Bearer"},
		"not her":   {apierrors.NewForbidden(resource, "x", nil), 403, "Forbidden", "", ""},
		"too often": {apierrors.NewTooManyRequests("slower", 7), 429, "TooManyRequests", "Retry-After", "7"},
		"away":      {apierrors.NewServiceUnavailable("TokenReview: away"), 503, "ServiceUnavailable", "", ""},
		"another":   {errAway, 500, "InternalError", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			d.guard.authenticate = c.err
			for _, path := range []string{extensions + "/loaded", "/openapi.json", "/nowhere"} {
				out := d.call(t, "GET", path)
				g.Expect(out.Code).To(Equal(c.code), out.Body.String())
				g.Expect(out.Reason).To(Equal(c.reason))
				g.Expect(out.Error).NotTo(Or(BeEmpty(), ContainSubstring("secret")))
				if c.header != "" {
					g.Expect(out.Header().Get(c.header)).To(Equal(c.value))
				}
			}
		})
	}
}

func TestEveryOperationAsksForItsRight(t *testing.T) {
	d := newDesk(t)
	d.guard.may = []string{}
	for request, right := range map[string]string{
		"GET /available": "get " + extensions + "/available", "GET /graph": "get " + extensions + "/graph", "HEAD /stats": "get " + extensions + "/stats",
		"GET /stats": "get " + extensions + "/stats", "DELETE /cache": "delete " + extensions + "/cache",
	} {
		t.Run(request, func(t *testing.T) {
			g := NewWithT(t)
			d.guard.asked = nil
			method, path, _ := strings.Cut(request, " ")
			out := d.call(t, method, extensions+path)
			g.Expect(out.Code).To(Equal(403), out.Body.String())
			g.Expect(d.guard.asked).To(Equal([]string{right}))
			g.Expect(d.memory.cleared).To(BeEmpty())
		})
	}
}

// broken is an Inventory that is not well.
type broken struct{ *stock }

func (broken) Stamp() uint64 { panic("a secret of the inside") }

func TestAPanicIsAnInternalErrorAndLogged(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	handler, err := httpapi.New(httpapi.Options{Guard: &d.guard, Inventory: broken{&d.stock}, Catalogs: &d.shelves, Cache: &d.memory, Log: d.logger(), Now: time.Now})
	g.Expect(err).NotTo(HaveOccurred())
	d.handler = handler
	out := d.call(t, "GET", extensions+"/loaded")
	g.Expect(out.Code).To(Equal(500))
	g.Expect(out.Error).To(And(ContainSubstring("its log has more"), Not(ContainSubstring("secret"))))
	g.Expect(d.log.String()).To(ContainSubstring("a secret of the inside"))
}

func TestFaultsAndErrorsHaveTheirNumber(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	d.shelves.err = extension.NewFault(extension.ExtensionNotFound, "taskserv x not found; did you mean y?")
	out := d.call(t, "GET", extensions+"/graph?root=taskserv/x")
	g.Expect(out.Code).To(Equal(404))
	g.Expect(out.Reason).To(Equal("ExtensionNotFound"))
	g.Expect(out.Error).To(Equal("taskserv x not found; did you mean y?"))

	d.shelves.err = extension.NewTransientFault(extension.CatalogUnavailable, errAway, "library extensions cannot be read")
	out = d.call(t, "GET", extensions+"/available")
	g.Expect(out.Code).To(Equal(503))
	g.Expect(out.Error).NotTo(ContainSubstring("secret"))

	d.stock.err = errAway
	for _, path := range []string{"/loaded", "/loaded/taskserv/x", "/taskserv/x/dependents"} {
		out = d.call(t, "GET", extensions+path)
		g.Expect(out.Code).To(Equal(500))
		g.Expect(out.Error).NotTo(ContainSubstring("secret"))
	}
	g.Expect(d.call(t, "POST", extensions+"/reload", good).Code).To(Equal(500))
	g.Expect(d.log.String()).To(ContainSubstring("secret detail"))
}

func TestABodyThatDribblesIsGivenUp(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	server := httptest.NewServer(d.handler)
	defer server.Close()
	reader, writer := io.Pipe()
	go func() {
		for range 20 {
			time.Sleep(time.Second)
			if _, err := writer.Write([]byte(" ")); err != nil {
				return
			}
		}
	}()
	defer reader.Close()
	began := time.Now()
	response, err := http.Post(server.URL+extensions+"/reload", "application/json", reader)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(response.Body)
	g.Expect(response.StatusCode).To(Equal(408), string(text))
	g.Expect(string(text)).To(ContainSubstring(`"success":false`))
	g.Expect(time.Since(began)).To(BeNumerically("<", 10*time.Second))
}

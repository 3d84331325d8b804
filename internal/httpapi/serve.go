// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
)

// maxBody is the largest body of a request, in bytes.
const maxBody = 64 << 10

// answer knows whether anything was answered yet.
type answer struct {
	http.ResponseWriter
	begun bool
}

func (w *answer) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *answer) Write(data []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(data)
}

// Unwrap is for http.ResponseController.
func (w *answer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// ServeHTTP answers a request. Nobody learns anything who is not identified.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	to := &answer{ResponseWriter: w}
	defer a.recover(to, r)
	to.Header().Set("X-Content-Type-Options", "nosniff")
	ctx, err := a.opts.Guard.Authenticate(r)
	if err != nil {
		a.failure(r.Context(), err).write(to)
		return
	}
	if ctx != r.Context() {
		r = r.WithContext(ctx) //nolint:contextcheck // the Guard adds the caller to that of the request
	}
	if r.ContentLength > maxBody {
		tooLarge().write(to)
		return
	}
	handler, _ := a.routes.find(r)
	if handler == nil {
		a.notFound(r).write(to)
		return
	}
	handler.ServeHTTP(to, r)
}

// Pattern is the route of a request, as http.ServeMux has it: of a fixed set, and empty
// where there is none.
func (a *API) Pattern(r *http.Request) string {
	_, pattern := a.routes.find(r)
	return pattern
}

// notFound says that there is no such path, or not by this method.
func (a *API) notFound(r *http.Request) *Failure {
	allowed := a.routes.allowed(r)
	if len(allowed) == 0 {
		return fail(http.StatusNotFound, "there is no %s here; GET /openapi.json lists what there is", clip(r.URL.Path))
	}
	failure := fail(http.StatusMethodNotAllowed, "%s cannot be asked by %s; use %s", clip(r.URL.Path), clip(r.Method), strings.Join(allowed, ", "))
	failure.headers = http.Header{"Allow": {strings.Join(allowed, ", ")}}
	return failure
}

// recover makes a panic an internal error, unless the answer has begun.
func (a *API) recover(w *answer, r *http.Request) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, is := cause.(error); is && errors.Is(err, http.ErrAbortHandler) {
		panic(cause) //nolint:forbidigo // it is how net/http is told to break off
	}
	a.opts.Log.Error(fmt.Errorf("panic: %v", cause), "A request could not be answered", "method", r.Method, "path", r.URL.Path, "stack", string(debug.Stack()))
	if w.begun {
		panic(http.ErrAbortHandler) //nolint:forbidigo // the caller must not take half an answer for a whole one
	}
	internal().write(w)
}

// SPDX-License-Identifier: Apache-2.0

package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"provisioning.dev/extension-operator/internal/extension"
)

// Failure is every answer that is not a success.
type Failure struct { //nolint:errname // it is the document as well
	Success bool   `json:"success" enum:"false" doc:"Always false"`
	Message string `json:"error" doc:"One sentence for a person: what is wrong and what to do"`
	Reason  string `json:"reason,omitempty" doc:"A word for programs: a reason of the Extension's conditions, or one of the Kubernetes API"`
	// Details are at most maxDetails.
	Details []Detail `json:"details,omitempty" nullable:"false" doc:"What is wrong in particular: with each field, or with each Extension"`

	status  int
	headers http.Header
}

// Detail is one thing that is wrong or of note.
type Detail struct {
	Location  string `json:"location,omitempty" doc:"Where in the request, such as body.name"`
	Namespace string `json:"namespace,omitempty" doc:"Of the Extension"`
	Name      string `json:"name,omitempty" doc:"Of the Extension"`
	State     string `json:"state,omitempty" doc:"What became of the Extension's reload: Reloaded, Failed, Pending, Suspended, Gone or Refused"`
	Reason    string `json:"reason,omitempty" doc:"As of the whole"`
	Message   string `json:"message,omitempty" doc:"For a person"`
}

const (
	// maxDetails is how many are told, maxText how long a text may be, in bytes.
	maxDetails = 20
	maxText    = 1024
)

var (
	_ huma.StatusError  = (*Failure)(nil)
	_ huma.HeadersError = (*Failure)(nil)
)

// Error is the message.
func (f *Failure) Error() string { return f.Message }

// GetStatus is the number of HTTP.
func (f *Failure) GetStatus() int { return f.status }

// GetHeaders are headers that belong to the number.
func (f *Failure) GetHeaders() http.Header { return f.headers }

// reasons are those of failures that are about the request alone, as the Kubernetes API has them.
var reasons = map[int]metav1.StatusReason{
	http.StatusBadRequest:            metav1.StatusReasonBadRequest,
	http.StatusForbidden:             metav1.StatusReasonForbidden,
	http.StatusNotFound:              metav1.StatusReasonNotFound,
	http.StatusMethodNotAllowed:      metav1.StatusReasonMethodNotAllowed,
	http.StatusNotAcceptable:         metav1.StatusReasonNotAcceptable,
	http.StatusRequestTimeout:        metav1.StatusReasonTimeout,
	http.StatusGone:                  metav1.StatusReasonExpired,
	http.StatusRequestEntityTooLarge: metav1.StatusReasonRequestEntityTooLarge,
	http.StatusUnsupportedMediaType:  metav1.StatusReasonUnsupportedMediaType,
	http.StatusUnprocessableEntity:   metav1.StatusReasonInvalid,
	http.StatusInternalServerError:   metav1.StatusReasonInternalError,
	http.StatusServiceUnavailable:    metav1.StatusReasonServiceUnavailable,
}

// fail makes a Failure.
func fail(status int, format string, args ...any) *Failure {
	return &Failure{Message: fmt.Sprintf(format, args...), Reason: string(reasons[status]), status: status}
}

func tooLarge() *Failure {
	return fail(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes; nothing that is asked for here needs that", maxBody)
}

func internal() *Failure {
	return fail(http.StatusInternalServerError, "the operator could not answer, by a fault of its own; its log has more")
}

// failure says what an error of a port means to the caller.
func (a *API) failure(ctx context.Context, err error) *Failure {
	var known *Failure
	var fault *extension.Fault
	var status apierrors.APIStatus
	var network net.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &fault):
		f := fail(fault.HTTPStatus(), "%s", fault.Message)
		f.Reason = string(fault.Code)
		if f.status >= http.StatusInternalServerError {
			a.opts.Log.Error(err, "A request failed", "reason", fault.Code, "cause", fmt.Sprint(fault.Cause))
		}
		return f
	case errors.As(err, &status):
		return ofStatus(status.Status())
	case ctx.Err() != nil:
		return fail(http.StatusServiceUnavailable, "the request ended before it was answered; ask again")
	case errors.As(err, &network):
		a.opts.Log.Error(err, "A request failed")
		return fail(http.StatusServiceUnavailable, "the Kubernetes API server cannot be reached; ask again")
	}
	a.opts.Log.Error(err, "A request failed")
	return internal()
}

// ofStatus is the Failure that an error of the Kubernetes API stands for.
func ofStatus(status metav1.Status) *Failure {
	f := &Failure{Message: status.Message, Reason: string(status.Reason), status: int(status.Code), headers: http.Header{}}
	if f.status < http.StatusBadRequest || f.status > 599 {
		f.status = http.StatusInternalServerError
	}
	if f.status == http.StatusUnauthorized {
		f.headers.Set("WWW-Authenticate", "Bearer")
	}
	if status.Details != nil && status.Details.RetryAfterSeconds > 0 {
		f.headers.Set("Retry-After", strconv.Itoa(int(status.Details.RetryAfterSeconds)))
	}
	return f
}

// inEnvelope has huma's own errors leave as Failures, in this API and no other.
func inEnvelope(ctx huma.Context, _ string, document any) (any, error) {
	model, is := document.(*huma.ErrorModel)
	if !is {
		return document, nil
	}
	ctx.SetHeader("Content-Type", jsonType)
	return ofModel(model), nil
}

// ofModel words huma's error.
func ofModel(model *huma.ErrorModel) *Failure {
	f := fail(model.Status, "%s", model.Detail)
	switch model.Status {
	case http.StatusRequestEntityTooLarge:
		return tooLarge()
	case http.StatusRequestTimeout:
		return fail(model.Status, "the body did not arrive in time; send it at once")
	case http.StatusBadRequest:
		f.Message = "the body is not JSON"
		if len(model.Errors) == 0 {
			f.Message = "the body is missing"
		}
		f.Message += `; send a document such as {"extension_type": "taskserv", "name": "kubernetes"}`
	}
	for _, e := range model.Errors[:min(len(model.Errors), maxDetails)] {
		f.Details = append(f.Details, Detail{Location: clip(e.Location), Message: clip(e.Message)})
	}
	if model.Status == http.StatusUnprocessableEntity && len(f.Details) > 0 {
		f.Message = sentence(f.Details)
	}
	return f
}

// sentence says what is wrong with each field.
func sentence(details []Detail) string {
	parts := make([]string, 0, len(details))
	for _, d := range details {
		parts = append(parts, d.Location+": "+d.Message)
	}
	return clip(strings.Join(parts, "; "))
}

// write answers with a Failure where huma has no part.
func (f *Failure) write(w http.ResponseWriter) {
	for name, values := range f.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(f) //nolint:errchkjson // texts have a form, and who does not read is not told
}

// clip bounds a text that others wrote, at a character's border.
func clip(text string) string {
	return extension.Clip(strings.ToValidUTF8(text, "\uFFFD"), maxText)
}

// SPDX-License-Identifier: Apache-2.0

package extension

import (
	"errors"
	"fmt"
	"net/http"
)

// Code says what went wrong. The codes are the reasons of the API.
type Code string

// The closed set of codes, one for each way in which a user's request can end
// without a load.
const (
	InvalidVersion     Code = "InvalidVersion"
	InvalidMetadata    Code = "InvalidMetadata"
	LoadFailed         Code = "LoadFailed"
	LimitExceeded      Code = "LimitExceeded"
	DependencyCycle    Code = "DependencyCycle"
	DependencyConflict Code = "DependencyConflict"
	ExtensionNotFound  Code = "ExtensionNotFound"
	VersionNotFound    Code = "VersionNotFound"
	DependencyMissing  Code = "DependencyMissing"
	DependencyNotReady Code = "DependencyNotReady"
	AwaitingRequest    Code = "AwaitingRequest"
	LoadTimeout        Code = "LoadTimeout"
	NushellUnavailable Code = "NushellUnavailable"
	SandboxUnavailable Code = "SandboxUnavailable"
	CatalogUnavailable Code = "CatalogUnavailable"
	InternalError      Code = "InternalError"
)

// Class says what may end a failure, and so what the controller does about it.
type Class int

// The classes of design.md section 3.
const (
	// Terminal ends by a change of the object or of what was consulted.
	Terminal Class = iota
	// TerminalOnceSynced is Waiting until every catalog has synced and a grace is over, then
	// Terminal: what belongs together may be applied in any order.
	TerminalOnceSynced
	// Waiting ends by an event, without a try in between.
	Waiting
	// Retryable may end by itself: it is tried again with backoff.
	Retryable
)

// classes is the one table from code to class. A Transient Fault is Retryable
// whatever its code, such as a LoadFailed by a signal or an I/O error.
var classes = map[Code]Class{
	InvalidVersion:     Terminal,
	InvalidMetadata:    Terminal,
	LoadFailed:         Terminal,
	LimitExceeded:      Terminal,
	DependencyCycle:    Terminal,
	DependencyConflict: TerminalOnceSynced,
	ExtensionNotFound:  TerminalOnceSynced,
	VersionNotFound:    TerminalOnceSynced,
	DependencyMissing:  TerminalOnceSynced,
	DependencyNotReady: Waiting,
	AwaitingRequest:    Waiting,
	LoadTimeout:        Retryable,
	NushellUnavailable: Retryable,
	SandboxUnavailable: Retryable,
	CatalogUnavailable: Retryable,
	InternalError:      Retryable,
}

// statuses say by a number of HTTP what a code says.
var statuses = map[Code]int{
	InvalidVersion:     http.StatusUnprocessableEntity,
	InvalidMetadata:    http.StatusUnprocessableEntity,
	LoadFailed:         http.StatusUnprocessableEntity,
	LimitExceeded:      http.StatusRequestEntityTooLarge,
	DependencyCycle:    http.StatusConflict,
	DependencyConflict: http.StatusConflict,
	ExtensionNotFound:  http.StatusNotFound,
	VersionNotFound:    http.StatusNotFound,
	DependencyMissing:  http.StatusNotFound,
	DependencyNotReady: http.StatusConflict,
	AwaitingRequest:    http.StatusConflict,
	LoadTimeout:        http.StatusGatewayTimeout,
	NushellUnavailable: http.StatusServiceUnavailable,
	SandboxUnavailable: http.StatusServiceUnavailable,
	CatalogUnavailable: http.StatusServiceUnavailable,
	InternalError:      http.StatusInternalServerError,
}

// HTTPStatus says by a number of HTTP what c says; what is no code is an internal error.
func (c Code) HTTPStatus() int {
	if status, known := statuses[c]; known {
		return status
	}
	return http.StatusInternalServerError
}

// Codes lists every code, in no particular order.
func Codes() []Code {
	codes := make([]Code, 0, len(classes))
	for c := range classes {
		codes = append(codes, c)
	}
	return codes
}

// Fault is a failure that somebody has to be told about.
type Fault struct { //nolint:errname // a fault is the operator's word for it: not every error is one
	Code Code
	// Message is one sentence for a person: what is wrong and what to do.
	Message string
	// Transient marks a failure that is no function of the input (a signal, an
	// I/O error): it is never remembered and always Retryable.
	Transient bool
	// Waits marks a failure that an event ends, whatever class its code has.
	Waits bool
	// Dependencies are the members of the plan that failed, where it was not the root,
	// and what to say of each.
	Dependencies map[Key]string
	// Enforcement is, where Nushell ran, how far the sandbox of the load was closed that
	// failed; else nil.
	Enforcement *Enforcement
	// Available is, where a version was not found, what there is, newest first.
	Available []string
	// Cause is the error behind it, if any; it is logged, not shown.
	Cause error
}

// NewFault makes a Fault of the code's own class.
func NewFault(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...)}
}

// NewTransientFault makes a Fault that no input decides, with the error behind it.
func NewTransientFault(code Code, cause error, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: fmt.Sprintf(format, args...), Transient: true, Cause: cause}
}

// Error is the message: the code travels beside it.
func (f *Fault) Error() string { return f.Message }

// Unwrap gives the error behind the Fault.
func (f *Fault) Unwrap() error { return f.Cause }

// Class tells what may end this failure.
func (f *Fault) Class() Class {
	switch {
	case f.Transient:
		return Retryable
	case f.Waits:
		return Waiting
	}
	class, known := classes[f.Code]
	if !known {
		return Retryable
	}
	return class
}

// HTTPStatus says by a number of HTTP what went wrong. What may pass by itself is no
// mistake of the extension's, whatever its code.
func (f *Fault) HTTPStatus() int {
	status := f.Code.HTTPStatus()
	if f.Transient && status < http.StatusInternalServerError {
		return http.StatusServiceUnavailable
	}
	return status
}

// AsFault finds the Fault in err. An error without one is an InternalError,
// whose text a user may see but can do nothing about.
func AsFault(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return NewTransientFault(InternalError, err, "%s; the operator tries again, its log has more", err)
}

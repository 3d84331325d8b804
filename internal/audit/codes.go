// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"net/http"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	codeGood = http.StatusOK
	codeLost = http.StatusInsufficientStorage
)

// codes say by a number of HTTP what a Fault's code says, for tools that know the form
// of events only.
var codes = map[extension.Code]int32{
	extension.InvalidVersion:     http.StatusUnprocessableEntity,
	extension.InvalidMetadata:    http.StatusUnprocessableEntity,
	extension.LoadFailed:         http.StatusUnprocessableEntity,
	extension.LimitExceeded:      http.StatusRequestEntityTooLarge,
	extension.DependencyCycle:    http.StatusConflict,
	extension.DependencyConflict: http.StatusConflict,
	extension.ExtensionNotFound:  http.StatusNotFound,
	extension.VersionNotFound:    http.StatusNotFound,
	extension.DependencyMissing:  http.StatusNotFound,
	extension.DependencyNotReady: http.StatusConflict,
	extension.AwaitingRequest:    http.StatusConflict,
	extension.LoadTimeout:        http.StatusGatewayTimeout,
	extension.NushellUnavailable: http.StatusServiceUnavailable,
	extension.SandboxUnavailable: http.StatusServiceUnavailable,
	extension.CatalogUnavailable: http.StatusServiceUnavailable,
	extension.InternalError:      http.StatusInternalServerError,
}

// codeOf is the number for a Fault. What may pass by itself is no mistake of the
// extension's, whatever its code.
func codeOf(fault *extension.Fault) int32 {
	code := codes[fault.Code]
	if fault.Transient && code < http.StatusInternalServerError {
		return http.StatusServiceUnavailable
	}
	return code
}

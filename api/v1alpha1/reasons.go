// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
)

// ReloadAnnotation asks for a reload. Its value is an opaque token: a value that
// differs from status.lastHandledReloadAt is a request.
const ReloadAnnotation = "extensions.provisioning.dev/reload-requested-at"

// RecordedToken is the form in which a reload token is kept in
// status.lastHandledReloadAt: itself, or its digest when it is longer than the status holds.
func RecordedToken(token string) string {
	if len(token) <= MaxTokenLength {
		return token
	}
	sum := sha256.Sum256([]byte(token))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Condition types of an Extension. Reconciling and Stalled are present only
// while True, as kstatus wants them.
const (
	// ReadyCondition is True while what the newest generation, reload token and
	// catalog content ask for is what was loaded.
	ReadyCondition = "Ready"
	// ResolvedCondition tells whether an exact version was found.
	ResolvedCondition = "Resolved"
	// DependenciesReadyCondition tells whether every dependency is there.
	DependenciesReadyCondition = "DependenciesReady"
	// LoadedCondition is True while there is a last good load.
	LoadedCondition = "Loaded"
	// ReconcilingCondition is True while the operator works or will try again.
	ReconcilingCondition = "Reconciling"
	// StalledCondition is True when only a change by somebody can help.
	StalledCondition = "Stalled"
)

// Reasons of the conditions: a closed set. The first group belongs to objects
// that are well or on their way.
const (
	// LoadedReason: Nushell has loaded what was asked for.
	LoadedReason = "Loaded"
	// ResolvedReason: an exact version was found.
	ResolvedReason = "Resolved"
	// DependenciesReadyReason: every dependency is there and loads, or there is none.
	DependenciesReadyReason = "DependenciesReady"
	// DependenciesIgnoredReason: spec.dependencyPolicy has nobody look whether they are there.
	DependenciesIgnoredReason = "DependenciesIgnored"
	// LoadingReason: a load is under way and takes its time.
	LoadingReason = "Loading"
	// SuspendedReason: spec.suspend holds back the first load.
	SuspendedReason = "Suspended"
)

// Terminal reasons: nothing is tried again until the spec, the reload token or
// the catalog content changes.
const (
	// InvalidVersionReason: spec.version is neither a version nor a range.
	InvalidVersionReason = "InvalidVersion"
	// InvalidMetadataReason: the manifest or the folder of the version is wrong.
	InvalidMetadataReason = "InvalidMetadata"
	// LoadFailedReason: Nushell refused the module, gave a wrong answer, or
	// (then it is tried again) died by a signal or an I/O error.
	LoadFailedReason = "LoadFailed"
	// LimitExceededReason: a bound on size, number or time of computing was reached.
	LimitExceededReason = "LimitExceeded"
	// DependencyCycleReason: the extension depends on itself, perhaps by way of others.
	DependencyCycleReason = "DependencyCycle"
)

// Reasons that are terminal once every catalog has synced since the last change
// of the spec and a grace (--not-found-grace) is over; until then the object waits.
const (
	// DependencyConflictReason: no set of versions satisfies every constraint.
	DependencyConflictReason = "DependencyConflict"
	// ExtensionNotFoundReason: no catalog has the name.
	ExtensionNotFoundReason = "ExtensionNotFound"
	// VersionNotFoundReason: the catalog has the name, but no version that fits.
	VersionNotFoundReason = "VersionNotFound"
	// DependencyMissingReason: a dependency is in no catalog, or has no Extension.
	DependencyMissingReason = "DependencyMissing"
)

// Waiting reasons: an event ends them.
const (
	// DependencyNotReadyReason: a dependency's Extension is not Ready.
	DependencyNotReadyReason = "DependencyNotReady"
	// AwaitingRequestReason: automatic loading is off and nobody has asked yet.
	AwaitingRequestReason = "AwaitingRequest"
)

// Retryable reasons: tried again with backoff.
const (
	// LoadTimeoutReason: the load did not end in time.
	LoadTimeoutReason = "LoadTimeout"
	// NushellUnavailableReason: nu is absent or cannot be started.
	NushellUnavailableReason = "NushellUnavailable"
	// SandboxUnavailableReason: the sandbox cannot be set up.
	SandboxUnavailableReason = "SandboxUnavailable"
	// CatalogUnavailableReason: a catalog cannot be read.
	CatalogUnavailableReason = "CatalogUnavailable"
	// InternalErrorReason: something the user has no part in; see the operator's log.
	InternalErrorReason = "InternalError"
)

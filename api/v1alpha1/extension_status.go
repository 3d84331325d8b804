// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the status lists and strings; the operator cuts before it writes.
const (
	MaxMessageLength     = 1024
	MaxTextLength        = 256
	MaxDependencies      = 64
	MaxAvailableVersions = 20
	MaxCandidates        = 20
	MaxHistory           = 5
	MaxTokenLength       = 128
)

// ExtensionStatus is what the operator found. Metadata, version, catalog, digest,
// inputDigest, key, path, hooks, loadedDependencies, loadedAt and sandbox are those
// of the last good load: they change together, and only by success.
type ExtensionStatus struct {
	// ObservedGeneration is the newest generation that the conditions speak of;
	// -1 until the operator has seen the object.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready sums up the others; Reconciling and Stalled are present
	// only while True.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Metadata is what the manifest of the loaded version says.
	// +optional
	Metadata *ExtensionMetadata `json:"metadata,omitempty"`

	// Version that is loaded, always exact.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// Catalog that the loaded version came from.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Catalog string `json:"catalog,omitempty"`

	// Digest of the loaded version's content, sha256 of its canonical tar.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`

	// InputDigest covers all that decides a load: the content of the extension and
	// its dependencies, the Nushell binary and the loading program.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	InputDigest string `json:"inputDigest,omitempty"`

	// Key is type:name:version of the loaded version.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key,omitempty"`

	// Path in the catalog: the library's base name and the folder below it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`

	// Hooks that the module exports, of: configure, install, uninstall, verify.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=32
	Hooks []string `json:"hooks,omitempty"`

	// LoadedDependencies are the keys of what it was loaded with, sorted. None of these
	// versions is replaced by an older one unless the spec changes or a reload asks.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	LoadedDependencies []string `json:"loadedDependencies,omitempty"`

	// LoadedAt is when Nushell had loaded it.
	// +optional
	LoadedAt *metav1.Time `json:"loadedAt,omitempty"`

	// Sandbox says how far the load was closed in.
	// +optional
	Sandbox *SandboxStatus `json:"sandbox,omitempty"`

	// LastAttempted is the newest attempt on a version that came to an end, good or
	// not. One that failed for a reason that may pass is tried again and has not.
	// +optional
	LastAttempted *Attempt `json:"lastAttempted,omitempty"`

	// Dependencies are the demands of the newest attempt for which a version was
	// found, its own and those of what was chosen, failing ones first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Dependencies []DependencyStatus `json:"dependencies,omitempty"`

	// DependenciesOmitted counts dependencies beyond those listed.
	// +optional
	DependenciesOmitted int32 `json:"dependenciesOmitted,omitempty"`

	// AvailableVersions, newest first, where the wanted version was not found.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=128
	AvailableVersions []string `json:"availableVersions,omitempty"`

	// Resolution says why this version: what was looked at and what refused it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Resolution []Candidate `json:"resolution,omitempty"`

	// LastHandledReloadAt is the reload token last handled.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	LastHandledReloadAt string `json:"lastHandledReloadAt,omitempty"`

	// History of the last distinct versions and digests that were loaded, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	History []HistoryEntry `json:"history,omitempty"`
}

// ExtensionMetadata is what a manifest says.
type ExtensionMetadata struct {
	// Description for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Description string `json:"description,omitempty"`

	// Author of the extension.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Author string `json:"author,omitempty"`

	// Repository is the URL of the extension's source.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Repository string `json:"repository,omitempty"`

	// Dependencies as type/name[@constraint].
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	Dependencies []string `json:"dependencies,omitempty"`
}

// SandboxStatus says how far a load was closed in.
type SandboxStatus struct {
	// Level of enforcement: Enforced when every layer was in force, Partial when
	// some were, None when there was none.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Level string `json:"level,omitempty"`

	// Missing layers, sorted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=64
	Missing []string `json:"missing,omitempty"`
}

// Attempt is one attempt to load.
type Attempt struct {
	// Version that was attempted.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// Catalog it came from.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Catalog string `json:"catalog,omitempty"`

	// Digest of its content.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`

	// InputDigest of the attempt.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	InputDigest string `json:"inputDigest,omitempty"`

	// Generation of the object that was attempted.
	// +optional
	Generation int64 `json:"generation,omitempty"`

	// Sandbox says how far a load that failed was closed in, its own or that of a
	// dependency. Absent where Nushell was not run, and after a good load, of which
	// status.sandbox tells.
	// +optional
	Sandbox *SandboxStatus `json:"sandbox,omitempty"`
}

// DependencyStatus is one dependency and how it fares.
type DependencyStatus struct {
	// Type of the dependency.
	// +kubebuilder:validation:MaxLength=16
	Type string `json:"type"`

	// Name of the dependency.
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// Constraint on its version.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Constraint string `json:"constraint,omitempty"`

	// RequiredBy is the key of the extension that makes the demand.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	RequiredBy string `json:"requiredBy,omitempty"`

	// Version that was chosen; where none could be, the one of the last good load.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version,omitempty"`

	// Digest of the chosen version's content.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`

	// State: Loaded, Ready, Missing, NotReady, Conflict or Cycle; empty while
	// nothing is wrong with it and nothing was tried.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	State string `json:"state,omitempty"`

	// Message for a person.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}

// Candidate is a version that was looked at.
type Candidate struct {
	// Version that was looked at.
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`

	// Refused is the rule that refused it; empty for the chosen one.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Refused string `json:"refused,omitempty"`
}

// HistoryEntry is one version that was loaded.
type HistoryEntry struct {
	// Version that was loaded.
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`

	// Digest of its content.
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest"`

	// LoadedAt is when it was last loaded.
	LoadedAt metav1.Time `json:"loadedAt"`
}

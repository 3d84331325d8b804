// SPDX-License-Identifier: Apache-2.0

package extension

import "time"

// LoadedRow is one thing that statuses say is loaded, however many of them say so.
type LoadedRow struct {
	Key     Key
	Catalog string
	// Path is where people find it; empty where nobody knows it any more.
	Path string
	// Digest of its content; empty where no status tells it.
	Digest Digest
	// InputDigest is empty where it was loaded as a dependency only.
	InputDigest Digest
	// Metadata has only Type, Name and Version where its manifest is not found any more.
	Metadata Metadata
	Hooks    []string
	// At is when it was loaded last; of a dependency, when what needs it was.
	At time.Time
	// Askers are the Extensions that it was loaded for, itself or as a dependency.
	Askers []Asker
}

// Dependent is one demand for an extension, made by a member of what an Extension is
// loaded with, or wants to be.
type Dependent struct {
	// Namespace and Name of the Extension.
	Namespace string
	Name      string
	// Loaded is its last good load; it has no Version where there is none.
	Loaded Key
	// On is what is depended on; it has no Version where none was found.
	On Key
	// Demand is who wants it and in which versions; By has no Name where the status
	// lists no more than that it was loaded.
	Demand Demand
}

// ReloadWish says what is to be reloaded; Namespace and Version may be empty.
type ReloadWish struct {
	Type      Type
	Name      string
	Version   string
	Namespace string
}

// Content is what a key stood for when it was loaded.
type Content struct {
	Key
	// Digest is empty where no status tells it.
	Digest Digest
}

// ReloadTarget is an Extension that a reload concerns.
type ReloadTarget struct {
	Namespace string
	Name      string
	// Own tells that it asks for what is to be reloaded; others depend on it.
	Own bool
	// Contents are what it is loaded with of what is to be reloaded.
	Contents  []Content
	Suspended bool
	// Before is the token that it was asked to reload by before.
	Before string
}

// ReloadState is what became of a reload of one Extension.
type ReloadState string

// The states of a reload.
const (
	// Reloaded: handled, and it is Ready.
	Reloaded ReloadState = "Reloaded"
	// ReloadFailed: handled, and it is not Ready.
	ReloadFailed ReloadState = "Failed"
	// ReloadPending: asked for, and not handled yet.
	ReloadPending ReloadState = "Pending"
	// ReloadSuspended: asked for, and handled once the Extension is not suspended any more.
	ReloadSuspended ReloadState = "Suspended"
	// ReloadGone: the Extension was deleted meanwhile.
	ReloadGone ReloadState = "Gone"
	// ReloadRefused: the API server did not take the request.
	ReloadRefused ReloadState = "Refused"
)

// ReloadOutcome is what became of a reload of one Extension.
type ReloadOutcome struct {
	ReloadTarget
	State ReloadState
	// Last is the token that it had handled when it was asked.
	Last string
	// Reason and Message are those of Ready, where it is not True.
	Reason  Code
	Message string
	// Err is why the API server refused it.
	Err error
}

// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Bounds of the status lists of an Installation; the operator cuts before it writes.
const (
	MaxSteps   = 8
	MaxChanges = 32
)

// InstallationStatus is how far an Installation is, and what is installed.
type InstallationStatus struct {
	// ObservedGeneration is the newest generation that the conditions speak of; -1 until
	// the operator has seen the object. While an attempt runs it is that of the attempt.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// Conditions: Ready is True while what is wanted is installed and verified;
	// Installed while anything is; UpgradeAvailable is present while the Extension has
	// something that upgradePolicy does not install; Reconciling and Stalled are present
	// only while True.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// Step that the newest attempt is at or has ended with, and its state: Install/Running.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Step string `json:"step,omitempty"`

	// Steps of the newest attempt in their order: Load, ValidateDependencies, Configure,
	// Install, Verify; of one that takes away Configure, Uninstall.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Steps []InstallationStep `json:"steps,omitempty"`

	// Attempt is the newest attempt.
	// +optional
	Attempt *InstallationAttempt `json:"attempt,omitempty"`

	// Plan of the newest attempt: what it installs, or would once it is approved.
	// +optional
	Plan *InstallationPlan `json:"plan,omitempty"`

	// Installed is the last plan that was installed and verified. A failed attempt leaves
	// it as it is.
	// +optional
	Installed *InstalledPlan `json:"installed,omitempty"`

	// LastHandledRetryAt is the retry token last handled.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	LastHandledRetryAt string `json:"lastHandledRetryAt,omitempty"`

	// History of the last plans that were installed, newest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=5
	History []InstalledPlan `json:"history,omitempty"`
}

// InstallationStep is one step of an attempt.
type InstallationStep struct {
	// Name of the step.
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// State: Pending, Waiting (its pod cannot start yet), Running, Succeeded, Skipped
	// (the extension has no such hook), Failed, or Unknown (its Job was deleted before
	// its end was seen).
	// +kubebuilder:validation:MaxLength=16
	State string `json:"state"`

	// Attempt that the step belongs to.
	// +optional
	Attempt int32 `json:"attempt,omitempty"`

	// Job that runs the step.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Job string `json:"job,omitempty"`

	// JobUID is the uid of the only Job that may run the step.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	JobUID string `json:"jobUID,omitempty"`

	// StartedAt is when its container started.
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// FinishedAt is when it ended.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// ExitCode of its container.
	// +optional
	ExitCode *int32 `json:"exitCode,omitempty"`

	// Reason why it is Waiting, Failed or Unknown, one of the reasons of the conditions.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// Message for a person. Where a value came from a Secret it has no text of the hook.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// InstallationAttempt is one run of the hooks.
type InstallationAttempt struct {
	// Number of the attempt, counted over the life of the object.
	Number int32 `json:"number"`

	// Purpose: Plan (Configure alone), Apply or Uninstall.
	// +kubebuilder:validation:MaxLength=16
	Purpose string `json:"purpose"`

	// Generation of the object whose spec the attempt runs with.
	Generation int64 `json:"generation"`

	// EndedAt is when the operator saw its end.
	// +optional
	EndedAt *metav1.Time `json:"endedAt,omitempty"`

	// Hidden: a value came from a Secret, so nothing that a hook says is shown.
	// +optional
	Hidden bool `json:"hidden,omitempty"`
}

// InstallationPlan is what an attempt installs.
type InstallationPlan struct {
	// Key of the extension: type:name:version.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key,omitempty"`

	// Version of the extension.
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`

	// ContentDigest covers the extension and all that it was loaded with.
	// +kubebuilder:validation:MaxLength=71
	ContentDigest string `json:"contentDigest"`

	// SpecDigest covers what of the spec a run depends on: values, valuesFrom,
	// serviceAccountName, timeout and podOptions.
	// +kubebuilder:validation:MaxLength=71
	SpecDigest string `json:"specDigest"`

	// Image that runs the hooks.
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image"`

	// ConfigDigest is that of what Configure returned; absent before it ran.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	ConfigDigest string `json:"configDigest,omitempty"`

	// Digest covers all of the above: the one to approve. Absent before Configure ran.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`

	// Changes are the files and objects of what Configure returned, and the digest of
	// each; never what is in them. None are shown where a value came from a Secret.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Changes []PlannedChange `json:"changes,omitempty"`

	// ChangesOmitted counts those beyond the ones that are listed.
	// +optional
	ChangesOmitted int32 `json:"changesOmitted,omitempty"`
}

// PlannedChange is one file or object that Configure returned.
type PlannedChange struct {
	// Key of the file or object.
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key"`

	// Digest of what is in it.
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest"`
}

// InstalledPlan is a plan that was installed and verified.
type InstalledPlan struct {
	// Key of the extension: type:name:version.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Key string `json:"key,omitempty"`

	// Version of the extension.
	// +kubebuilder:validation:MaxLength=128
	Version string `json:"version"`

	// Digest of the plan.
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest"`

	// ContentDigest of the extension and all that it was loaded with.
	// +kubebuilder:validation:MaxLength=71
	ContentDigest string `json:"contentDigest"`

	// SpecDigest of what of the spec it was run with.
	// +kubebuilder:validation:MaxLength=71
	SpecDigest string `json:"specDigest"`

	// ConfigDigest of what Configure returned; absent where its message was lost.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	ConfigDigest string `json:"configDigest,omitempty"`

	// At is when it was verified.
	At metav1.Time `json:"at"`
}

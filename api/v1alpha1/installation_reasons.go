// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// RetryAnnotation asks for another attempt. Its value is an opaque token: a value
// that differs from status.lastHandledRetryAt is a request.
const RetryAnnotation = "extensions.provisioning.dev/retry-requested-at"

// Condition types of an Installation, besides Ready, Reconciling and Stalled.
const (
	// InstalledCondition is True while some plan was installed and verified.
	InstalledCondition = "Installed"
	// UpgradeAvailableCondition is there, and True, while the Extension has a version or
	// content that spec.upgradePolicy leaves alone.
	UpgradeAvailableCondition = "UpgradeAvailable"
)

// Names of the steps, in their order.
const (
	LoadStep                 = "Load"
	ValidateDependenciesStep = "ValidateDependencies"
	ConfigureStep            = "Configure"
	InstallStep              = "Install"
	VerifyStep               = "Verify"
	// UninstallStep follows Configure where an attempt takes away.
	UninstallStep = "Uninstall"
)

// States of a step.
const (
	StepPending   = "Pending"
	StepWaiting   = "Waiting"
	StepRunning   = "Running"
	StepSucceeded = "Succeeded"
	StepSkipped   = "Skipped"
	StepFailed    = "Failed"
	StepUnknown   = "Unknown"
)

// Purposes of an attempt.
const (
	PlanPurpose      = "Plan"
	ApplyPurpose     = "Apply"
	UninstallPurpose = "Uninstall"
)

// Reasons of an Installation's conditions and steps: a closed set, with
// ExtensionNotFound, DependencyNotReady, LimitExceeded, Suspended and InternalError of
// the Extension. The first group belongs to objects that are well or on their way.
const (
	// InstalledReason: what is wanted is installed and verified.
	InstalledReason = "Installed"
	// NotInstalledReason: nothing was installed yet.
	NotInstalledReason = "NotInstalled"
	// PlanningReason: Configure runs alone.
	PlanningReason = "Planning"
	// InstallingReason: an attempt to install is under way.
	InstallingReason = "Installing"
	// UninstallingReason: what was installed is taken away.
	UninstallingReason = "Uninstalling"
	// NewVersionReason: the Extension has another version than the newest plan.
	NewVersionReason = "NewVersion"
	// NewContentReason: the Extension has other content of the same version.
	NewContentReason = "NewContent"
)

// Waiting reasons of an Installation: an event ends them.
const (
	// ExtensionNotReadyReason: the Extension is not Ready at its current generation.
	ExtensionNotReadyReason = "ExtensionNotReady"
	// ExtensionReplacedReason: the Extension of that name is another extension now.
	ExtensionReplacedReason = "ExtensionReplaced"
	// AwaitingApprovalReason: the plan waits for spec.approvedPlan.
	AwaitingApprovalReason = "AwaitingApproval"
	// QueuedReason: as many Installations run as may run at once.
	QueuedReason = "Queued"
)

// Reasons of an Installation that may pass by themselves before the deadline of the Job.
const (
	// PodPendingReason: the pod cannot be made or started yet.
	PodPendingReason = "PodPending"
	// ImagePullFailedReason: the pod's image cannot be pulled.
	ImagePullFailedReason = "ImagePullFailed"
	// CreateRefusedReason: the API server refused an object that the attempt needs.
	CreateRefusedReason = "CreateRefused"
)

// Terminal reasons of an Installation: another attempt is made only when the spec is
// changed or a retry is asked for.
const (
	// NothingToInstallReason: the extension has none of the hooks.
	NothingToInstallReason = "NothingToInstall"
	// InvalidValuesReason: the values do not fit the parameters of the hook configure.
	InvalidValuesReason = "InvalidValues"
	// NotDeterministicReason: configure gave different results for the same values.
	NotDeterministicReason = "NotDeterministic"
	// ConfigureFailedReason: the hook configure failed.
	ConfigureFailedReason = "ConfigureFailed"
	// InstallFailedReason: the hook install failed.
	InstallFailedReason = "InstallFailed"
	// VerifyFailedReason: the hook verify failed.
	VerifyFailedReason = "VerifyFailed"
	// UninstallFailedReason: the hook uninstall failed.
	UninstallFailedReason = "UninstallFailed"
	// PayloadRefusedReason: the payload or the configuration is not what was planned.
	PayloadRefusedReason = "PayloadRefused"
	// RunnerFailedReason: a container could not run its hook at all.
	RunnerFailedReason = "RunnerFailed"
	// DeadlineExceededReason: the step or the Job did not end in time.
	DeadlineExceededReason = "DeadlineExceeded"
	// OutOfMemoryReason: a container was ended because it used too much memory.
	OutOfMemoryReason = "OutOfMemory"
	// DisruptedReason: the pod was evicted, preempted, or its node was lost.
	DisruptedReason = "Disrupted"
	// OutcomeUnknownReason: the Job or its pod was deleted before its end was seen.
	OutcomeUnknownReason = "OutcomeUnknown"
)

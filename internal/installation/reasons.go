// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"slices"
	"time"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// classes says what may end each reason for which an Installation is not Ready: a
// change by somebody (Terminal), an event (Waiting), or time (Retryable).
var classes = map[string]extension.Class{
	api.SuspendedReason:          extension.Waiting,
	api.ExtensionNotFoundReason:  extension.Waiting,
	api.ExtensionNotReadyReason:  extension.Waiting,
	api.ExtensionReplacedReason:  extension.Waiting,
	api.DependencyNotReadyReason: extension.Waiting,
	api.AwaitingApprovalReason:   extension.Waiting,
	api.QueuedReason:             extension.Waiting,

	api.PlanningReason:        extension.Retryable,
	api.InstallingReason:      extension.Retryable,
	api.UninstallingReason:    extension.Retryable,
	api.PodPendingReason:      extension.Retryable,
	api.ImagePullFailedReason: extension.Retryable,
	api.CreateRefusedReason:   extension.Retryable,
	api.InternalErrorReason:   extension.Retryable,

	api.NothingToInstallReason: extension.Terminal,
	api.LimitExceededReason:    extension.Terminal,
	api.InvalidValuesReason:    extension.Terminal,
	api.NotDeterministicReason: extension.Terminal,
	api.ConfigureFailedReason:  extension.Terminal,
	api.InstallFailedReason:    extension.Terminal,
	api.VerifyFailedReason:     extension.Terminal,
	api.UninstallFailedReason:  extension.Terminal,
	api.PayloadRefusedReason:   extension.Terminal,
	api.RunnerFailedReason:     extension.Terminal,
	api.DeadlineExceededReason: extension.Terminal,
	api.OutOfMemoryReason:      extension.Terminal,
	api.DisruptedReason:        extension.Terminal,
	api.OutcomeUnknownReason:   extension.Terminal,
}

// Fault is why an Installation is not Ready.
type Fault struct {
	// Reason is one of the API's.
	Reason string
	// Message is one sentence for a person: what is wrong and what to do.
	Message string
	// Again is when to look again if no event comes; 0 for never.
	Again time.Duration
}

// Class tells what may end it. What is not known may pass: it is tried again.
func (f Fault) Class() extension.Class {
	class, known := classes[f.Reason]
	if !known {
		return extension.Retryable
	}
	return class
}

// failedReasons are those of a hook that failed, by its step.
var failedReasons = map[string]string{
	api.ConfigureStep: api.ConfigureFailedReason,
	api.InstallStep:   api.InstallFailedReason,
	api.VerifyStep:    api.VerifyFailedReason,
	api.UninstallStep: api.UninstallFailedReason,
}

// Outcomes are how an attempt may end, sorted: Succeeded, or the reason why not.
func Outcomes() []string { return append(reasonsOf(extension.Terminal), api.StepSucceeded) }

// Waits are the reasons that an Installation is not Ready for yet, sorted.
func Waits() []string {
	return append(reasonsOf(extension.Waiting), reasonsOf(extension.Retryable)...)
}

func reasonsOf(class extension.Class) []string {
	var reasons []string
	for reason, is := range classes {
		if is == class {
			reasons = append(reasons, reason)
		}
	}
	slices.Sort(reasons)
	return reasons
}

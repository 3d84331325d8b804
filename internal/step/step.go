// SPDX-License-Identifier: Apache-2.0

package step

import (
	"maps"
	"slices"
)

// Step is what one container does, by the name of the hook it runs.
type Step string

// The steps.
const (
	Configure Step = "configure"
	Install   Step = "install"
	Verify    Step = "verify"
	Uninstall Step = "uninstall"
)

// Valid tells whether s is one of the steps.
func (s Step) Valid() bool { return slices.Contains([]Step{Configure, Install, Verify, Uninstall}, s) }

// State is how a step ended.
type State string

// The states.
const (
	Succeeded State = "Succeeded"
	// Skipped: the extension has no such hook.
	Skipped State = "Skipped"
	Failed  State = "Failed"
)

// Reason says why a step was skipped or failed.
type Reason string

// The closed set of reasons.
const (
	HookMissing Reason = "HookMissing"
	// NotConfigured: nothing can be configured any more, and what takes away does without.
	NotConfigured Reason = "NotConfigured"

	// The hook or what it was given is at fault.
	HookFailed       Reason = "HookFailed"
	InvalidValues    Reason = "InvalidValues"
	NotDeterministic Reason = "NotDeterministic"
	LimitExceeded    Reason = "LimitExceeded"
	NoAnswer         Reason = "NoAnswer"
	Timeout          Reason = "Timeout"

	InvalidArguments Reason = "InvalidArguments"

	PayloadRefused Reason = "PayloadRefused"
	ConfigRefused  Reason = "ConfigRefused"

	// The machine, or whoever ended the step.
	NushellUnavailable Reason = "NushellUnavailable"
	SandboxUnavailable Reason = "SandboxUnavailable"
	RunnerFailed       Reason = "RunnerFailed"
	Interrupted        Reason = "Interrupted"
)

// exitCodes are how extension-runner ends, by reason; without one it is 0.
var exitCodes = map[Reason]int{
	"": 0, HookMissing: 0, NotConfigured: 0,
	HookFailed: 1, InvalidValues: 1, NotDeterministic: 1, LimitExceeded: 1, NoAnswer: 1, Timeout: 1,
	InvalidArguments: 2,
	PayloadRefused:   3, ConfigRefused: 3,
	NushellUnavailable: 4, SandboxUnavailable: 4, RunnerFailed: 4, Interrupted: 4,
}

// Reasons lists every reason, sorted.
func Reasons() []Reason {
	reasons := slices.Collect(maps.Keys(exitCodes))
	slices.Sort(reasons)
	return slices.DeleteFunc(reasons, func(r Reason) bool { return r == "" })
}

// ExitCode is how extension-runner ends for this reason: 0 where nothing failed, 1 for the hook or its values, 2 for the
// arguments, 3 for a payload or a configuration that is refused, 4 where it could not run.
func (r Reason) ExitCode() int { return exitCodes[r] }

// state is what a step with this reason ended as.
func (r Reason) state() State {
	switch r {
	case HookMissing, NotConfigured:
		return Skipped
	case "":
		return Succeeded
	default:
		return Failed
	}
}

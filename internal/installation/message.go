// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/step"
)

// reported is what a container says of its step as it ends. A pod may say anything: the
// exit code decides what became of the step, the report only what is told of it.
func reported(message, name string) (step.Report, error) {
	return step.Decode([]byte(message), step.Step(containerOf(name)))
}

// printable keeps a text from moving a terminal's cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
}

// changesOf a report in the order of their keys, as many as the status holds.
func changesOf(r step.Report) (listed []api.PlannedChange, omitted int32) {
	for _, key := range slices.Sorted(maps.Keys(r.Changes)) {
		listed = append(listed, api.PlannedChange{Key: key, Digest: string(r.Changes[key])})
	}
	shown := min(len(listed), api.MaxChanges)
	return listed[:shown:shown], int32(r.ChangesOmitted + len(listed) - shown)
}

// Exit codes of the runner.
const (
	exitHook    = 1
	exitRefused = 3
)

// reportReasons are the reasons of a report that say more than the exit code.
var reportReasons = map[step.Reason]string{
	step.InvalidValues:    api.InvalidValuesReason,
	step.NotDeterministic: api.NotDeterministicReason,
	step.LimitExceeded:    api.LimitExceededReason,
	step.Timeout:          api.DeadlineExceededReason,
}

// reasonOf is the API's reason for the end of a step with an exit code that is not 0.
func reasonOf(r step.Report, name string, exitCode int32) string {
	reason, known := reportReasons[r.Reason]
	switch {
	case known && exitCode == exitHook:
		return reason
	case exitCode == exitHook:
		return failedReasons[name]
	case exitCode == exitRefused:
		return api.PayloadRefusedReason
	}
	return api.RunnerFailedReason
}

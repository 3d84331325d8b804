// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"errors"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/json"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// maxTermination is what a kubelet takes of a container's termination message, in bytes.
const maxTermination = 4096

// termination is what a container says of its step as it ends. A pod may say anything:
// the exit code decides what became of the step, the message only what is told of it.
type termination struct {
	Step    string `json:"step"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	// Code is the error code that the hook declared.
	Code         string `json:"code"`
	ConfigDigest string `json:"configDigest"`
	// Changes are keys and digests; ChangesOmitted counts those that had no room.
	Changes        map[string]string `json:"changes"`
	ChangesOmitted int32             `json:"changesOmitted"`
}

var (
	declaredCode = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_:.-]{0,62}[A-Za-z0-9_])?$`)
	changeKey    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/ -]{0,255}$`)
)

// errNotTheRunners says nothing of what is in a message: it may be what must not be shown.
var errNotTheRunners = errors.New("is not one that the runner writes")

// decodeTermination reads a message strictly: one JSON document of known fields, none of
// them twice, about this step, with nothing in it that the status could not hold.
func decodeTermination(text, step string) (termination, error) {
	var t termination
	if len(text) > maxTermination || !utf8.ValidString(text) {
		return termination{}, errNotTheRunners
	}
	problems, err := json.UnmarshalStrict([]byte(text), &t, json.DisallowDuplicateFields, json.DisallowUnknownFields)
	if err != nil || len(problems) > 0 || !t.valid(step) {
		return termination{}, errNotTheRunners
	}
	t.Message = printable(t.Message)
	return t, nil
}

// valid tells whether it is about the step, and of a form that the status can hold.
func (t termination) valid(step string) bool {
	for key, digest := range t.Changes {
		if !changeKey.MatchString(key) || !extension.Digest(digest).Valid() {
			return false
		}
	}
	return t.Step == containerOf(step) &&
		(t.Code == "" || declaredCode.MatchString(t.Code)) &&
		(t.ConfigDigest == "" || extension.Digest(t.ConfigDigest).Valid()) &&
		t.ChangesOmitted >= 0 && t.ChangesOmitted <= math.MaxInt32-maxTermination
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

// changes are those of a message in the order of their keys, as many as the status holds.
func (t termination) changes() (listed []api.PlannedChange, omitted int32) {
	for _, key := range slices.Sorted(maps.Keys(t.Changes)) {
		listed = append(listed, api.PlannedChange{Key: key, Digest: t.Changes[key]})
	}
	shown := min(len(listed), api.MaxChanges)
	return listed[:shown:shown], t.ChangesOmitted + int32(len(listed)-shown)
}

// Exit codes of the runner.
const (
	exitHook    = 1
	exitRefused = 3
)

// runnerReasons are the runner's reasons that say more than its exit code.
var runnerReasons = map[string]string{
	"InvalidValues":    api.InvalidValuesReason,
	"NotDeterministic": api.NotDeterministicReason,
	"LimitExceeded":    api.LimitExceededReason,
	"Timeout":          api.DeadlineExceededReason,
}

// reasonOf is the API's reason for the end of a step with an exit code that is not 0.
func (t termination) reasonOf(step string, exitCode int32) string {
	reason, known := runnerReasons[t.Reason]
	switch {
	case known && exitCode == exitHook:
		return reason
	case exitCode == exitHook:
		return failedReasons[step]
	case exitCode == exitRefused:
		return api.PayloadRefusedReason
	}
	return api.RunnerFailedReason
}

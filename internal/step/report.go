// SPDX-License-Identifier: Apache-2.0

package step

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/json"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// MaxReport is the longest termination message that Kubernetes keeps of a container, in bytes.
	MaxReport = 4 << 10
	// maxMessage bounds Report.Message, in bytes.
	maxMessage = 1 << 10
	// maxChangeKey bounds a key of Report.Changes, in bytes.
	maxChangeKey = 256
)

// Report is how one step ended.
type Report struct {
	Step  Step  `json:"step"`
	State State `json:"state"`
	// Reason is empty where it succeeded.
	Reason Reason `json:"reason,omitempty"`
	// Message is one sentence for a person. Where a value came from a Secret it has no text of the hook.
	Message string `json:"message,omitempty"`
	// Code is the one that the hook gave its error.
	Code string `json:"code,omitempty"`
	// ConfigDigest is of the configuration that the step made, or ran with.
	ConfigDigest extension.Digest `json:"configDigest,omitempty"`
	// Changes are what configure made: files/NAME and objects/KIND/NAME, with a digest of each. ChangesOmitted is how many
	// more there are than fit, or than may be told.
	Changes        map[string]extension.Digest `json:"changes,omitempty"`
	ChangesOmitted int                         `json:"changesOmitted,omitempty"`
}

// NewReport is the Report of a step with this reason; it is empty where it succeeded.
func NewReport(s Step, reason Reason, message string) Report {
	return Report{Step: s, State: reason.state(), Reason: reason, Message: message}
}

// Encode writes the report as one JSON document of at most MaxReport bytes: the message is cut, and changes are left out
// from the last on.
func (r Report) Encode() []byte {
	r.Message = printable(extension.Clip(r.Message, maxMessage))
	r.Changes, r.ChangesOmitted = tellable(r.Changes, r.ChangesOmitted)
	keys := slices.Sorted(maps.Keys(r.Changes))
	for {
		text := r.encode()
		switch {
		case len(text) <= MaxReport:
			return text
		case len(keys) > 0:
			delete(r.Changes, keys[len(keys)-1])
			keys = keys[:len(keys)-1]
			r.ChangesOmitted++
		default:
			r.Message = extension.Clip(r.Message, len(r.Message)/2)
		}
	}
}

// tellable are changes by keys that can be shown. Keys that come out the same count as omitted, all but one.
func tellable(changes map[string]extension.Digest, omitted int) (map[string]extension.Digest, int) {
	if changes == nil {
		return nil, omitted
	}
	told := make(map[string]extension.Digest, len(changes))
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		if shown := changeKey(key); shown != "" {
			told[shown] = changes[key]
		}
	}
	return told, omitted + len(changes) - len(told)
}

func changeKey(key string) string { return printable(extension.Clip(key, maxChangeKey)) }

// encode cannot fail: a Report holds texts and a number.
func (r Report) encode() []byte {
	var text bytes.Buffer
	encoder := stdjson.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(r) //nolint:errchkjson // texts and a number
	return bytes.TrimSpace(text.Bytes())
}

// ErrNoReport is what a termination message is that extension-runner did not write. It says nothing of what is in there:
// that may be what must not be shown.
var ErrNoReport = errors.New("is not one that extension-runner writes")

// Decode reads the termination message of a step strictly: one JSON document of known fields, none of them twice, about
// that step, with nothing in it that Encode would not have written. A pod may say anything.
func Decode(text []byte, s Step) (Report, error) {
	var r Report
	if len(text) > MaxReport || !utf8.Valid(text) {
		return Report{}, ErrNoReport
	}
	problems, err := json.UnmarshalStrict(text, &r, json.DisallowDuplicateFields, json.DisallowUnknownFields)
	if err != nil || len(problems) > 0 || r.Step != s || !r.valid() {
		return Report{}, ErrNoReport
	}
	r.Message = printable(r.Message)
	return r, nil
}

// maxOmitted is more than configure can make.
const maxOmitted = 1 << 20

func (r Report) valid() bool {
	for key, digest := range r.Changes {
		if key == "" || key != changeKey(key) || !digest.Valid() {
			return false
		}
	}
	_, known := exitCodes[r.Reason]
	return r.Step.Valid() && known && r.State == r.Reason.state() &&
		(r.Code == "" || ValidCode(r.Code)) &&
		(r.ConfigDigest == "" || r.ConfigDigest.Valid()) &&
		r.ChangesOmitted >= 0 && r.ChangesOmitted <= maxOmitted
}

// codeForm is what a code may be: a word, not a sentence.
var codeForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$`)

// ValidCode tells whether a hook's error may have this code.
func ValidCode(code string) bool { return codeForm.MatchString(code) }

// printable makes s one line that moves no terminal's cursor.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")))
}

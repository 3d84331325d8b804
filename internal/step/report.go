// SPDX-License-Identifier: Apache-2.0

package step

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// MaxReport is the longest termination message that Kubernetes keeps of a container, in bytes.
	MaxReport = 4 << 10
	// maxMessage bounds Report.Message, in bytes.
	maxMessage = 1 << 10
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
	r.Message = clip(r.Message, maxMessage)
	keys := slices.Sorted(maps.Keys(r.Changes))
	r.Changes = maps.Clone(r.Changes)
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
			r.Message = clip(r.Message, len(r.Message)/2)
		}
	}
}

// encode cannot fail: a Report holds texts and a number.
func (r Report) encode() []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(r) //nolint:errchkjson // texts and a number
	return bytes.TrimSpace(text.Bytes())
}

// Decode reads a termination message strictly: one that extension-runner did not write is an error.
func Decode(text []byte) (Report, error) {
	var r Report
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("the termination message is not a report of extension-runner: %w", err)
	}
	_, known := exitCodes[r.Reason]
	_, err := decoder.Token()
	switch {
	case !errors.Is(err, io.EOF):
		return Report{}, errors.New("the termination message goes on behind the report")
	case !r.Step.Valid() || !known || r.State != r.Reason.state():
		return Report{}, fmt.Errorf("the termination message has step %.20q, state %.20q and reason %.40q, which do not go together", r.Step, r.State, r.Reason)
	case r.ConfigDigest != "" && !r.ConfigDigest.Valid():
		return Report{}, errors.New("the termination message has a configDigest that is none")
	}
	return r, nil
}

// clip makes s one printable line of at most limit bytes.
func clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	return extension.Clip(s, limit)
}

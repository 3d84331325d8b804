// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// maxMessage bounds a Fault's message, maxProblem one part of it, in bytes.
	maxMessage = 1 << 10
	maxProblem = 300
	// room for "; and 99 more" behind the last diagnostic that fits.
	roomForRest = 24
)

// diagnostic is one thing that is wrong with an extension's code. Line and column count from 1, in characters.
type diagnostic struct {
	// File is where people find it: below a member's Path, or the bare name of a file that is not the extension's own.
	File         string
	Line, Column int
	// Message is empty for a file that is not the extension's own; Code is empty where Nushell does not tell.
	Message, Code string
}

// String reads as in extensions/taskservs/etcd/3.5.1/mod.nu:12:5: Type mismatch. (nu::parser::type_mismatch).
func (d diagnostic) String() string {
	s := fmt.Sprintf("%s:%d:%d", clip(d.File, maxProblem), d.Line, d.Column)
	message := d.Message
	if message == "" {
		message = "an error outside the extension's folder"
	}
	s += ": " + clip(message, maxProblem)
	if d.Code != "" {
		s += " (" + clip(d.Code, 80) + ")"
	}
	return s
}

// summary joins as many diagnostics as a message holds behind a beginning and says how many more there are.
func summary(beginning string, diagnostics []diagnostic) string {
	message := beginning
	separator := ": "
	for i, d := range diagnostics {
		next := message + separator + d.String()
		if len(next) > maxMessage-roomForRest {
			return fmt.Sprintf("%s; and %d more", message, len(diagnostics)-i)
		}
		message, separator = next, "; "
	}
	return message
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

// quoted shows a piece of untrusted text.
func quoted(s string) string { return strconv.Quote(clip(s, 60)) }

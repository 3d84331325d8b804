// SPDX-License-Identifier: Apache-2.0

package main

import "regexp"

// tokens are what a service account proves itself with: a JSON Web Token, and whatever is said to be a bearer's.
var tokens = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?|(?i:\bbearer[: ]+)[A-Za-z0-9._~+/=-]{8,}`)

// redact takes tokens out of a text that people read.
func redact(text string) string { return tokens.ReplaceAllString(text, "<token>") }

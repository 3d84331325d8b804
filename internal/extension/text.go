// SPDX-License-Identifier: Apache-2.0

package extension

import "unicode/utf8"

// Clip cuts s, which is UTF-8, to at most limit bytes at a character's border, and marks that it did.
func Clip(s string, limit int) string {
	const ellipsis = "…"
	if len(s) <= limit {
		return s
	}
	end := max(0, limit-len(ellipsis))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}

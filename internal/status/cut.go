// SPDX-License-Identifier: Apache-2.0

package status

import (
	"strings"
	"unicode/utf8"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// A status is at most 32 KiB of JSON, the conditions of others aside. Each text
// has its limit in the API; lists of texts share a room, in bytes of JSON, which
// ends only lists that no person would read.
const (
	availableRoom  = 2 << 10
	candidateRoom  = 4 << 10
	dependencyRoom = 6 << 10
	loadedRoom     = 4 << 10
	// The list of dependencies has this much, and what the rest leaves of the whole.
	dependencyStatusRoom = 8 << 10
	maxStatus            = 32 << 10
	// maxPlaceLength is that of a repository's URL and of a path.
	maxPlaceLength = 512
)

// cut shortens s to at most limit bytes of JSON, at a character's border: what is
// escaped there takes more room than it shows. The result is always UTF-8, as the
// API server would make it so and then hold another status than was computed.
func cut(s string, limit int) string {
	const ellipsis = "…"
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	size, end := 0, 0
	for i, r := range s {
		if size <= limit-len(ellipsis) {
			end = i
		}
		if size += runeSize(r); size > limit {
			return s[:end] + ellipsis
		}
	}
	return s
}

// cutList takes the first of list, at most limit of them and as many as have room.
func cutList(list []string, limit, room int) []string {
	for i, s := range list {
		if room -= jsonSize(s); i == limit || room < 0 {
			return list[:i:i]
		}
	}
	return list
}

// jsonSize is what a valid s takes in a list of JSON strings.
func jsonSize(s string) int {
	size := len(`"",`)
	for _, r := range s {
		size += runeSize(r)
	}
	return size
}

// runeSize is what r takes in a JSON string as Go writes it.
func runeSize(r rune) int {
	switch r {
	case '"', '\\', '\b', '\f', '\n', '\r', '\t':
		return 2
	case '<', '>', '&', '\u2028', '\u2029':
		return len(`\u003c`)
	}
	if r < ' ' {
		return len(`\u0000`)
	}
	return utf8.RuneLen(r)
}

// Message is s as the message of a condition or a step holds it.
func Message(s string) string { return cut(s, api.MaxMessageLength) }

// Cut shortens s to at most limit bytes of JSON, for what follows it in a message.
func Cut(s string, limit int) string { return cut(s, limit) }

// SPDX-License-Identifier: Apache-2.0

package extension_test

import (
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestClip(t *testing.T) {
	g := NewWithT(t)
	g.Expect(extension.Clip("abcdef", 6)).To(Equal("abcdef"))
	g.Expect(extension.Clip("abcdefg", 6)).To(Equal("abc…"))
	g.Expect(extension.Clip("aééé", 6)).To(Equal("aé…"), "not in the middle of a character")
	rapid.Check(t, func(t *rapid.T) {
		s, limit := rapid.String().Draw(t, "s"), rapid.IntRange(3, 40).Draw(t, "limit")
		if cut := extension.Clip(s, limit); len(cut) > limit || !utf8.ValidString(cut) {
			t.Errorf("%q at %d", cut, limit)
		}
	})
}

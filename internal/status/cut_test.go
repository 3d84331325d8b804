// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// shown is the message that people see of a Fault with message.
func shown(g Gomega, message string) string {
	return condition(after(g, newExtension(), failure(&extension.Fault{Code: extension.LoadFailed, Message: message})), api.ReadyCondition).Message
}

func TestLongMessagesAreCutAtACharacter(t *testing.T) {
	g := NewWithT(t)
	limit := strings.Repeat("a", 1024)
	g.Expect(shown(g, limit)).To(Equal(limit), "what fits stays")
	g.Expect(shown(g, limit+"a")).To(Equal(limit[:1021] + "…"))
	g.Expect(shown(g, strings.Repeat("é", 513))).To(Equal(strings.Repeat("é", 510) + "…"))
	g.Expect(shown(g, "a"+strings.Repeat("é", 512))).To(Equal("a" + strings.Repeat("é", 510) + "…"))
	g.Expect(shown(g, "broken \xff\xfe here")).To(Equal("broken \uFFFD here"))
}

// letters take one to six bytes of JSON each.
var letters = []string{
	"a", "é", "語", "🦊", "<", ">", "&", "\"", "\\", "\n", "\r", "\t", "\b", "\f", "\x00", "\x1b", "\x7f", "\u2028", "\u2029", "\uFFFD",
}

func TestALongMessageOfAnyLetterFillsItsRoom(t *testing.T) {
	for _, letter := range letters {
		g := NewWithT(t)
		got := shown(g, strings.Repeat(letter, 2000))
		quotes, ellipsis := len(`""`), len("…")
		g.Expect(jsonLength(g, got)).To(BeNumerically("<=", api.MaxMessageLength+quotes), "%q", letter)
		g.Expect(jsonLength(g, got)).To(BeNumerically(">", api.MaxMessageLength+quotes-ellipsis-6), "%q", letter)
	}
}

func TestMessagesAreCutByWhatTheyTakeAsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		words := rapid.SampledFrom(append([]string{"\xff"}, letters...))
		message := strings.Repeat("a", rapid.IntRange(1, 1100).Draw(t, "lead")) + strings.Join(rapid.SliceOf(words).Draw(t, "words"), "")
		got := shown(g, message)
		g.Expect(utf8.ValidString(got)).To(BeTrue())
		g.Expect(jsonLength(g, got)).To(BeNumerically("<=", api.MaxMessageLength+2)) // and its quotes
		whole := strings.ToValidUTF8(message, "\uFFFD")
		if jsonLength(g, whole) <= api.MaxMessageLength+2 {
			g.Expect(got).To(Equal(whole))
			return
		}
		g.Expect(whole).To(HavePrefix(strings.TrimSuffix(got, "…")))
		g.Expect(jsonLength(g, got)).To(BeNumerically(">", api.MaxMessageLength-12), "no more is cut than needed")
	})
}

func jsonLength(g Gomega, value any) int {
	data, err := json.Marshal(value)
	g.Expect(err).NotTo(HaveOccurred())
	return len(data)
}

func TestTheLargestStatusIsBounded(t *testing.T) {
	for _, letter := range []string{"a", "<", "\x01", "語", "\xff"} {
		t.Run(fmt.Sprintf("of %q", letter), func(t *testing.T) {
			g := NewWithT(t)
			long := strings.Repeat(letter, 4096)
			ext := newExtension()
			for i := range 5 {
				o := good(longVersion(i), strconv.Itoa(i), noon.Add(time.Duration(i)*time.Minute))
				root := &o.Resolution.Root
				root.Path, root.Catalog = long, strings.Repeat("c", 63)
				root.Metadata.Description, root.Metadata.Author, root.Metadata.Repository = long, long, long
				for range 200 {
					root.Metadata.Dependencies = append(root.Metadata.Dependencies, extension.Dependency{
						Type: extension.Taskserv, Name: strings.Repeat("d", 63), Constraint: strings.Repeat("<1 ", 42),
					})
				}
				o.Token = strings.Repeat("<", api.MaxTokenLength)
				ext = after(g, ext, o)
			}
			fault := &extension.Fault{Code: extension.VersionNotFound, Message: long, Available: many()}
			bad := failure(fault)
			for _, v := range fault.Available {
				bad.Resolution.Candidates = append(bad.Resolution.Candidates, extension.Candidate{Version: v, Refused: long})
			}
			got := after(g, ext, bad).Status
			g.Expect(jsonLength(g, got)).To(BeNumerically("<=", 32<<10))
			g.Expect(jsonLength(g, got)).To(BeNumerically(">", 12<<10), "the limits are used")
			g.Expect(len(got.Metadata.Description)).To(BeNumerically("<=", 1024))
			g.Expect(len(got.Metadata.Author)).To(BeNumerically("<=", 256))
			g.Expect(len(got.Metadata.Repository)).To(BeNumerically("<=", 512))
			g.Expect(len(got.Path)).To(BeNumerically("<=", 512))
			g.Expect(len(got.Metadata.Dependencies)).To(BeNumerically("<=", api.MaxDependencies))
			g.Expect(len(got.Resolution)).To(BeNumerically("<=", api.MaxCandidates))
			g.Expect(len(got.AvailableVersions)).To(BeNumerically("<=", api.MaxAvailableVersions))
			for _, c := range got.Resolution {
				g.Expect(len(c.Refused)).To(BeNumerically("<=", api.MaxTextLength))
			}
		})
	}
}

// longVersion is as long as a version can be.
func longVersion(i int) string {
	v := fmt.Sprintf("1.%d.0-", i)
	return v + strings.Repeat("a", extension.MaxVersionLength-len(v))
}

func many() (versions []string) {
	for i := range 100 {
		versions = append(versions, longVersion(i))
	}
	return versions
}

// What people write is never cut.
func TestUsualListsAreWhole(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	root := &o.Resolution.Root
	root.Metadata.Dependencies = nil
	o.Resolution.Candidates = nil
	for i := range api.MaxDependencies {
		root.Metadata.Dependencies = append(root.Metadata.Dependencies,
			extension.Dependency{Type: extension.Taskserv, Name: fmt.Sprintf("a-rather-long-name-of-a-service-%d", i), Constraint: ">=1.27.0 <1.30.0"})
	}
	for i := range api.MaxCandidates {
		o.Resolution.Candidates = append(o.Resolution.Candidates,
			extension.Candidate{Version: fmt.Sprintf("1.%d.0-rc.1", i), Refused: `is incomplete: it has no manifest.toml yet; does not fit ">=1.27.0 <1.30.0"`})
	}
	got := after(g, newExtension(), o).Status
	g.Expect(got.Metadata.Dependencies).To(HaveLen(api.MaxDependencies))
	g.Expect(got.Resolution).To(HaveLen(api.MaxCandidates))
}

// SPDX-License-Identifier: Apache-2.0

package extension_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
)

// shelf is what the constraints of the tables choose from, newest first.
var shelf = []string{
	"2.0.0", "2.0.0-rc.1", "1.30.0", "1.29.4", "1.29.0-rc.1", "1.28.5", "1.28.0", "1.28.0-rc.2",
	"1.28.0-alpha", "1.27.9", "1.2.3", "1.0.0", "0.9.0",
}

func TestConstraintAccepts(t *testing.T) {
	stable := "2.0.0 1.30.0 1.29.4 1.28.5 1.28.0 1.27.9 1.2.3 1.0.0 0.9.0"
	for text, want := range map[string]string{
		"":         stable,
		"   ":      stable,
		"1.28.0":   "1.28.0",
		" 1.28.0 ": "1.28.0",
		"1.28.1":   "",
		// A pre-release is had by its name, or by a range that names one.
		"1.28.0-rc.2":      "1.28.0-rc.2",
		"1.28.0-alpha":     "1.28.0-alpha",
		">=1.28.0-0":       "2.0.0 2.0.0-rc.1 1.30.0 1.29.4 1.29.0-rc.1 1.28.5 1.28.0 1.28.0-rc.2 1.28.0-alpha",
		"~1.28.0-rc.1":     "1.28.5 1.28.0 1.28.0-rc.2",
		">1.28.0-alpha <2": "1.30.0 1.29.4 1.29.0-rc.1 1.28.5 1.28.0 1.28.0-rc.2 2.0.0-rc.1",
		">=1.28.0":         "2.0.0 1.30.0 1.29.4 1.28.5 1.28.0",
		// Ranges.
		"1.28":             "1.28.5 1.28.0",
		"1":                "1.30.0 1.29.4 1.28.5 1.28.0 1.27.9 1.2.3 1.0.0",
		"=1.28":            "1.28.5 1.28.0",
		"v1.28.0":          "1.28.0",
		"~1.28":            "1.28.5 1.28.0",
		"~>1.28.0":         "1.28.5 1.28.0",
		"~1.28.1":          "1.28.5",
		"^1.28":            "1.30.0 1.29.4 1.28.5 1.28.0",
		"^0.9":             "0.9.0",
		"!=1.28.0":         strings.ReplaceAll(stable, " 1.28.0", ""),
		">1.28.0":          "2.0.0 1.30.0 1.29.4 1.28.5",
		"=>1.29":           "2.0.0 1.30.0 1.29.4",
		"<=1.0.0":          "1.0.0 0.9.0",
		">=1.27 <1.30":     "1.29.4 1.28.5 1.28.0 1.27.9",
		">=1.27,<1.30":     "1.29.4 1.28.5 1.28.0 1.27.9",
		">= 1.27 , < 1.30": "1.29.4 1.28.5 1.28.0 1.27.9",
		"1.27 || 1.29":     "1.29.4 1.27.9",
		"<1||>=2":          "2.0.0 0.9.0",
		"1.27 - 1.29":      "1.29.4 1.28.5 1.28.0 1.27.9",
		"*":                stable,
		"x":                stable,
		"1.28.x":           "1.28.5 1.28.0",
		"1.28.*":           "1.28.5 1.28.0",
		"1.X":              "1.30.0 1.29.4 1.28.5 1.28.0 1.27.9 1.2.3 1.0.0",
		// Right, though nothing can fit.
		"1.27.9 1.28.0": "",
		// Read generously, as numbers.
		"01.28.0": "1.28.0",
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			c, err := extension.ParseConstraint(text)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(c.String()).To(Equal(strings.TrimSpace(text)))
			var fits []string
			for _, v := range shelf {
				if c.Accepts(v) {
					fits = append(fits, v)
				}
			}
			g.Expect(fits).To(ConsistOf(strings.Fields(want)))
		})
	}
}

// Each row of the documented grammar: what is written, its meaning, what it takes and what not.
func TestTheDocumentedGrammarIsTrue(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../docs/dependencies.md")
	g.Expect(err).NotTo(HaveOccurred())
	code := regexp.MustCompile("`([^`]+)`")
	rows := regexp.MustCompile(`(?m)^\| ([^|]*(?:\\\|[^|]*)*) \| [^|]* \| ([^|]*) \| ([^|]*) \|$`).FindAllStringSubmatch(string(text), -1)
	checked := 0
	for _, row := range rows {
		written := code.FindAllStringSubmatch(row[1], -1)
		if row[1] == "(nothing)" {
			written = [][]string{{"", ""}}
		}
		for _, one := range written {
			c, err := extension.ParseConstraint(strings.ReplaceAll(one[1], `\|`, "|"))
			if err != nil || !strings.HasPrefix(row[2], "`") || !strings.HasPrefix(row[3], "`") {
				continue // another table
			}
			for _, v := range code.FindAllStringSubmatch(row[2], -1) {
				g.Expect(c.Accepts(v[1])).To(BeTrue(), "%q takes %s", one[1], v[1])
				checked++
			}
			for _, v := range code.FindAllStringSubmatch(row[3], -1) {
				g.Expect(c.Accepts(v[1])).To(BeFalse(), "%q does not take %s", one[1], v[1])
				checked++
			}
		}
	}
	g.Expect(checked).To(BeNumerically(">", 50))
}

func TestConstraintExact(t *testing.T) {
	g := NewWithT(t)
	for text, exact := range map[string]bool{
		"1.28.0": true, " 1.28.0-rc.1 ": true, "1.28": false, "=1.28.0": false, "v1.28.0": false, "01.28.0": false, "": false,
	} {
		c, err := extension.ParseConstraint(text)
		g.Expect(err).NotTo(HaveOccurred())
		version, is := c.Exact()
		g.Expect(is).To(Equal(exact), text)
		g.Expect(version).To(Equal(strings.TrimSpace(text)))
	}
}

func TestConstraintNeverAcceptsGarbage(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"", "1.28.0", "*"} {
		c, err := extension.ParseConstraint(text)
		g.Expect(err).NotTo(HaveOccurred())
		for _, version := range []string{"", "latest", "1.28", "v1.28.0", "1.28.0.0"} {
			g.Expect(c.Accepts(version)).To(BeFalse(), "%q of %q", version, text)
		}
	}
}

func TestParseConstraintRefuses(t *testing.T) {
	neither := "is neither an exact version nor a range; write X.Y.Z such as 1.28.0, or a range such as 1.28, ~1.28 or >=1.27 <1.30"
	metadata := "has build metadata (what follows the +); write it without"
	for text, say := range map[string]string{
		"latest": neither, "1.28.0.0": neither, "1..2": neither, "-1.2.3": neither, "1.28.0-": neither,
		"1.28.0-01": neither, "||": neither, "1 ||": neither, "1|2": neither, "1.27 -1.29": neither,
		"1 - 2 - 3": neither, "> = 1": neither, ">=1.27<1.30": neither, "1.2x": neither,
		"99999999999999999999": neither, "1.2.3é": neither, "1.2.3\x00": neither, "1.28.0\n; rm": neither,
		"$(id)": neither, "../../etc": neither,
		"1.28.0+build": metadata, "1.28.0-rc.1+b": metadata, ">=1.28.0+build": metadata, "1.28+build <2": metadata,
	} {
		t.Run(text, func(t *testing.T) {
			g := NewWithT(t)
			_, err := extension.ParseConstraint(text)
			g.Expect(err).To(MatchError(ContainSubstring("%q %s", text, say)))
			g.Expect(extension.AsFault(err).Code).To(Equal(extension.InvalidVersion))
		})
	}
}

func TestParseConstraintIsBounded(t *testing.T) {
	g := NewWithT(t)
	longest := "1.28.0-" + strings.Repeat("a", extension.MaxVersionLength-len("1.28.0-"))
	_, err := extension.ParseConstraint("  " + longest + "  ")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(extension.ValidVersion(longest)).To(BeTrue())

	_, err = extension.ParseConstraint(longest + "a")
	g.Expect(err).To(MatchError("the version has 129 characters; at most 128 are allowed"))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.InvalidVersion))
	g.Expect(extension.ValidVersion(longest + "a")).To(BeFalse())
}

func TestValidVersion(t *testing.T) {
	g := NewWithT(t)
	for _, v := range []string{"0.0.0", "1.28.0", "1.28.0-rc.1", "1.28.0-0", "1.28.0-a-b.c", "10.20.30"} {
		g.Expect(extension.ValidVersion(v)).To(BeTrue(), v)
	}
	for _, v := range []string{
		"", " 1.28.0", "1.28.0 ", "1.28", "1", "v1.28.0", "01.28.0", "1.028.0", "1.28.0-01", "1.28.0-", "1.28.0+b", "1.28.x",
		"1.28.0/..", "1.28.0\n", "1.28.0.0",
	} {
		g.Expect(extension.ValidVersion(v)).To(BeFalse(), "%q", v)
	}
}

func sortNewestFirst(versions []string) {
	slices.SortFunc(versions, func(a, b string) int { return extension.CompareVersions(b, a) })
}

func TestSortNewestFirst(t *testing.T) {
	g := NewWithT(t)
	versions := []string{"1.9.0", "1.10.0", "1.10.0-rc.2", "1.10.0-rc.10", "1.10.0-alpha", "1.10.0-1", "2.0.0-0"}
	sortNewestFirst(versions)
	g.Expect(versions).To(Equal([]string{
		"2.0.0-0", "1.10.0", "1.10.0-rc.10", "1.10.0-rc.2", "1.10.0-alpha", "1.10.0-1", "1.9.0",
	}))
}

// versions draws from few numbers and words, so that equal and near ones meet.
func versions() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		small := rapid.IntRange(0, 3)
		v := fmt.Sprintf("%d.%d.%d", small.Draw(t, "major"), small.Draw(t, "minor"), small.Draw(t, "patch"))
		return v + rapid.SampledFrom([]string{"", "-0", "-1", "-10", "-alpha", "-alpha.1", "-alpha.beta", "-rc.1", "-rc.10", "-rc-1"}).Draw(t, "pre")
	})
}

func TestCompareVersionsIsATotalOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		a, b, c := versions().Draw(t, "a"), versions().Draw(t, "b"), versions().Draw(t, "c")
		ab, bc, ac := extension.CompareVersions(a, b), extension.CompareVersions(b, c), extension.CompareVersions(a, c)
		g.Expect(extension.CompareVersions(b, a)).To(Equal(-ab), "antisymmetric")
		g.Expect(ab == 0).To(Equal(a == b), "only a version equals itself")
		if ab <= 0 && bc <= 0 {
			g.Expect(ac).To(BeNumerically("<=", 0), "transitive")
		}
	})
}

func TestSortNewestFirstKeepsEveryVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		before := rapid.SliceOf(versions()).Draw(t, "versions")
		after := slices.Clone(before)
		sortNewestFirst(after)
		g.Expect(after).To(ConsistOf(before))
		for i := 1; i < len(after); i++ {
			g.Expect(extension.CompareVersions(after[i-1], after[i])).To(BeNumerically(">=", 0))
		}
	})
}

func TestCompareVersionsOrdersEvenGarbage(t *testing.T) {
	g := NewWithT(t)
	g.Expect(extension.CompareVersions("garbage", "1.0.0")).To(Equal(1))
	g.Expect(extension.CompareVersions("1.0.0", "garbage")).To(Equal(-1))
	g.Expect(extension.CompareVersions("garbage", "garbage")).To(BeZero())
}

func TestFormatVersions(t *testing.T) {
	g := NewWithT(t)
	list := []string{"3.0.0", "2.0.0", "1.0.0"}
	g.Expect(extension.FormatVersions(nil, 2)).To(BeEmpty())
	g.Expect(extension.FormatVersions(list, 3)).To(Equal("3.0.0, 2.0.0, 1.0.0"))
	g.Expect(extension.FormatVersions(list, 2)).To(Equal("3.0.0, 2.0.0 and 1 more"))
}

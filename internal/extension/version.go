// SPDX-License-Identifier: Apache-2.0

package extension

import (
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// MaxVersionLength is the longest version or range, in bytes.
const MaxVersionLength = 128

// ValidVersion tells whether v is exact: X.Y.Z or X.Y.Z-pre. Build metadata is
// refused, because two versions that differ only there compare equal.
func ValidVersion(v string) bool {
	if len(v) > MaxVersionLength {
		return false
	}
	parsed, err := semver.StrictNewVersion(v)
	return err == nil && parsed.Metadata() == ""
}

// Constraint is a parsed exact version or range. The zero Constraint is the
// absent one: it accepts every stable version.
type Constraint struct {
	text   string
	exact  *semver.Version
	ranges *semver.Constraints
}

// ParseConstraint reads the grammar of spec.version: empty, X.Y.Z[-pre], or a
// semver range. A failure is an InvalidVersion Fault.
func ParseConstraint(text string) (Constraint, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return Constraint{}, nil
	}
	if len(text) > MaxVersionLength {
		return Constraint{}, NewFault(InvalidVersion, "the version has %d characters; at most %d are allowed", len(text), MaxVersionLength)
	}
	if strings.Contains(text, "+") {
		return Constraint{}, NewFault(InvalidVersion, "version %q has build metadata (what follows the +); write it without", text)
	}
	if v, err := semver.StrictNewVersion(text); err == nil {
		return Constraint{text: text, exact: v}, nil
	}
	ranges, err := semver.NewConstraint(text)
	if err != nil {
		return Constraint{}, NewFault(InvalidVersion,
			"%q is neither an exact version nor a range; write X.Y.Z such as 1.28.0, or a range such as 1.28, ~1.28 or >=1.27 <1.30", text)
	}
	return Constraint{text: text, ranges: ranges}, nil
}

// Exact returns the one version asked for, and whether it is one.
func (c Constraint) Exact() (string, bool) { return c.text, c.exact != nil }

// String is the text that was parsed.
func (c Constraint) String() string { return c.text }

// Accepts tells whether version, which must be valid, fits. A pre-release fits
// a range only when the range names one.
func (c Constraint) Accepts(version string) bool {
	v, err := semver.StrictNewVersion(version)
	if err != nil {
		return false
	}
	switch {
	case c.exact != nil:
		return c.exact.Equal(v)
	case c.ranges != nil:
		return c.ranges.Check(v)
	default:
		return v.Prerelease() == ""
	}
}

// CompareVersions orders two valid versions: negative when a is older.
func CompareVersions(a, b string) int {
	va, errA := semver.StrictNewVersion(a)
	vb, errB := semver.StrictNewVersion(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return va.Compare(vb)
}

// FormatVersions joins at most limit versions for a message and says how many
// more there are.
func FormatVersions(versions []string, limit int) string {
	if len(versions) <= limit {
		return strings.Join(versions, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(versions[:limit], ", "), len(versions)-limit)
}

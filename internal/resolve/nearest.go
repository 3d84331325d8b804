// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"bytes"
	"slices"

	"github.com/agnivade/levenshtein"
)

// nearest is the name that looks like a slip of the pen of another: at most two
// letters differ, and less than half of them, or two have changed places; of several
// the first. Empty where there is none.
func nearest(name string, names []string) string {
	best, distance := "", 3
	for _, n := range names {
		if len(n)-len(name) > 2 || len(name)-len(n) > 2 {
			continue
		}
		d := levenshtein.ComputeDistance(name, n)
		if (d < distance || d == distance && n < best) && (2*d < len(name) || d == 2 && sameLetters(name, n)) {
			best, distance = n, d
		}
	}
	return best
}

func sameLetters(a, b string) bool {
	return bytes.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
}

// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"slices"

	"github.com/agnivade/levenshtein"
)

// nearest is the name that looks like a slip of the pen of another: at most two
// letters differ, and less than half of them. Empty where there is none.
func nearest(name string, names []string) string {
	far := min(2, (len(name)-1)/2)
	best, distance := "", far+1
	for _, n := range slices.SortedFunc(slices.Values(names), cmp.Compare[string]) {
		if d := levenshtein.ComputeDistance(name, n); d < distance {
			best, distance = n, d
		}
	}
	return best
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// maxMistakes is how many are told at once.
const maxMistakes = 50

// mistakes of all sources.
type mistakes struct{ list []mistake }

type mistake struct {
	by  origin
	err error
}

func (m *mistakes) add(by origin, format string, args ...any) {
	m.list = append(m.list, mistake{by: by, err: fmt.Errorf(format, args...)})
}

// err tells them in the order of the sources, and of the lines of a file.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.list, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.by.rank, b.by.rank), cmp.Compare(a.by.line, b.by.line))
	})
	shown := min(len(m.list), maxMistakes)
	errs := make([]error, 0, shown+1)
	for _, one := range m.list[:shown] {
		errs = append(errs, one.err)
	}
	if more := len(m.list) - shown; more > 0 {
		errs = append(errs, fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// find gives the row that an entry sets, or says what is wrong with it. One that opens a
// table has neither.
func (t *table) find(e entry) (row *setting, wrong string) {
	_, isTable := e.value.(map[string]any)
	row = t.byKey(e.key)
	switch {
	case row != nil:
		return row, ""
	case t.isSection(e.key) && !isTable:
		return nil, fmt.Sprintf("%s is %s, not a table; write [%s] and settings below it", e.key, kindOf(e.value), e.key)
	case t.isSection(e.key):
		return nil, ""
	case isTable:
		return nil, fmt.Sprintf("unknown table [%s]%s", e.key, meant(e.key, t.sections()))
	}
	return nil, fmt.Sprintf("unknown key %s%s", e.key, meant(e.key, t.keys()))
}

// lastName of a key.
func lastName(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// isSection tells whether settings lie below a key.
func (t *table) isSection(key string) bool {
	return slices.ContainsFunc(t.rows, func(row *setting) bool { return strings.HasPrefix(row.key, key+".") })
}

func (t *table) keys() []string {
	keys := make([]string, len(t.rows))
	for i, row := range t.rows {
		keys[i] = row.key
	}
	return keys
}

func (t *table) sections() []string {
	var sections []string
	for _, row := range t.rows {
		if section, _ := row.split(); !slices.Contains(sections, section) {
			sections = append(sections, section)
		}
	}
	return sections
}

// meant proposes one of names for one that is wrong: the only one whose last part is the same, or one
// that looks like it. It is empty where there is none.
func meant(wrong string, names []string) string {
	last := lastName(wrong)
	best, distance, same := "", 3, 0
	for _, name := range names {
		if lastName(name) == last {
			best, distance = name, 0
			same++
		} else if d := levenshtein.ComputeDistance(wrong, name); d < distance {
			best, distance = name, d
		}
	}
	if best == "" || same > 1 {
		return ""
	}
	return "; did you mean " + best + "?"
}

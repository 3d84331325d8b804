// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// maxText bounds a text that others were put into, in bytes: that of a path.
const maxText = 4096

// maxKey is how much of a key is told that stands for nothing, in bytes.
const maxKey = 4 * maxName

// fault is what is wrong with {{key}} in the value of a row.
type fault struct {
	row  *setting
	text string
}

// interpolate replaces {{key}} in texts by what that setting has, which may itself be
// made of others. Those that are given are not at their default.
func (t *table) interpolate(given func(*setting) bool) *interpolation {
	i := &interpolation{table: t, given: given, values: map[*setting][]string{}}
	for _, row := range t.rows {
		if row.holdsText() {
			i.valueOf(row, nil)
		}
	}
	for row, texts := range i.values {
		if texts != nil {
			_ = row.setTexts(texts) // a text takes any text
		}
	}
	return i
}

type interpolation struct {
	table *table
	given func(*setting) bool
	// values that were worked out; nil for those that have none.
	values map[*setting][]string
	faults []fault
}

// failed tells whether a row's text could not be worked out.
func (i *interpolation) failed(row *setting) bool {
	texts, tried := i.values[row]
	return tried && texts == nil
}

// valueOf a row, on the way from those of a chain. It is not ok when there is none, and
// what is wrong has been noted.
func (i *interpolation) valueOf(row *setting, chain []*setting) (texts []string, ok bool) {
	if texts, known := i.values[row]; known {
		return texts, texts != nil
	}
	if at := slices.Index(chain, row); at >= 0 {
		i.circle(chain[at:])
		return nil, false
	}
	if !row.holdsText() {
		return []string{row.flag.Value.String()}, true
	}
	texts, ok = []string{}, true
	for _, text := range row.texts() {
		full, fine := i.expand(row, text, append(chain, row))
		texts, ok = append(texts, full), ok && fine
	}
	if !ok {
		texts = nil
	}
	i.values[row] = texts
	return texts, ok
}

// expand replaces every {{key}} in a text of row.
func (i *interpolation) expand(row *setting, text string, chain []*setting) (full string, ok bool) {
	for {
		before, rest, has := strings.Cut(text, "{{")
		full += before
		if !has {
			return full, true
		}
		key, after, closed := strings.Cut(rest, "}}")
		key = strings.TrimSpace(key)
		target := i.table.byKey(key)
		if wrong := i.refuses(key, target, closed); wrong != "" {
			i.faults = append(i.faults, fault{row, wrong})
			return "", false
		}
		value, known := i.valueOf(target, chain)
		if !known {
			return "", false
		}
		full, text = full+value[0], after
		if len(full)+len(text) > maxText {
			i.faults = append(i.faults, fault{row, fmt.Sprintf("with {{%s}} it has over %d bytes; shorten it", key, maxText)})
			return "", false
		}
	}
}

// refuses says why nothing can stand for {{key}}; empty when something can.
func (i *interpolation) refuses(key string, target *setting, closed bool) string {
	key = extension.Clip(key, maxKey)
	switch {
	case !closed:
		return "a {{ has no }} after it; write {{section.name}}"
	case target == nil && i.table.isSection(key):
		return fmt.Sprintf("{{%s}} is a table; name one setting of it", key)
	case target == nil:
		return fmt.Sprintf("{{%s}} names no setting%s", key, meant(key, i.table.keys()))
	case target.isList():
		return fmt.Sprintf("{{%s}} is a list; name a setting of one value", key)
	}
	return ""
}

// circle notes that rows are made of each other: once, where somebody wrote it.
func (i *interpolation) circle(rows []*setting) {
	names := make([]string, 0, len(rows)+1)
	for _, row := range rows {
		names = append(names, row.key)
	}
	guilty := max(0, slices.IndexFunc(rows, i.given))
	i.faults = append(i.faults, fault{rows[guilty], fmt.Sprintf("goes in a circle: %s → %s; write one of them out", strings.Join(names, " → "), names[0])})
}

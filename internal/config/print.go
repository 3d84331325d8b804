// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed" // of the defaults
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// DefaultsFile is a configuration file with every setting at its default, and what it is.
// It is made of the table (make reference), and shipped for people to read.
//
//go:embed config.defaults.toml
var DefaultsFile string

// TOML is the settings in force as a configuration file: beside each what set it, and
// what that has overruled. There are no secrets among them.
func (e *Effective) TOML() string {
	return e.table.toml(func(row *setting) (before, line string) {
		return "", fmt.Sprintf("%s # %s", row.assignment(), e.told(row))
	})
}

// told is what set a setting, and what it was set to before.
func (e *Effective) told(row *setting) string {
	text := strings.Builder{}
	text.WriteString(e.origin(row).String())
	for _, g := range e.overruled(row) {
		fmt.Fprintf(&text, ", over %s (%s)", g.by, g.value)
	}
	return text.String()
}

// overruled is what was said of a setting and does not count, that which came closest first.
func (e *Effective) overruled(row *setting) []saying {
	all := slices.Clone(e.said[row][:max(0, len(e.said[row])-1)])
	slices.Reverse(all)
	return all
}

// JSON is the same for programs: key → value, source and what was overruled.
func (e *Effective) JSON() (string, error) {
	type other struct {
		Source string `json:"source"`
		Value  string `json:"value"`
	}
	type shown struct {
		Value     any     `json:"value"`
		Source    string  `json:"source"`
		Overruled []other `json:"overruled,omitempty"`
	}
	all := map[string]shown{}
	for _, row := range e.table.rows {
		one := shown{Value: row.plain(), Source: e.origin(row).String()}
		for _, g := range e.overruled(row) {
			one.Overruled = append(one.Overruled, other{g.by.String(), g.value})
		}
		all[row.key] = one
	}
	text, err := json.MarshalIndent(all, "", "  ")
	return string(text) + "\n", err
}

// plain is the value as JSON has it.
func (s *setting) plain() any {
	switch s.kind() {
	case "stringArray", "stringSlice":
		return s.texts()
	case "int", "bool":
		return json.RawMessage(s.literal())
	default:
		return s.texts()[0]
	}
}

// assignment is the line of a file that sets the value.
func (s *setting) assignment() string {
	_, name := s.split()
	return name + " = " + s.literal()
}

// toml writes every setting in its section, as write has it: what stands before it, and
// its line.
func (t *table) toml(write func(*setting) (before, line string)) string {
	var out strings.Builder
	current := ""
	for _, row := range t.rows {
		if section, _ := row.split(); section != current {
			if current != "" {
				out.WriteString("\n")
			}
			current = section
			fmt.Fprintf(&out, "[%s]\n", section)
		}
		before, line := write(row)
		out.WriteString(before + line + "\n")
	}
	return out.String()
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"maps"
	"slices"
	"strings"
)

// take sets a setting by way of assign, unless the value is none for it.
func (e *Effective) take(row *setting, by origin, assign func() error) error {
	before := row.texts()
	if err := assign(); err != nil {
		_ = row.setTexts(before) // some are spoiled by what they do not take
		return err
	}
	e.said[row] = append(e.said[row], saying{by: by, value: row.literal()})
	return nil
}

func (e *Effective) takeFile(m *mistakes) {
	if e.sources.File == "" {
		return
	}
	at := func(line int) origin { return origin{rank: inFile, name: e.sources.File, line: line} }
	data, err := readFile(e.sources.File)
	if err != nil {
		m.add(at(0), "%s: %w", e.sources.File, err)
		return
	}
	entries, wrong := parse(data)
	if wrong != nil {
		m.add(at(wrong.line), "%s: %s", at(wrong.line), wrong.text)
		return
	}
	refused := "." // the table that was refused, and with it its keys
	for _, entry := range entries {
		if strings.HasPrefix(entry.key, refused+".") {
			continue
		}
		row, wrong := e.table.find(entry)
		if row != nil {
			if err := e.take(row, at(entry.line), func() error { return row.assign(entry.value) }); err != nil {
				wrong = row.key + " " + err.Error()
			}
		}
		if wrong != "" {
			m.add(at(entry.line), "%s: %s", at(entry.line), wrong)
			refused = entry.key
		}
	}
}

func (e *Effective) takeEnvironment(m *mistakes) {
	rows := map[string]*setting{}
	for _, row := range e.table.rows {
		rows[row.variable()] = row
	}
	for _, variable := range e.sources.Environ {
		name, text, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, EnvironmentPrefix) {
			continue
		}
		by, row := origin{rank: inEnvironment, name: name}, rows[name]
		if row == nil {
			m.add(by, "%s is no setting's environment variable%s", name, meant(name, slices.Sorted(maps.Keys(rows))))
			continue
		}
		if err := e.take(row, by, func() error { return row.assignText(text) }); err != nil {
			m.add(by, "%s %w", name, err)
		}
	}
}

func (e *Effective) takeFlags(m *mistakes) {
	if e.sources.Flags == nil {
		return
	}
	for _, row := range e.table.rows {
		flag := e.sources.Flags.Lookup(row.flag.Name)
		if flag == nil || !flag.Changed {
			continue
		}
		by := origin{rank: onCommandLine, name: "--" + flag.Name}
		if err := e.take(row, by, func() error { return row.setTexts(textsIn(flag.Value)) }); err != nil {
			m.add(by, "%s: %w", by, err)
		}
	}
}

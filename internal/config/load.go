// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// Sources of settings. Of two that set the same, the later counts: defaults, file,
// environment, flags.
type Sources struct {
	// File is the path of a configuration file; empty for none.
	File string
	// Environ is the environment, as os.Environ gives it.
	Environ []string
	// Flags are those of Settings.Flags, parsed: those that were given count. It may be nil.
	Flags *pflag.FlagSet
}

// Source is what set a value. The zero one is the default.
type Source struct {
	rank rank
	// name of the file, the variable or the flag; line of the file.
	name string
	line int
}

// rank of a source: the higher counts.
type rank int

const (
	standard rank = iota
	inFile
	inEnvironment
	onCommandLine
)

// String is how people find the source.
func (s Source) String() string {
	switch s.rank {
	case standard:
		return "default"
	case inFile:
		return fmt.Sprintf("%s:%d", s.name, s.line)
	default:
		return s.name
	}
}

// Effective are the settings in force, and what set each.
type Effective struct {
	Settings Settings

	sources Sources
	table   *table
	// set is what has set a setting, the one that counts last; nothing for the default.
	set map[*setting][]given
}

// given is what one source said of a setting, as it stands in a file.
type given struct {
	source Source
	value  string
}

// Load reads every source. The error tells every mistake, each with the flag, the
// environment variable, or the line of the file where it is.
func Load(from Sources) (*Effective, error) {
	if from.File == "" {
		return evaluate(from, nil)
	}
	data, err := readFile(from.File)
	if err != nil {
		_, others := evaluate(from, nil)
		return nil, errors.Join(err, others)
	}
	return evaluate(from, data)
}

// evaluate is Load with the file's content.
func evaluate(from Sources, data []byte) (*Effective, error) {
	e := &Effective{sources: from, set: map[*setting][]given{}}
	e.table = newTable(&e.Settings, true)
	m := &mistakes{}
	e.takeFile(data, m)
	e.takeEnvironment(m)
	e.takeFlags(m)
	texts := e.table.interpolate(e.source)
	for _, f := range texts.faults {
		m.add(e.source(f.row), "%s: %s", e.nameOf(f.row), f.text)
	}
	for _, row := range e.table.rows {
		if err := row.check(e.nameOf(row)); err != nil && !texts.failed(row) {
			m.add(e.source(row), "%s", err)
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// File is the path of the configuration file; empty for none.
func (e *Effective) File() string { return e.sources.File }

// source is what set a setting.
func (e *Effective) source(row *setting) Source {
	if all := e.set[row]; len(all) > 0 {
		return all[len(all)-1].source
	}
	return Source{}
}

// nameOf a setting, as what set it has it.
func (e *Effective) nameOf(row *setting) string {
	source := e.source(row)
	switch source.rank {
	case standard:
		return "--" + row.flag.Name
	case inFile:
		return source.String() + ": " + row.key
	default:
		return source.name
	}
}

// take sets a setting from a source, by way of assign.
func (e *Effective) take(row *setting, source Source, assign func() error) error {
	before := row.texts()
	if err := assign(); err != nil {
		_ = row.setTexts(before) // some values are spoiled by what they do not take
		return err
	}
	e.set[row] = append(e.set[row], given{source: source, value: row.literal()})
	return nil
}

func (e *Effective) takeFile(data []byte, m *mistakes) {
	at := func(line int) Source { return Source{rank: inFile, name: e.sources.File, line: line} }
	entries, wrong := parse(data)
	if wrong != nil {
		m.add(at(wrong.line), "%s: %s", at(wrong.line), wrong.text)
		return
	}
	refused := "." // the table whose keys were refused with it
	for _, entry := range entries {
		if strings.HasPrefix(entry.key, refused+".") {
			continue
		}
		source := at(entry.line)
		row, wrong := e.table.find(entry)
		if row != nil {
			if err := e.take(row, source, func() error { return row.assign(entry.value) }); err != nil {
				wrong = row.key + " " + err.Error()
			}
		}
		if wrong != "" {
			m.add(source, "%s: %s", source, wrong)
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
		source := Source{rank: inEnvironment, name: name}
		row := rows[name]
		if row == nil {
			m.add(source, "%s is no setting's environment variable%s", name, meant(name, slices.Sorted(maps.Keys(rows))))
			continue
		}
		if err := e.take(row, source, func() error { return row.assignText(text) }); err != nil {
			m.add(source, "%s %w", name, err)
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
		source := Source{rank: onCommandLine, name: "--" + flag.Name}
		if err := e.take(row, source, func() error { return copyValue(flag.Value, row.flag.Value) }); err != nil {
			m.add(source, "%s: %w", source, err)
		}
	}
}

// mistakes of all sources.
type mistakes struct{ list []mistake }

type mistake struct {
	source Source
	err    error
}

func (m *mistakes) add(source Source, format string, args ...any) {
	m.list = append(m.list, mistake{source: source, err: fmt.Errorf(format, args...)})
}

// maxMistakes is how many are told at once.
const maxMistakes = 50

// err tells them in the order of the sources, and of the lines of a file.
func (m *mistakes) err() error {
	slices.SortStableFunc(m.list, func(a, b mistake) int {
		return cmp.Or(cmp.Compare(a.source.rank, b.source.rank), cmp.Compare(a.source.line, b.source.line))
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

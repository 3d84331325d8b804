// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

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

// Effective are the settings in force, and what set each.
type Effective struct {
	Settings Settings

	sources Sources
	table   *table
	// said is what sources said of a setting, the one that counts last; nothing for the default.
	said map[*setting][]saying
}

// saying is what one source said of a setting, as a file would.
type saying struct {
	by    origin
	value string
}

// Load reads every source. The error tells every mistake, each with the flag, the
// environment variable, or the line of the file where it is.
func Load(from Sources) (*Effective, error) {
	e := &Effective{sources: from, said: map[*setting][]saying{}}
	e.table = newTable(&e.Settings, true)
	m := &mistakes{}
	e.takeFile(m)
	e.takeEnvironment(m)
	e.takeFlags(m)
	texts := e.table.interpolate(func(row *setting) bool { return len(e.said[row]) > 0 })
	for _, f := range texts.faults {
		m.add(e.origin(f.row), "%s: %s", e.nameOf(f.row), f.text)
	}
	for _, row := range e.table.rows {
		if err := row.check(e.nameOf(row)); err != nil && !texts.failed(row) {
			m.add(e.origin(row), "%w", err)
		}
	}
	if err := m.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// File is the path of the configuration file; empty for none.
func (e *Effective) File() string { return e.sources.File }

// origin of what a setting is.
func (e *Effective) origin(row *setting) origin {
	if all := e.said[row]; len(all) > 0 {
		return all[len(all)-1].by
	}
	return origin{}
}

// nameOf a setting, as its origin has it.
func (e *Effective) nameOf(row *setting) string {
	by := e.origin(row)
	switch by.rank {
	case standard:
		return "--" + row.flag.Name
	case inFile:
		return by.String() + ": " + row.key
	default:
		return by.name
	}
}

// origin is what set a value. The zero one is the default.
type origin struct {
	rank rank
	// name of the file, the variable or the flag; line of the file.
	name string
	line int
}

// rank of an origin: the higher counts.
type rank int

const (
	standard rank = iota
	inFile
	inEnvironment
	onCommandLine
)

// String is how people find it.
func (o origin) String() string {
	switch o.rank {
	case standard:
		return "default"
	case inFile:
		return fmt.Sprintf("%s:%d", o.name, o.line)
	default:
		return o.name
	}
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"
)

// EnvironmentPrefix begins the name of every environment variable that sets something.
const EnvironmentPrefix = "EXTOP_"

// table has one row for each setting, in the order of the defaults file. It is bound to
// one Settings.
type table struct {
	rows   []*setting
	groups cliflag.NamedFlagSets
	// fresh: each setting gets its default; otherwise it keeps its value.
	fresh bool
	// section and flags are those of the rows that are being added.
	section string
	flags   *pflag.FlagSet
}

// setting is a row: everything that is known of one setting.
type setting struct {
	// key has a section and a name, as in orchestrator.extensions.cache_dir.
	key string
	// flag has the setting's flag, type, help and, as text, its value.
	flag *pflag.Flag
	// follows is what the machine decides the default by; empty where it is the same everywhere.
	follows string
	// check tells what is wrong with the value, under the name of what set it.
	check func(name string) error
}

// newTable binds every setting to s.
func newTable(s *Settings, fresh bool) *table {
	t := &table{fresh: fresh}
	t.paths(s)
	t.extensions(s)
	t.loading(s)
	t.limits(s)
	t.manager(s)
	t.api(s)
	t.installation(s)
	t.audit(s)
	return t
}

// in has the rows that follow be in a section of the file and a group of flags.
func (t *table) in(section, group string) {
	t.section, t.flags = section, t.groups.FlagSet(group)
}

// bind is how pflag takes a variable of one type.
type bind[T any] func(flags *pflag.FlagSet, at *T, name string, value T, usage string)

func add[T any](t *table, bind bind[T], name, flag string, at *T, standard T, help string, checks []check[T]) *setting {
	if t.fresh {
		*at = standard
	}
	bind(t.flags, at, flag, *at, help)
	row := &setting{key: t.section + "." + name, flag: t.flags.Lookup(flag)}
	row.check = func(name string) error {
		errs := make([]error, 0, len(checks))
		for _, c := range checks {
			errs = append(errs, c(name, *at))
		}
		return errors.Join(errs...)
	}
	t.rows = append(t.rows, row)
	return row
}

// The rest add a row each: its name in the file's section, its flag, where its value is
// kept, its default, what it is, and what is asked of it.

func (t *table) text(name, flag string, at *string, standard, help string, checks ...check[string]) {
	add(t, (*pflag.FlagSet).StringVar, name, flag, at, standard, help, checks)
}

func (t *table) list(name, flag string, at *[]string, standard []string, help string, checks ...check[[]string]) {
	add(t, (*pflag.FlagSet).StringArrayVar, name, flag, at, standard, help, checks)
}

// words are a list whose flag may have several at once, separated by commas.
func (t *table) words(name, flag string, at *[]string, standard []string, help string, checks ...check[[]string]) {
	add(t, (*pflag.FlagSet).StringSliceVar, name, flag, at, standard, help, checks)
}

func (t *table) number(name, flag string, at *int, standard int, help string, checks ...check[int]) *setting {
	return add(t, (*pflag.FlagSet).IntVar, name, flag, at, standard, help, checks)
}

// boolean is on by default, as all that can be turned off are.
func (t *table) boolean(name, flag string, at *bool, help string) {
	add(t, (*pflag.FlagSet).BoolVar, name, flag, at, true, help, nil)
}

func (t *table) duration(name, flag string, at *time.Duration, standard time.Duration, help string, checks ...check[time.Duration]) {
	add(t, (*pflag.FlagSet).DurationVar, name, flag, at, standard, help, checks)
}

// byKey finds the row of a key; nil for none.
func (t *table) byKey(key string) *setting {
	for _, row := range t.rows {
		if row.key == key {
			return row
		}
	}
	return nil
}

// variable is the environment variable of a setting: its key in capitals.
func (s *setting) variable() string {
	return EnvironmentPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// split takes a key apart.
func (s *setting) split() (section, name string) {
	at := strings.LastIndexByte(s.key, '.')
	return s.key[:at], s.key[at+1:]
}

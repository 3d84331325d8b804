// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// errHelp is what parse answers to --help.
var errHelp = errors.New("help was asked for")

// options are the arguments, checked.
type options struct {
	reportFD   int      // -1: none, a person started this
	limits     []limit  // in the order of limitFlags
	read       []string // absolute folders that the program may read
	bestEffort bool     // go on without Landlock's network or signal rules
	check      bool     // set every layer, say so, and execute nothing
	argv       []string // the program and its arguments, at least one without check
}

// limit is one resource limit: soft is where the kernel's signal or error comes, hard cannot be raised again.
type limit struct {
	name       string
	resource   int
	soft, hard uint64
}

// limitFlags are the limits that can be asked for. The address space is last: once it is set, this program itself may
// no longer be able to map memory.
var limitFlags = []limit{
	{name: "cpu", resource: unix.RLIMIT_CPU},
	{name: "open-files", resource: unix.RLIMIT_NOFILE},
	{name: "file-size", resource: unix.RLIMIT_FSIZE},
	{name: "address-space", resource: unix.RLIMIT_AS},
}

// parse reads the arguments. Everything after "--" is the program's.
func parse(args []string) (options, error) {
	opts := options{reportFD: -1}
	given := make(map[string]uint64, len(limitFlags)+1)
	for i, arg := range args {
		if arg == "--" {
			opts.argv = args[i+1:]
			break
		}
		if err := opts.take(arg, given); err != nil {
			return options{}, err
		}
	}
	switch {
	case len(opts.argv) == 0 && !opts.check:
		return options{}, errors.New("no program: name it after --")
	case len(opts.argv) != 0 && opts.check:
		return options{}, errors.New("--check executes nothing: leave out the program")
	}
	if fd, ok := given["report-fd"]; ok {
		if fd < 3 || fd > 1<<20 {
			return options{}, errors.New("--report-fd must be 3 or higher: 0, 1 and 2 are the program's")
		}
		opts.reportFD = int(fd)
	}
	opts.limits = limitsOf(given)
	return opts, nil
}

// take takes one argument before "--"; numbers are kept in given.
func (o *options) take(arg string, given map[string]uint64) error {
	folder, isFolder := strings.CutPrefix(arg, "--read=")
	switch {
	case arg == "--help" || arg == "-h":
		return errHelp
	case arg == "--check":
		o.check = true
		return nil
	case arg == "--best-effort":
		o.bestEffort = true
		return nil
	case isFolder && !path.IsAbs(folder):
		return errors.New("--read needs an absolute folder, as --read=/srv/extensions")
	case isFolder:
		o.read = append(o.read, folder)
		return nil
	}
	name, number, err := parseNumber(arg)
	if err != nil {
		return err
	}
	if _, twice := given[name]; twice {
		return errors.New("--" + name + " is given twice")
	}
	given[name] = number
	return nil
}

// parseNumber reads one --name=number.
func parseNumber(arg string) (string, uint64, error) {
	flag, value, found := strings.Cut(arg, "=")
	name, dashed := strings.CutPrefix(flag, "--")
	if !dashed || !known(name) {
		return "", 0, errors.New("unknown option " + strconv.Quote(arg) + " before --")
	}
	number, err := strconv.ParseUint(value, 10, 63)
	if !found || err != nil || number == 0 {
		return "", 0, errors.New("--" + name + " needs a whole number above 0, as --" + name + "=100")
	}
	return name, number, nil
}

func known(name string) bool {
	for _, l := range limitFlags {
		if l.name == name {
			return true
		}
	}
	return name == "report-fd"
}

func limitsOf(given map[string]uint64) []limit {
	var limits []limit
	for _, l := range limitFlags {
		value, ok := given[l.name]
		if !ok {
			continue
		}
		l.soft, l.hard = value, value
		if l.resource == unix.RLIMIT_CPU {
			l.hard++ // a program that ignores SIGXCPU meets SIGKILL one second later
		}
		limits = append(limits, l)
	}
	return limits
}

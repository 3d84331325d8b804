// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// errHelp is what parse answers to --help.
var errHelp = errors.New("help was asked for")

// options are the arguments, checked.
type options struct {
	reportFD int      // -1: none, a person started this
	limits   []limit  // in the order of limitFlags
	argv     []string // the program and its arguments, at least one
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
		if arg == "--help" || arg == "-h" {
			return options{}, errHelp
		}
		name, number, err := parseFlag(arg)
		if err != nil {
			return options{}, err
		}
		if _, twice := given[name]; twice {
			return options{}, errors.New("--" + name + " is given twice")
		}
		given[name] = number
	}
	if len(opts.argv) == 0 {
		return options{}, errors.New("no program: name it after --")
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

// parseFlag reads one --name=number.
func parseFlag(arg string) (string, uint64, error) {
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

// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Command is one program to run. Nothing of the manager's environment is inherited.
type Command struct {
	// Path of the program, absolute. It is not searched for, and it is argument 0. With a helper it must be a static binary:
	// a script or a dynamic loader would be another file to execute.
	Path string
	// Read are folders, absolute, of which the program may read what is below; it may read itself and nothing else, and write
	// nothing at all. They must exist.
	Read []string
	// Args from argument 1 on: any bytes but NUL.
	Args []string
	// Dir is the working folder, absolute; empty means "/".
	Dir string
	// Env is the whole environment, KEY=VALUE, each key once. Empty means an empty environment.
	Env []string
	// Stdin is what the program can read, then end of file. It need not read it. A [Worker] is sent it by Finish instead.
	Stdin []byte
	// Yielding has every other process go first where there is not time for all.
	Yielding bool

	// check has the helper set every layer and execute nothing; see Probe.
	check bool
}

// Limits bound one process. Every one is needed; start from [DefaultLimits].
type Limits struct {
	// CPU time, rounded up to whole seconds: the kernel counts no finer.
	CPU time.Duration
	// AddressSpace in bytes: how much memory the process may map. At the limit its allocation fails; a program mostly
	// aborts then, which shows as a signal in the Result.
	AddressSpace int64
	// FileSize in bytes: the largest file it may write.
	FileSize int64
	// OpenFiles: how many descriptors it may have open.
	OpenFiles int64
	// Stdout and Stderr, in bytes: how much is kept of each. One byte more ends the process.
	Stdout, Stderr int64
}

// DefaultLimits are generous for one load: Nushell starts in milliseconds, with 60 MB of address space and six
// descriptors.
func DefaultLimits() Limits {
	return Limits{
		CPU:          5 * time.Second,
		AddressSpace: 384 << 20,
		FileSize:     1 << 20,
		OpenFiles:    128,
		Stdout:       1 << 20,
		Stderr:       256 << 10,
	}
}

func (l Limits) validate() error {
	if l.CPU <= 0 {
		return &InvalidError{"limit CPU must be above 0"}
	}
	for _, one := range []struct {
		name  string
		value int64
	}{
		{"AddressSpace", l.AddressSpace}, {"FileSize", l.FileSize}, {"OpenFiles", l.OpenFiles},
		{"Stdout", l.Stdout}, {"Stderr", l.Stderr},
	} {
		if one.value <= 0 {
			return &InvalidError{fmt.Sprintf("limit %s must be above 0", one.name)}
		}
	}
	return nil
}

// cpuSeconds is the CPU limit as the kernel takes it.
func (l Limits) cpuSeconds() int64 {
	return int64((l.CPU + time.Second - 1) / time.Second)
}

func (c Command) validate() error {
	if !filepath.IsAbs(c.Path) {
		return &InvalidError{fmt.Sprintf("program %q is not an absolute path", c.Path)}
	}
	if c.Dir != "" && !filepath.IsAbs(c.Dir) {
		return &InvalidError{fmt.Sprintf("working folder %q is not an absolute path", c.Dir)}
	}
	for _, folder := range c.Read {
		if !filepath.IsAbs(folder) {
			return &InvalidError{fmt.Sprintf("folder to read %q is not an absolute path", folder)}
		}
	}
	if strings.Contains(c.Path+c.Dir+strings.Join(c.Read, ""), "\x00") {
		return &InvalidError{"a path holds a NUL byte"}
	}
	for i, arg := range c.Args {
		if strings.Contains(arg, "\x00") {
			return &InvalidError{fmt.Sprintf("argument %d holds a NUL byte", i+1)}
		}
	}
	return validateEnv(c.Env)
}

// validateEnv refuses what the standard library would silently change: a key that comes twice, an entry without a key.
// The message never holds a value, which may be a secret.
func validateEnv(env []string) error {
	seen := make(map[string]bool, len(env))
	for i, entry := range env {
		key, _, found := strings.Cut(entry, "=")
		if !found || key == "" || strings.Contains(entry, "\x00") {
			return &InvalidError{fmt.Sprintf("environment entry %d is not KEY=VALUE", i)}
		}
		if seen[key] {
			return &InvalidError{fmt.Sprintf("environment variable %s is given twice", key)}
		}
		seen[key] = true
	}
	return nil
}

// helperArgs are the helper's arguments; reportDescriptor is where it finds the report's pipe.
func helperArgs(mode Mode, c Command, l Limits) []string {
	args := []string{
		"--report-fd=" + strconv.Itoa(reportDescriptor),
		"--cpu=" + strconv.FormatInt(l.cpuSeconds(), 10),
		"--open-files=" + strconv.FormatInt(l.OpenFiles, 10),
		"--file-size=" + strconv.FormatInt(l.FileSize, 10),
		"--address-space=" + strconv.FormatInt(l.AddressSpace, 10),
	}
	if mode == BestEffort {
		args = append(args, "--best-effort")
	}
	for _, folder := range c.Read {
		args = append(args, "--read="+folder)
	}
	if c.check {
		return append(args, "--check")
	}
	return slices.Concat(args, []string{"--", c.Path}, c.Args)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// files are descriptors of what the program may use, opened before anything is taken away. They name files and read
// nothing (O_PATH).
type files struct {
	program int // -1: none, with --check
	folders []int
}

// open opens the program and the folders. what and step are for the report.
func open(opts options) (opened files, what, step string, errno syscall.Errno) {
	opened.program = -1
	if !opts.check {
		if opened.program, errno = openProgram(opts.argv[0]); errno != 0 {
			return opened, stepExec, "open", errno
		}
		opened.program = beyond(opened.program, opts.limits)
	}
	for _, path := range opts.read {
		folder, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return opened, stepRead, "open", errnoOf(err)
		}
		opened.folders = append(opened.folders, folder)
	}
	return opened, "", "", 0
}

// openProgram opens a regular file that somebody may execute; whether we may is for the kernel to say.
func openProgram(path string) (int, syscall.Errno) {
	program, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, errnoOf(err)
	}
	var info unix.Stat_t
	if err := unix.Fstat(program, &info); err != nil {
		return -1, errnoOf(err)
	}
	if info.Mode&unix.S_IFMT != unix.S_IFREG || info.Mode&0o111 == 0 {
		return -1, unix.EACCES
	}
	return program, 0
}

// beyond moves the program's descriptor to a number that the limit of open files puts out of reach of what the program
// opens later. The filter allows to execute this number alone, so there is one exec, ours. Without such a limit, or with a
// tighter one in force already, the number stays.
func beyond(program int, limits []limit) int {
	for _, l := range limits {
		if l.resource != unix.RLIMIT_NOFILE {
			continue
		}
		if moved, err := unix.FcntlInt(uintptr(program), unix.F_DUPFD_CLOEXEC, int(l.hard)); err == nil {
			return moved
		}
	}
	return program
}

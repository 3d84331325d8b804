// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"syscall"
	"unsafe"
)

// reporter tells the manager, or a person, what happened. Its methods allocate nothing, so that they work after the
// address space is limited.
type reporter struct {
	descriptor int    // -1: a person, on standard error
	program    string // for the sentence a person reads
	buffer     [1024]byte
}

// Reports that everything asked for is set; "rlimits" only where all four limits were asked for.
var (
	reportAll      = []byte(`{"enforced":["descriptors","no_new_privs","rlimits"]}` + "\n")
	reportNoLimits = []byte(`{"enforced":["descriptors","no_new_privs"]}` + "\n")
)

// enforced writes the first line of the report.
func (r *reporter) enforced(line []byte) {
	if r.descriptor < 0 {
		return
	}
	if errno := write(r.descriptor, line); errno != 0 {
		exit(exitSandbox) // nobody reads: the manager is gone
	}
}

// fail says what could not be done and ends the process. what is a layer or stepExec, step one call of it.
func (r *reporter) fail(what, step string, errno syscall.Errno) {
	line := r.buffer[:0]
	if r.descriptor < 0 {
		line = append(line, "extension-sandbox: "...)
		if what == stepExec {
			line = append(line, "cannot execute "...)
			line = append(line, r.program[:min(len(r.program), 512)]...)
		} else {
			line = append(line, "cannot set "...)
			line = append(line, what...)
			line = append(line, " ("...)
			line = append(line, step...)
			line = append(line, ')')
		}
		line = append(line, ": "...)
		line = append(line, errno.Error()...)
	} else {
		line = append(line, `{"failed":"`...)
		line = append(line, what...)
		line = append(line, `","step":"`...)
		line = append(line, step...)
		line = append(line, `","errno":`...)
		line = strconv.AppendUint(line, uint64(errno), 10)
		line = append(line, '}')
	}
	_ = write(max(r.descriptor, 2), append(line, '\n'))
	exit(exitCode(what, errno))
}

func exitCode(what string, errno syscall.Errno) int {
	switch {
	case what != stepExec:
		return exitSandbox
	case errno == syscall.ENOENT || errno == syscall.ENOTDIR:
		return exitNotFound
	default:
		return exitNotExecutable
	}
}

// write and exit are bare system calls: the scheduler does not learn of them, so it starts no thread because of them.
// A line is far shorter than a pipe's buffer: it is written whole.
func write(descriptor int, line []byte) syscall.Errno {
	_, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(descriptor),
		uintptr(unsafe.Pointer(unsafe.SliceData(line))), uintptr(len(line)))
	return errno
}

func exit(code int) {
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, uintptr(code), 0, 0)
	}
}

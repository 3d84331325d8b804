// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// reporter tells the manager, or a person, what happened. enforced, fail and what they call allocate nothing, so that they
// work after the address space is limited.
type reporter struct {
	descriptor int    // -1: a person, on standard error
	program    string // for the sentence a person reads
	line       []byte // what enforced writes
	to         int    // where it does; -1: nowhere
	buffer     [1024]byte
}

// newReporter makes one for the layers that will be in force, before any is.
func newReporter(opts options) *reporter {
	r := &reporter{descriptor: opts.reportFD, to: opts.reportFD}
	if len(opts.argv) > 0 {
		r.program = opts.argv[0]
	}
	return r
}

// promise prepares the line that enforced writes: for the manager JSON, for a person who checks words.
func (r *reporter) promise(layers []string, check bool) {
	switch {
	case r.descriptor >= 0:
		r.line = []byte(`{"enforced":["` + strings.Join(layers, `","`) + `"]}` + "\n")
	case check:
		r.to, r.line = 1, []byte("enforced: "+strings.Join(layers, ", ")+"\n")
	}
}

// enforced writes the first line of the report.
func (r *reporter) enforced() {
	if r.to < 0 {
		return
	}
	if errno := write(r.to, r.line); errno != 0 {
		exit(exitSandbox) // nobody reads: the manager is gone
	}
}

// fail says what could not be done and ends the process. what is a layer, stepExec or stepRead, step one call of it.
func (r *reporter) fail(what, step string, errno syscall.Errno) {
	line := r.buffer[:0]
	if r.descriptor < 0 {
		line = r.sentence(line, what, step, errno)
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

// sentence appends what a person reads.
func (r *reporter) sentence(line []byte, what, step string, errno syscall.Errno) []byte {
	line = append(line, "extension-sandbox: "...)
	switch what {
	case stepExec:
		line = append(line, "cannot execute "...)
		line = append(line, r.program[:min(len(r.program), 512)]...)
	case stepRead:
		line = append(line, "cannot open a folder of --read"...)
	default:
		line = append(line, "cannot set "...)
		line = append(line, what...)
		line = append(line, " ("...)
		line = append(line, step...)
		line = append(line, ')')
	}
	line = append(line, ": "...)
	line = append(line, errno.Error()...)
	if what == stepExec && step != "open" {
		line = append(line, "; only a static program can run here, no script and none that needs a loader"...)
	}
	return line
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

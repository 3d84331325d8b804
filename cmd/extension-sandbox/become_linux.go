// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// last is the end of this program, prepared down to the pointers: the resource limits, the report and the exec.
//
// The Go runtime has hundreds of megabytes of address space reserved from its start, so with RLIMIT_AS set any further
// mapping of memory ends it with a crash. Between that limit and execve there are therefore only bare system calls on
// memory that exists, and no other goroutine gets to run.
type last struct {
	limits     []limit
	rlimits    []unix.Rlimit // of limits, in the kernel's shape
	report     []byte
	path       *byte
	argv, envp []*byte
}

// prepare does all of last that allocates.
func prepare(opts options) (*last, syscall.Errno) {
	limits, errno := rlimits(opts.limits)
	if errno != 0 {
		return nil, errno
	}
	l := &last{limits: limits, report: reportNoLimits}
	if len(opts.limits) == len(limitFlags) {
		l.report = reportAll
	}
	for _, one := range limits {
		l.rlimits = append(l.rlimits, unix.Rlimit{Cur: one.soft, Max: one.hard})
	}
	l.argv = pointers(opts.argv)
	l.envp = pointers(syscall.Environ())
	l.path = l.argv[0]
	return l, 0
}

// pointers gives what execve takes. The strings came from the kernel, so none holds a NUL.
func pointers(texts []string) []*byte {
	list := make([]*byte, 0, len(texts)+1)
	for _, text := range texts {
		list = append(list, unsafe.SliceData(append([]byte(text), 0)))
	}
	return append(list, nil)
}

// become sets the limits, reports and executes the program; it does not return.
func (l *last) become(out *reporter) {
	// With one processor, held here, no goroutine of the runtime runs beside us: none maps memory, none starts a thread
	// that execve would race with.
	runtime.GOMAXPROCS(1)
	for i := range l.limits {
		_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(l.limits[i].resource),
			uintptr(unsafe.Pointer(&l.rlimits[i])), 0, 0, 0)
		if errno != 0 {
			out.fail(layerRlimits, l.limits[i].name, errno)
		}
	}
	out.enforced(l.report)
	_, _, errno := syscall.RawSyscall(syscall.SYS_EXECVE, uintptr(unsafe.Pointer(l.path)),
		uintptr(unsafe.Pointer(&l.argv[0])), uintptr(unsafe.Pointer(&l.envp[0])))
	runtime.KeepAlive(l)
	out.fail(stepExec, "execve", errno)
}

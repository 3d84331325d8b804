// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// last is the end of this program, prepared down to the pointers: the resource limits, the filter of system calls, the
// report and the exec.
//
// The Go runtime has hundreds of megabytes of address space reserved from its start, so with RLIMIT_AS set any further
// mapping of memory ends it with a crash. Between that limit and the exec there are therefore only bare system calls on
// memory that exists, and no other goroutine gets to run. The filter comes after the limits, so that it can deny to set
// any.
type last struct {
	limits     []limit
	rlimits    []unix.Rlimit // of limits, in the kernel's shape
	filter     unix.SockFprog
	program    int   // the descriptor that is executed; -1: none
	empty      *byte // a path that is empty, so that the descriptor itself is meant
	argv, envp []*byte
}

// prepare does all of last that allocates. what and step are for the report.
func prepare(opts options, opened files) (l *last, what, step string, errno syscall.Errno) {
	limits, errno := rlimits(opts.limits)
	if errno != 0 {
		return nil, layerRlimits, "read the current limits", errno
	}
	program, err := seccompProgram(syscall.Getpid(), opened.program)
	if err != nil {
		return nil, layerSeccomp, "assemble", unix.EINVAL
	}
	l = &last{limits: limits, program: opened.program, empty: new(byte)}
	l.filter = unix.SockFprog{Len: uint16(len(program)), Filter: unsafe.SliceData(program)}
	for _, one := range limits {
		l.rlimits = append(l.rlimits, unix.Rlimit{Cur: one.soft, Max: one.hard})
	}
	l.argv = pointers(opts.argv)
	l.envp = pointers(syscall.Environ())
	return l, "", "", 0
}

// pointers gives what execve takes. The strings came from the kernel, so none holds a NUL.
func pointers(texts []string) []*byte {
	list := make([]*byte, 0, len(texts)+1)
	for _, text := range texts {
		list = append(list, unsafe.SliceData(append([]byte(text), 0)))
	}
	return append(list, nil)
}

// become sets the limits and the filter, reports and executes the program; it does not return.
func (l *last) become(out *reporter) {
	// With one processor, held here, no goroutine of the runtime runs beside us: none maps memory, none starts a thread
	// that the exec would race with.
	runtime.GOMAXPROCS(1)
	for i := range l.limits {
		_, _, errno := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, uintptr(l.limits[i].resource),
			uintptr(unsafe.Pointer(&l.rlimits[i])), 0, 0, 0)
		if errno != 0 {
			out.fail(layerRlimits, l.limits[i].name, errno)
		}
	}
	_, _, errno := syscall.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&l.filter)))
	if errno != 0 {
		out.fail(layerSeccomp, "seccomp", errno)
	}
	out.enforced()
	if l.program < 0 {
		exit(0)
	}
	_, _, errno = syscall.RawSyscall6(unix.SYS_EXECVEAT, uintptr(l.program), uintptr(unsafe.Pointer(l.empty)),
		uintptr(unsafe.Pointer(&l.argv[0])), uintptr(unsafe.Pointer(&l.envp[0])), unix.AT_EMPTY_PATH, 0)
	runtime.KeepAlive(l)
	out.fail(stepExec, "execveat", errno)
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

func processAttacks() map[string]attack {
	parent := uintptr(os.Getppid())
	limit := unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	more := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return map[string]attack{
		"fork":         call(unix.SYS_CLONE, uintptr(unix.SIGCHLD)),
		"clone-ns":     call(unix.SYS_CLONE, unix.CLONE_THREAD|unix.CLONE_VM|unix.CLONE_SIGHAND|unix.CLONE_NEWNET),
		"clone3":       call(unix.SYS_CLONE3),
		"spawn":        func(args []string) error { _, err := os.StartProcess(args[0], args[:1], &os.ProcAttr{}); return err },
		"exec":         func(args []string) error { return unix.Exec(args[0], args[:1], nil) },
		"execveat":     execveat,
		"setsid":       call(unix.SYS_SETSID),
		"setpgid":      call(unix.SYS_SETPGID, 0, parent),
		"kill-parent":  call(unix.SYS_KILL, parent, uintptr(unix.SIGTERM)),
		"kill-probe":   call(unix.SYS_KILL, parent, 0),
		"kill-group":   call(unix.SYS_KILL, 0, 0),
		"kill-all":     call(unix.SYS_KILL, ^uintptr(0), 0),
		"tkill":        call(unix.SYS_TKILL, parent, 0),
		"tgkill":       call(unix.SYS_TGKILL, parent, parent, 0),
		"tkill-self":   call(unix.SYS_TKILL, uintptr(os.Getpid()), 0),
		"sigqueue":     call(unix.SYS_RT_SIGQUEUEINFO, parent, 0, 0),
		"ptrace":       call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, parent),
		"traceme":      call(unix.SYS_PTRACE, unix.PTRACE_TRACEME),
		"vm-read":      call(unix.SYS_PROCESS_VM_READV, parent),
		"vm-write":     call(unix.SYS_PROCESS_VM_WRITEV, parent),
		"pidfd":        call(unix.SYS_PIDFD_OPEN, parent),
		"pidfd-get":    call(unix.SYS_PIDFD_GETFD, 0, 0),
		"pidfd-signal": call(unix.SYS_PIDFD_SEND_SIGNAL, 0, 0),
		"prlimit":      call(unix.SYS_PRLIMIT64, parent, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit))),
		"prlimit-read": call(unix.SYS_PRLIMIT64, parent, unix.RLIMIT_NOFILE, 0, uintptr(unsafe.Pointer(&limit))),
		"prlimit-own":  call(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_CPU, uintptr(unsafe.Pointer(&more))),
		"setrlimit":    call(unix.SYS_SETRLIMIT, unix.RLIMIT_CPU, uintptr(unsafe.Pointer(&more))),
		"renice":       call(unix.SYS_SETPRIORITY, unix.PRIO_PROCESS, parent, 19),
		"affinity":     call(unix.SYS_SCHED_SETAFFINITY, parent),
		"scheduler":    call(unix.SYS_SCHED_SETSCHEDULER, parent),
		"outlive":      call(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, 0),
		"subreaper":    call(unix.SYS_PRCTL, unix.PR_SET_CHILD_SUBREAPER, 1),
		"memory":       takeMemory,
		"stacks":       takeStacks,
	}
}

// execveat executes a path, or a descriptor of it: the number in the second argument, or a new one.
func execveat(args []string) error {
	path := args[0]
	var fd int
	var err error
	if args[1] != "" {
		if fd, err = strconv.Atoi(args[1]); err != nil {
			return err
		}
	} else if fd, err = unix.Open(path, unix.O_PATH, 0); err != nil {
		return err
	}
	if args[2] == "empty" {
		path = ""
	}
	text, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	argv := []*byte{text, nil}
	_, _, errno := syscall.Syscall6(unix.SYS_EXECVEAT, uintptr(fd), uintptr(unsafe.Pointer(text)),
		uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&argv[1])), unix.AT_EMPTY_PATH, 0)
	return errno
}

// takeMemory maps 10 GB.
func takeMemory([]string) error {
	_, err := unix.Mmap(-1, 0, 10<<30, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_NORESERVE)
	return err
}

// takeStacks maps the stacks of 1,500 threads, 8 MB each as the C libraries do.
func takeStacks([]string) error {
	for range 1500 {
		if _, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_STACK); err != nil {
			return err
		}
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

func kernelAttacks() map[string]attack {
	return map[string]attack{
		"io_uring":    call(unix.SYS_IO_URING_SETUP, 1),
		"aio":         call(unix.SYS_IO_SETUP, 1),
		"keyctl":      call(unix.SYS_KEYCTL, 0, 1<<32-3),
		"add_key":     call(unix.SYS_ADD_KEY),
		"request_key": call(unix.SYS_REQUEST_KEY),
		"bpf":         call(unix.SYS_BPF),
		"perf":        call(unix.SYS_PERF_EVENT_OPEN),
		"userfaultfd": call(unix.SYS_USERFAULTFD, unix.O_CLOEXEC),
		"seccomp":     call(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL),
		"mount":       func([]string) error { return unix.Mount("none", "/tmp", "tmpfs", 0, "") },
		"umount":      func([]string) error { return unix.Unmount("/proc", 0) },
		"fsopen":      call(unix.SYS_FSOPEN),
		"open_tree":   call(unix.SYS_OPEN_TREE),
		"move_mount":  call(unix.SYS_MOVE_MOUNT),
		"pivot_root":  call(unix.SYS_PIVOT_ROOT),
		"unshare":     call(unix.SYS_UNSHARE, unix.CLONE_NEWUSER),
		"setns":       call(unix.SYS_SETNS, 0),
		"chroot":      func([]string) error { return unix.Chroot("/") },
		"setuid":      call(unix.SYS_SETUID, 0),
		"setgroups":   call(unix.SYS_SETGROUPS),
		"capset":      call(unix.SYS_CAPSET),
		"personality": call(unix.SYS_PERSONALITY, 0),
		"module":      call(unix.SYS_INIT_MODULE),
		"kexec":       call(unix.SYS_KEXEC_LOAD),
		"reboot":      call(unix.SYS_REBOOT),
		"swapon":      call(unix.SYS_SWAPON),
		"acct":        call(unix.SYS_ACCT),
		"syslog":      call(unix.SYS_SYSLOG, 3),
		"hostname":    call(unix.SYS_SETHOSTNAME),
		"clock":       call(unix.SYS_CLOCK_SETTIME),
		"shm":         call(unix.SYS_SHMGET, 0, 4096, 0o1600),
		"mqueue":      call(unix.SYS_MQ_OPEN),
		"terminal":    call(unix.SYS_IOCTL, 0, unix.TIOCSTI),
		"fanotify":    call(unix.SYS_FANOTIFY_INIT),
		"newer":       call(unix.SYS_RSEQ_SLICE_YIELD + 1),
	}
}

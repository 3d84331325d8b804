// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// deniedCalls fail with EPERM whatever their arguments. The numbers are those of the architecture this is built for; calls
// that only one has are in its own file. The test of this table has every call of both, so a new one must be decided on.
var deniedCalls = []uintptr{
	// Sockets of every kind: what is connected already stays usable by read and write, and nothing is.
	unix.SYS_SOCKET, unix.SYS_SOCKETPAIR, unix.SYS_BIND, unix.SYS_CONNECT, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_SENDTO, unix.SYS_SENDMSG, unix.SYS_SENDMMSG, unix.SYS_RECVFROM, unix.SYS_RECVMSG, unix.SYS_RECVMMSG,
	unix.SYS_SHUTDOWN, unix.SYS_SETSOCKOPT,
	// Programs. execveat is allowed once, below.
	unix.SYS_EXECVE,
	// Leaving the process group, by which the end of the load finds what it started.
	unix.SYS_SETSID, unix.SYS_SETPGID,
	// Other processes: their memory, descriptors, signals, priorities, processors.
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PROCESS_MRELEASE,
	unix.SYS_KCMP, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL,
	unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
	unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_SETPARAM,
	unix.SYS_SCHED_SETSCHEDULER, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
	// System V and POSIX queues, which other processes of the user can open.
	unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_SHMDT, unix.SYS_SEMGET, unix.SYS_SEMCTL, unix.SYS_SEMOP,
	unix.SYS_SEMTIMEDOP, unix.SYS_MSGGET, unix.SYS_MSGCTL, unix.SYS_MSGSND, unix.SYS_MSGRCV,
	unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK, unix.SYS_MQ_NOTIFY, unix.SYS_MQ_TIMEDSEND, unix.SYS_MQ_TIMEDRECEIVE, unix.SYS_MQ_GETSETATTR,
	// Limits; prlimit64 is below.
	unix.SYS_SETRLIMIT,
	// Namespaces and mounts.
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_CHROOT, unix.SYS_PIVOT_ROOT, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_MOVE_MOUNT,
	unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK,
	unix.SYS_MOUNT_SETATTR, unix.SYS_STATMOUNT, unix.SYS_LISTMOUNT, unix.SYS_LISTNS,
	// Who we are.
	unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID, unix.SYS_SETRESUID, unix.SYS_SETRESGID,
	unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS, unix.SYS_CAPSET, unix.SYS_LSM_SET_SELF_ATTR, unix.SYS_PERSONALITY,
	// Keys, code in the kernel, and ways around a filter of calls.
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_IO_SETUP, unix.SYS_IO_SUBMIT,
	unix.SYS_SECCOMP, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	// Files without a path, which no rule about paths holds.
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
	// What Landlock does not hold: modes, owners, times and attributes; watching files; and lengths, before its version 3.
	unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT,
	unix.SYS_SETXATTR, unix.SYS_LSETXATTR, unix.SYS_FSETXATTR, unix.SYS_SETXATTRAT,
	unix.SYS_REMOVEXATTR, unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR, unix.SYS_REMOVEXATTRAT, unix.SYS_FILE_SETATTR,
	unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH, unix.SYS_INOTIFY_RM_WATCH, unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK,
	unix.SYS_TRUNCATE, unix.SYS_SYNC, unix.SYS_SYNCFS,
	// The machine.
	unix.SYS_ACCT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX,
	unix.SYS_CLOCK_ADJTIME, unix.SYS_VHANGUP, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
}

// namespaces are the flags of clone that make one.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET

// specialCalls are the calls that depend on their arguments, for the program of process pid, which is executed by a
// descriptor (-1: none).
func specialCalls(pid, descriptor int) []rule {
	ourselves := append(unless(0, wholeHalf, uint32(pid)), allowed)
	return []rule{
		// Threads, no processes. clone3 has its flags in memory, where no filter can look; the C libraries then use clone.
		{unix.SYS_CLONE, append(unless(0, unix.CLONE_THREAD|namespaces, unix.CLONE_THREAD), allowed)},
		{unix.SYS_CLONE3, []bpf.Instruction{unknown}},
		{unix.SYS_EXECVEAT, slices.Concat(unless(0, wholeHalf, uint32(descriptor)),
			unless(4, wholeHalf, unix.AT_EMPTY_PATH), []bpf.Instruction{allowed})},
		// Signals to ourselves: abort needs tkill, and a Go program tgkill. Of tkill only the main thread's number is known.
		{unix.SYS_KILL, ourselves},
		{unix.SYS_TKILL, ourselves},
		{unix.SYS_TGKILL, ourselves},
		// Our own limits may be read.
		{unix.SYS_PRLIMIT64, slices.Concat(unless(0, wholeHalf, 0), unlessNull(2), []bpf.Instruction{allowed})},
		// The signal at the manager's death, who may trace us, and what may not be undone.
		{unix.SYS_PRCTL, append(when(0, unix.PR_SET_PDEATHSIG, unix.PR_SET_PTRACER, unix.PR_SET_DUMPABLE, unix.PR_SET_MM,
			unix.PR_SET_CHILD_SUBREAPER, unix.PR_SET_SECCOMP), allowed)},
		// Typing into the terminal of whoever started this by hand.
		{unix.SYS_IOCTL, append(when(1, unix.TIOCSTI, unix.TIOCLINUX), allowed)},
	}
}

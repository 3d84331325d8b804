// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import "runtime"

// hasForeignCalls: programs of this architecture can make the calls of another.
const hasForeignCalls = runtime.GOARCH == "amd64"

// attacks and how each is stopped, in test/captive's words: EACCES is Landlock's answer, EPERM the filter's, ENOMEM a limit's.
var attacks = [][2]string{
	// Reads.
	{"read /etc/passwd", "EACCES"}, {"list /", "EACCES"}, {"list /etc", "EACCES"}, {"list ROOT", "EACCES"},
	{"read ROOT/token", "EACCES"}, {"read STAGE/link", "EACCES"}, {"read STAGE/../other/mod.nu", "EACCES"}, {"read ../token", "EACCES"},
	{"read-parent environ", "EACCES"}, {"read-parent mem", "EACCES"}, {"read-parent cmdline", "EACCES"}, {"list-parent fd", "EACCES"},
	{"list-parent root", "EACCES"}, {"read /proc/self/environ", "EACCES"}, {"read /proc/self/mem", "EACCES"}, {"list /proc", "EACCES"},
	{"read /dev/urandom", "EACCES"}, {"handle STAGE/file", "EPERM"}, {"watch", "EPERM"}, {"fanotify", "EPERM"},
	{"read STAGE/file", "done"}, {"list STAGE", "done"}, {"read SELF", "done"}, // what may be read
	{"stat /etc/passwd", "done"}, // not stopped: see docs/sandbox.md

	// Network.
	{"tcp", "EPERM"}, {"tcp6", "EPERM"}, {"udp", "EPERM"}, {"mptcp", "EPERM"}, {"raw", "EPERM"}, {"packet", "EPERM"}, {"netlink", "EPERM"},
	{"vsock", "EPERM"}, {"alg", "EPERM"}, {"unix", "EPERM"}, {"unix-dgram", "EPERM"}, {"socketpair", "EPERM"}, {"bind", "EPERM"},
	{"listen", "EPERM"}, {"accept", "EPERM"}, {"connect", "EPERM"}, {"sendmsg", "EPERM"}, {"dial 127.0.0.1:80", "EPERM"},
	{"dial-path /run/containerd/containerd.sock", "EPERM"}, {"dial-path @abstract", "EPERM"},
	{"look-up example.com", "failed at once"},

	// Writes.
	{"create ROOT/new", "EACCES"}, {"create STAGE/new", "EACCES"}, {"create /tmp/new", "EACCES"}, {"write STAGE/file", "EACCES"},
	{"append STAGE/file", "EACCES"}, {"cut STAGE/file", "EACCES"}, {"unnamed STAGE", "EACCES"}, {"unnamed /tmp", "EACCES"},
	{"truncate STAGE/file", "EPERM"}, {"write /dev/null", "EACCES"}, {"write STAGE/tool", "EACCES"},
	{"mkdir STAGE/new", "EACCES"}, {"fifo STAGE/new", "EACCES"}, {"symlink STAGE/new", "EACCES"}, {"link STAGE/file STAGE/new", "EACCES"},
	{"rename STAGE/file STAGE/new", "EACCES"}, {"unlink STAGE/file", "EACCES"}, {"rmdir ROOT/other", "EACCES"},
	{"chmod STAGE/file", "EPERM"}, {"fchmodat2 STAGE/file", "EPERM"}, {"chown STAGE/file", "EPERM"}, {"times STAGE/file", "EPERM"},
	{"setxattr STAGE/file", "EPERM"}, {"rmxattr STAGE/file", "EPERM"}, {"memfd", "EPERM"},

	// Processes.
	{"fork", "EPERM"}, {"vfork", "EPERM"}, {"clone-ns", "EPERM"}, {"clone3", "ENOSYS"}, {"spawn /bin/true", "EPERM"},
	{"exec SELF", "EPERM"}, {"exec /bin/sh", "EPERM"}, {"exec STAGE/tool", "EPERM"},
	{"execveat SELF", "EPERM"}, {"execveat STAGE/tool", "EPERM"},
	{"execveat STAGE/tool 128", "EACCES"}, {"execveat /bin/sh 128", "EACCES"}, // the filter cannot see the path, Landlock does
	{"execveat SELF 128 empty", "EBADF"}, // the one descriptor that may be executed is gone, and cannot be made again
	{"setsid", "EPERM"}, {"setpgid", "EPERM"}, {"kill-parent", "EPERM"}, {"kill-probe", "EPERM"}, {"kill-group", "EPERM"}, {"kill-all", "EPERM"},
	{"tkill", "EPERM"}, {"tgkill", "EPERM"}, {"sigqueue", "EPERM"}, {"tkill-self", "done"}, {"ptrace", "EPERM"}, {"traceme", "EPERM"},
	{"vm-read", "EPERM"}, {"vm-write", "EPERM"}, {"pidfd", "EPERM"}, {"pidfd-get", "EPERM"}, {"pidfd-signal", "EPERM"},
	{"prlimit", "EPERM"}, {"prlimit-read", "EPERM"}, {"prlimit-own", "EPERM"}, {"setrlimit", "EPERM"}, {"renice", "EPERM"}, {"affinity", "EPERM"},
	{"scheduler", "EPERM"}, {"outlive", "EPERM"}, {"subreaper", "EPERM"}, {"memory", "ENOMEM"}, {"stacks", "ENOMEM"},

	// The kernel.
	{"io_uring", "EPERM"}, {"aio", "EPERM"}, {"keyctl", "EPERM"}, {"add_key", "EPERM"}, {"request_key", "EPERM"}, {"bpf", "EPERM"}, {"perf", "EPERM"},
	{"userfaultfd", "EPERM"}, {"seccomp", "EPERM"}, {"mount", "EPERM"}, {"umount", "EPERM"}, {"fsopen", "EPERM"}, {"open_tree", "EPERM"},
	{"move_mount", "EPERM"}, {"pivot_root", "EPERM"}, {"unshare", "EPERM"}, {"setns", "EPERM"}, {"chroot", "EPERM"}, {"setuid", "EPERM"},
	{"setgroups", "EPERM"}, {"capset", "EPERM"}, {"personality", "EPERM"}, {"module", "EPERM"}, {"kexec", "EPERM"}, {"reboot", "EPERM"},
	{"swapon", "EPERM"}, {"acct", "EPERM"}, {"syslog", "EPERM"}, {"hostname", "EPERM"}, {"clock", "EPERM"}, {"shm", "EPERM"}, {"mqueue", "EPERM"},
	{"terminal", "EPERM"}, {"newer", "ENOSYS"},
}

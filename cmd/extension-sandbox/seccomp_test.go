// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The process and the descriptor that the tested filter is for.
const (
	ownPID  = 4321
	ownExec = 128
)

// answerOf runs the filter in a machine of bpf's on one call. The machine reads big-endian, the kernel its own order.
func answerOf(t *testing.T, arch, number uint32, args ...uint64) int {
	t.Helper()
	vm, err := bpf.NewVM(filter(specialCalls(ownPID, ownExec), slices.Concat(deniedCalls, deniedHere)))
	if err != nil {
		t.Fatal(err)
	}
	data := binary.BigEndian.AppendUint32(nil, number)
	data = binary.BigEndian.AppendUint32(data, arch)
	data = append(data, make([]byte, 8)...) // the instruction pointer
	for i := range 6 {
		var arg uint64
		if i < len(args) {
			arg = args[i]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(arg))
		data = binary.BigEndian.AppendUint32(data, uint32(arg>>32))
	}
	answer, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return int(uint32(answer))
}

const (
	answerAllow = unix.SECCOMP_RET_ALLOW
	answerEPERM = unix.SECCOMP_RET_ERRNO | int(unix.EPERM)
	answerENOS  = unix.SECCOMP_RET_ERRNO | int(unix.ENOSYS)
	answerKill  = unix.SECCOMP_RET_KILL_PROCESS
)

func TestTheFilterByArguments(t *testing.T) {
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD
	for name, one := range map[string]struct {
		number uint32
		args   []uint64
		want   int
	}{
		"read":                              {unix.SYS_READ, nil, answerAllow},
		"execve":                            {unix.SYS_EXECVE, nil, answerEPERM},
		"a thread":                          {unix.SYS_CLONE, []uint64{thread}, answerAllow},
		"a process":                         {unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, answerEPERM},
		"vfork":                             {unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, answerEPERM},
		"a thread in a namespace":           {unix.SYS_CLONE, []uint64{thread | unix.CLONE_NEWUSER}, answerEPERM},
		"clone3":                            {unix.SYS_CLONE3, nil, answerENOS},
		"our exec":                          {unix.SYS_EXECVEAT, []uint64{ownExec, 1, 1, 1, unix.AT_EMPTY_PATH}, answerAllow},
		"our exec, half of an argument":     {unix.SYS_EXECVEAT, []uint64{1<<32 | ownExec, 1, 1, 1, unix.AT_EMPTY_PATH}, answerAllow},
		"another descriptor":                {unix.SYS_EXECVEAT, []uint64{4, 1, 1, 1, unix.AT_EMPTY_PATH}, answerEPERM},
		"our descriptor, no flag":           {unix.SYS_EXECVEAT, []uint64{ownExec, 1, 1, 1, 0}, answerEPERM},
		"our descriptor, flags":             {unix.SYS_EXECVEAT, []uint64{ownExec, 1, 1, 1, unix.AT_EMPTY_PATH | unix.AT_SYMLINK_NOFOLLOW}, answerEPERM},
		"the working folder":                {unix.SYS_EXECVEAT, []uint64{uint64(1<<64 - 100), 1, 1, 1, unix.AT_EMPTY_PATH}, answerEPERM},
		"a signal to ourselves":             {unix.SYS_KILL, []uint64{ownPID, 6}, answerAllow},
		"a signal to another":               {unix.SYS_KILL, []uint64{1, 6}, answerEPERM},
		"a signal to the group":             {unix.SYS_KILL, []uint64{0, 6}, answerEPERM},
		"a signal to all":                   {unix.SYS_KILL, []uint64{1<<64 - 1, 6}, answerEPERM},
		"abort of the C libraries":          {unix.SYS_TKILL, []uint64{ownPID, 6}, answerAllow},
		"a thread of ours":                  {unix.SYS_TGKILL, []uint64{ownPID, 9, 6}, answerAllow},
		"a thread of another":               {unix.SYS_TGKILL, []uint64{1, 1, 6}, answerEPERM},
		"our limits, read":                  {unix.SYS_PRLIMIT64, []uint64{0, 7, 0, 0x1000}, answerAllow},
		"our limits, set":                   {unix.SYS_PRLIMIT64, []uint64{0, 7, 0x1000, 0}, answerEPERM},
		"our limits, set from a high place": {unix.SYS_PRLIMIT64, []uint64{0, 7, 0x100000000, 0}, answerEPERM},
		"another's limits, read":            {unix.SYS_PRLIMIT64, []uint64{1, 7, 0, 0x1000}, answerEPERM},
		"naming a thread":                   {unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, answerAllow},
		"outliving the manager":             {unix.SYS_PRCTL, []uint64{unix.PR_SET_PDEATHSIG}, answerEPERM},
		"the size of a terminal":            {unix.SYS_IOCTL, []uint64{1, unix.TIOCGWINSZ}, answerAllow},
		"typing into a terminal":            {unix.SYS_IOCTL, []uint64{1, unix.TIOCSTI}, answerEPERM},
		"typing, half of an argument":       {unix.SYS_IOCTL, []uint64{1, 1<<32 | unix.TIOCSTI}, answerEPERM},
		"a call nobody has looked at":       {newestCall + 1, nil, answerENOS},
		"the newest call that is known":     {newestCall, nil, answerAllow},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(answerOf(t, architecture, one.number, one.args...)).To(Equal(one.want))
		})
	}
}

func TestTheFilterByArchitecture(t *testing.T) {
	g := NewWithT(t)
	for _, arch := range []uint32{unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_AARCH64, 0} {
		want := answerKill
		if arch == architecture {
			want = answerAllow
		}
		g.Expect(answerOf(t, arch, unix.SYS_READ)).To(Equal(want), "architecture %x", arch)
	}
	if foreignBit != 0 {
		g.Expect(answerOf(t, architecture, foreignBit|unix.SYS_READ)).To(Equal(answerKill))
		g.Expect(answerOf(t, architecture, 1<<32-1)).To(Equal(answerKill))
	}
}

// allowedCalls are the calls that are let through whatever their arguments. Together with the denied ones and the ones that
// depend on arguments they are all that x/sys knows: a new one must be decided on, here or in syscalls_linux.go.
const allowedCalls = `
ACCESS ALARM ARCH_PRCTL BRK CACHESTAT CAPGET CHDIR CLOCK_GETRES CLOCK_GETTIME CLOCK_NANOSLEEP CLOSE CLOSE_RANGE COPY_FILE_RANGE
CREAT DUP DUP2 DUP3 EPOLL_CREATE EPOLL_CREATE1 EPOLL_CTL EPOLL_CTL_OLD EPOLL_PWAIT EPOLL_PWAIT2 EPOLL_WAIT EPOLL_WAIT_OLD EVENTFD
EVENTFD2 EXIT EXIT_GROUP FACCESSAT FACCESSAT2 FADVISE64 FALLOCATE FCHDIR FCNTL FDATASYNC FGETXATTR FILE_GETATTR FLISTXATTR FLOCK
FSTAT FSTATFS FSYNC FTRUNCATE FUTEX FUTEX_REQUEUE FUTEX_WAIT FUTEX_WAITV FUTEX_WAKE GETCPU GETCWD GETDENTS GETDENTS64 GETEGID
GETEUID GETGID GETGROUPS GETITIMER GETPEERNAME GETPGID GETPGRP GETPID GETPPID GETPRIORITY GETRANDOM GETRESGID GETRESUID
GETRLIMIT GETRUSAGE GETSID GETSOCKNAME GETSOCKOPT GETTID GETTIMEOFDAY GETUID GETXATTR GETXATTRAT GET_MEMPOLICY GET_ROBUST_LIST
GET_THREAD_AREA IOPRIO_GET IO_CANCEL IO_DESTROY IO_GETEVENTS IO_PGETEVENTS LANDLOCK_ADD_RULE LANDLOCK_CREATE_RULESET
LANDLOCK_RESTRICT_SELF LGETXATTR LINK LINKAT LISTXATTR LISTXATTRAT LLISTXATTR LSEEK LSM_GET_SELF_ATTR LSM_LIST_MODULES LSTAT
MADVISE MAP_SHADOW_STACK MBIND MEMBARRIER MINCORE MKDIR MKDIRAT MKNOD MKNODAT MLOCK MLOCK2 MLOCKALL MMAP MPROTECT MREMAP MSEAL
MSYNC MUNLOCK MUNLOCKALL MUNMAP NANOSLEEP NEWFSTATAT OPEN OPENAT OPENAT2 PAUSE PIPE PIPE2 PKEY_ALLOC PKEY_FREE PKEY_MPROTECT
POLL PPOLL PREAD64 PREADV PREADV2 PSELECT6 PWRITE64 PWRITEV PWRITEV2 READ READAHEAD READLINK READLINKAT READV REMAP_FILE_PAGES
RENAME RENAMEAT RENAMEAT2 RESTART_SYSCALL RMDIR RSEQ RSEQ_SLICE_YIELD RT_SIGACTION RT_SIGPENDING RT_SIGPROCMASK RT_SIGRETURN
RT_SIGSUSPEND RT_SIGTIMEDWAIT SCHED_GETAFFINITY SCHED_GETATTR SCHED_GETPARAM SCHED_GETSCHEDULER SCHED_GET_PRIORITY_MAX
SCHED_GET_PRIORITY_MIN SCHED_RR_GET_INTERVAL SCHED_YIELD SELECT SENDFILE SETITIMER SET_MEMPOLICY SET_MEMPOLICY_HOME_NODE
SET_ROBUST_LIST SET_THREAD_AREA SET_TID_ADDRESS SIGALTSTACK SIGNALFD SIGNALFD4 SPLICE STAT STATFS STATX SYMLINK SYMLINKAT
SYNC_FILE_RANGE SYSINFO TEE TIME TIMERFD_CREATE TIMERFD_GETTIME TIMERFD_SETTIME TIMER_CREATE TIMER_DELETE TIMER_GETOVERRUN
TIMER_GETTIME TIMER_SETTIME TIMES UMASK UNAME UNLINK UNLINKAT UPROBE URETPROBE VMSPLICE WAIT4 WAITID WRITE WRITEV`

// Every call of both architectures is decided on, by the numbers that x/sys has for it: the tables name constants, so that
// each is built with its own, and here they are held to the sources of both, whatever this test runs on.
func TestEveryCallIsDecidedOn(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		t.Run(arch, func(t *testing.T) {
			g := NewWithT(t)
			known := numbers(t, arch)
			g.Expect(len(known)).To(BeNumerically(">", 300))
			decided := map[string]bool{}
			for _, name := range strings.Fields(allowedCalls) {
				decided[name] = true
			}
			for _, file := range []string{"syscalls_linux.go", "syscalls_linux_" + arch + ".go"} {
				for _, name := range mentioned(t, file) {
					g.Expect(decided).NotTo(HaveKey(name), "allowed and denied")
					g.Expect(known).To(HaveKey(name), "%s names a call that %s does not have", file, arch)
					decided[name] = true
				}
			}
			for name := range known {
				g.Expect(decided).To(HaveKey(name), "%s is new: deny it in syscalls_linux.go or allow it here", name)
				g.Expect(known[name]).To(BeNumerically("<=", newestCall), name)
			}
		})
	}
}

// What the filter of this architecture does is what the sources of the tables say.
func TestTheFilterDeniesWhatTheTablesName(t *testing.T) {
	known := numbers(t, runtime.GOARCH)
	for _, name := range strings.Fields(allowedCalls) {
		if number, ok := known[name]; ok {
			NewWithT(t).Expect(answerOf(t, architecture, number)).To(Equal(answerAllow), name)
		}
	}
	dependent := []string{"CLONE3", "PRCTL", "IOCTL", "PRLIMIT64"} // by default another answer
	for _, file := range []string{"syscalls_linux.go", "syscalls_linux_" + runtime.GOARCH + ".go"} {
		for _, name := range mentioned(t, file) {
			if !slices.Contains(dependent, name) {
				NewWithT(t).Expect(answerOf(t, architecture, known[name])).To(Equal(answerEPERM), name)
			}
		}
	}
}

// mentioned are the calls that a file of the tables names.
func mentioned(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, match := range regexp.MustCompile(`unix\.SYS_(\w+)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, match[1])
	}
	return names
}

// numbers are the calls of an architecture as x/sys has them.
func numbers(t *testing.T, arch string) map[string]uint32 {
	t.Helper()
	folder, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), "unix", "zsysnum_linux_"+arch+".go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint32{}
	for _, match := range regexp.MustCompile(`(?m)^\tSYS_(\w+) += (\d+)$`).FindAllStringSubmatch(string(text), -1) {
		number, err := strconv.ParseUint(match[2], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		if match[1] != "ARCH_SPECIFIC_SYSCALL" { // where an architecture's own begin, none itself
			found[match[1]] = uint32(number)
		}
	}
	return found
}

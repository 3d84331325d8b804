// SPDX-License-Identifier: Apache-2.0

package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The first versions of Landlock's interface that have more than file rules.
const (
	abiNetwork = 4 // Linux 6.7
	abiScope   = 6 // Linux 6.12
)

// accesses are every right that a version of the interface knows. All of them are taken away, and then two given back: a
// right that is not handled stays allowed everywhere.
var accesses = []struct {
	since          int
	fs, net, scope uint64
}{
	{since: 1, fs: unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM},
	{since: 2, fs: unix.LANDLOCK_ACCESS_FS_REFER},
	{since: 3, fs: unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{since: abiNetwork, net: unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP},
	{since: 5, fs: unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
	{since: abiScope, scope: unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL},
	{since: 9, fs: unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
	{since: 10, net: unix.LANDLOCK_ACCESS_NET_BIND_UDP | unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP},
}

// landlockABI asks the kernel for the version of its interface. Nothing is guessed from the kernel's own version, and
// nothing silently becomes no protection.
func landlockABI() (int, syscall.Errno) {
	abi, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return int(abi), errno
}

// handled is what a ruleset takes away on a kernel with this version of the interface.
func handled(abi int) unix.LandlockRulesetAttr {
	var attr unix.LandlockRulesetAttr
	for _, a := range accesses {
		if a.since <= abi {
			attr.Handled_access_fs |= a.fs
			attr.Handled_access_net |= a.net
			attr.Scoped |= a.scope
		}
	}
	return attr
}

// landlock takes away every right from this thread, and from what it becomes, but to execute and read the program and
// to read below the folders. step says what failed.
func landlock(abi int, opened files) (step string, errno syscall.Errno) {
	attr := handled(abi)
	ruleset, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return "landlock_create_ruleset", errno
	}
	if opened.program >= 0 {
		errno = allow(ruleset, opened.program, unix.LANDLOCK_ACCESS_FS_EXECUTE|unix.LANDLOCK_ACCESS_FS_READ_FILE)
	}
	for _, folder := range opened.folders {
		if errno == 0 {
			errno = allow(ruleset, folder, unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_READ_DIR)
		}
	}
	if errno != 0 {
		return "landlock_add_rule", errno
	}
	_, _, errno = syscall.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0)
	return "landlock_restrict_self", errno
}

// allow gives rights on a file or below a folder, by its descriptor: what was opened is what is allowed.
func allow(ruleset uintptr, descriptor int, access uint64) syscall.Errno {
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(descriptor)}
	_, _, errno := syscall.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	return errno
}

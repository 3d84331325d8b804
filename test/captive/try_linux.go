// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// try does one attack and prints the answer.
func try(text string) error {
	args := strings.Fields(text)
	attack, known := attacks()[args[0]]
	if !known {
		return errors.New("no such attack")
	}
	args = append(args, "", "", "") // what is left out is empty
	_, err := fmt.Println(answer(attack(args[1:])))
	return err
}

// answer names an error as the kernel does.
func answer(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "done"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	default:
		return err.Error()
	}
}

type attack = func(args []string) error

// call is an attack that is one system call.
func call(number uintptr, args ...uintptr) attack {
	var six [6]uintptr
	copy(six[:], args)
	return func([]string) error {
		_, _, errno := syscall.Syscall6(number, six[0], six[1], six[2], six[3], six[4], six[5])
		if errno != 0 {
			return errno
		}
		return nil
	}
}

// attacks by name.
func attacks() map[string]attack {
	all := map[string]attack{}
	for _, group := range []map[string]attack{readAttacks(), writeAttacks(), networkAttacks(), processAttacks(), kernelAttacks(), foreignAttacks()} {
		for name, one := range group {
			all[name] = one
		}
	}
	return all
}

func readAttacks() map[string]attack {
	return map[string]attack{
		"read": func(args []string) error { _, err := os.ReadFile(args[0]); return err },
		"list": func(args []string) error { _, err := os.ReadDir(args[0]); return err },
		"read-parent": func(args []string) error {
			_, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", os.Getppid(), args[0]))
			return err
		},
		"list-parent": func(args []string) error {
			_, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", os.Getppid(), args[0]))
			return err
		},
		"handle": func(args []string) error { _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, args[0], 0); return err },
		"watch":  call(unix.SYS_INOTIFY_INIT1),
		"stat":   func(args []string) error { _, err := os.Stat(args[0]); return err },
	}
}

func writeAttacks() map[string]attack {
	open := func(flags int) attack {
		return func(args []string) error {
			fd, err := unix.Open(args[0], flags|unix.O_CLOEXEC, 0o644)
			if err == nil {
				_ = unix.Close(fd)
			}
			return err
		}
	}
	return map[string]attack{
		"create":   open(unix.O_CREAT | unix.O_WRONLY),
		"write":    open(unix.O_WRONLY),
		"append":   open(unix.O_WRONLY | unix.O_APPEND),
		"cut":      open(unix.O_RDONLY | unix.O_TRUNC),
		"unnamed":  open(unix.O_TMPFILE | unix.O_RDWR),
		"truncate": func(args []string) error { return unix.Truncate(args[0], 0) },
		"mkdir":    func(args []string) error { return unix.Mkdir(args[0], 0o755) },
		"fifo":     func(args []string) error { return unix.Mkfifo(args[0], 0o644) },
		"symlink":  func(args []string) error { return unix.Symlink("/etc/passwd", args[0]) },
		"link":     func(args []string) error { return unix.Link(args[0], args[1]) },
		"rename":   func(args []string) error { return unix.Rename(args[0], args[1]) },
		"unlink":   func(args []string) error { return unix.Unlink(args[0]) },
		"rmdir":    func(args []string) error { return unix.Rmdir(args[0]) },
		"chmod":    func(args []string) error { return unix.Chmod(args[0], 0o777) },
		"fchmodat2": func(args []string) error {
			return unix.Fchmodat(unix.AT_FDCWD, args[0], 0o777, unix.AT_SYMLINK_NOFOLLOW)
		},
		"chown":    func(args []string) error { return unix.Chown(args[0], os.Getuid(), os.Getgid()) },
		"times":    func(args []string) error { return unix.UtimesNanoAt(unix.AT_FDCWD, args[0], nil, 0) },
		"setxattr": func(args []string) error { return unix.Setxattr(args[0], "user.x", []byte("x"), 0) },
		"rmxattr":  func(args []string) error { return unix.Removexattr(args[0], "user.x") },
		"memfd":    func([]string) error { _, err := unix.MemfdCreate("x", 0); return err },
	}
}

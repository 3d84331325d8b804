// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// int80 asks for getpid as a 32-bit program does.
func int80() int32

func foreignAttacks() map[string]attack {
	const x32 = 0x40000000
	return map[string]attack{
		"int80": func([]string) error { int80(); return nil },
		"x32":   call(x32 | unix.SYS_GETPID),
		"vfork": call(unix.SYS_FORK), // vfork itself would let the child use our stack
	}
}

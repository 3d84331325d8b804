// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

// foreignAttacks has no call of another architecture, because programs of this one can make none. Its vfork is a clone.
func foreignAttacks() map[string]attack {
	return map[string]attack{"vfork": call(unix.SYS_CLONE, unix.CLONE_VFORK|uintptr(unix.SIGCHLD))}
}

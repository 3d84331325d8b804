// SPDX-License-Identifier: Apache-2.0

//go:build unix && !linux

package sandbox

import "syscall"

// attributes give the child a process group of its own; only Linux can tie its life to ours.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// allDead cannot be told here: the dead are waited for until their parent reaps them.
func allDead(int) bool { return false }

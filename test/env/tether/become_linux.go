// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// become replaces this process by the program, which the kernel kills when the parent ends. It returns only on failure.
func become(parent int, command []string) error {
	runtime.LockOSThread() // the kernel keeps the signal for the thread that asked, and exec keeps that thread
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("set the parent death signal: %w", err)
	}
	if os.Getppid() != parent {
		return fmt.Errorf("the parent %d ended before %s started", parent, command[0])
	}
	if err := unix.Exec(command[0], command, os.Environ()); err != nil {
		return fmt.Errorf("start %s: %w", command[0], err)
	}
	return nil
}

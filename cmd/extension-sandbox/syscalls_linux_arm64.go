// SPDX-License-Identifier: Apache-2.0

package main

import "golang.org/x/sys/unix"

const (
	// architecture is what the kernel calls it; 32-bit calls come under another name.
	architecture = unix.AUDIT_ARCH_AARCH64
	// foreignBit is for architectures that mark foreign calls by a bit of the number; this one has none.
	foreignBit = 0
)

// deniedHere are the denied calls that this architecture alone has.
var deniedHere []uintptr

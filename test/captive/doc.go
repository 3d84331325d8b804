// SPDX-License-Identifier: Apache-2.0

// Command captive is what tests hold in the sandbox: a static program that does what its arguments say, one after the
// other, good and bad. "try=NAME ARGUMENT…" is an attack; it prints what the kernel answered, such as EPERM, or "done".
package main

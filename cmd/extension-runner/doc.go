// SPDX-License-Identifier: Apache-2.0

// Command extension-runner is what the containers of an Installation's Jobs run: one step of one plan each, from the
// payload that lies in the pod. docs/hooks.md has what a hook is given and how it may end.
//
// Before Nushell starts, every byte of the payload is held against the digests in the arguments, and the configuration
// against its own. configure runs in the sandbox that a load runs in, twice; the other hooks act, and run in a process group
// of their own that ends with the step.
//
// Each step leaves nothing in the shared folder but config.json, which configure writes. How it ended is said by the exit
// code, by a [step.Report] in the termination message, and in the log.
package main

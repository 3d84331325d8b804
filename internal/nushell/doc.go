// SPDX-License-Identifier: Apache-2.0

// Package nushell runs the loading program (nushell/load.nu) on a staged plan and reads its answer.
//
// [Runner.Check] is one sandboxed process on the good path. Nushell stops at the first error of a module, so a module
// that does not parse costs a few more processes, which only gather where the errors are ([Runner.diagnose]). Nothing of
// the extension runs in any of them.
//
// Every outcome that is not a good answer is an [extension.Fault]. What an extension or a loading program prints is not
// trusted: it is bounded by the sandbox, decoded strictly, compared with what was asked for, and text of files outside
// the extension's own folder is never shown.
package nushell

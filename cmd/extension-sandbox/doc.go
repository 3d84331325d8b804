// SPDX-License-Identifier: Apache-2.0

// Command extension-sandbox confines itself and then becomes the program it was given.
//
// It is a program of its own, and a small one, because it starts once for each load: re-executing the manager would cost
// ten times as much. It takes arguments only; its environment is the program's, passed on byte for byte.
//
// What it does, in this order, each layer failing under its own name:
//
//  1. descriptors: every descriptor from 3 up is closed on exec (close_range, Linux 5.11)
//  2. no_new_privs: no program started from here gains privileges (set-uid, file capabilities)
//  3. rlimits: no core dumps, CPU time, open files, file size, address space
//
// With --report-fd it writes one JSON line there, and a second one only if the program could not be executed:
//
//	{"enforced":["descriptors","no_new_privs","rlimits"]}
//	{"failed":"rlimits","step":"address-space","errno":1}      a layer failed, no enforced line before it
//	{"failed":"exec","step":"execve","errno":2}                follows the enforced line
//
// The descriptor closes on exec, so the end of the report after the enforced line means that the program runs.
// Without --report-fd a failure is a sentence on standard error. Exit codes of its own: 125 the sandbox could not be
// set, 126 the program cannot be executed, 127 the program does not exist. Any other is the program's.
package main

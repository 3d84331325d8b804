// SPDX-License-Identifier: Apache-2.0

// Command extension-sandbox confines itself and then becomes the program it was given.
//
// It is a program of its own, and a small one, because it starts once for each load: re-executing the manager would cost
// ten times as much. It takes arguments only; its environment is the program's, passed on byte for byte.
//
// What it does, in this order, each layer failing under its own name (docs/sandbox.md says what each stops):
//
//  1. descriptors: every descriptor from 3 up is closed on exec (close_range, Linux 5.11)
//  2. no_new_privs: no program started from here gains privileges (set-uid, file capabilities), and those there are go
//  3. landlock: the program may be read and executed, the folders of --read be read; with newer kernels also
//     landlock_network (no TCP) and landlock_scope (no signals to others, no abstract unix sockets)
//  4. rlimits: no core dumps, CPU time, open files, file size, address space
//  5. seccomp: a filter of system calls
//
// The limits come after everything that allocates, and the filter after the limits, so that it can deny to set any: from
// the address space on there are only bare system calls ([last]). Landlock is set by bare system calls as well: its Go
// library restricts every thread of a process and opens paths again by name, where one thread and the descriptors that
// were opened before are meant.
//
// With --report-fd it writes one JSON line there, and a second one only if the program could not be executed:
//
//	{"enforced":["descriptors","no_new_privs","landlock",…]}
//	{"failed":"rlimits","step":"address-space","errno":1}      a layer failed, no enforced line before it
//	{"failed":"read","step":"open","errno":2}                  a folder of --read cannot be opened, the same
//	{"failed":"exec","step":"open","errno":2}                  there is no such program, the same
//	{"failed":"exec","step":"execveat","errno":13}             follows the enforced line
//
// The descriptor closes on exec, so the end of the report after the enforced line means that the program runs.
// Without --report-fd a failure is a sentence on standard error. Exit codes of its own: 125 the sandbox could not be
// set, 126 the program cannot be executed, 127 the program does not exist. Any other is the program's.
package main

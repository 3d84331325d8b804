// SPDX-License-Identifier: Apache-2.0

// Package sandbox is the only door to processes: it starts one program, bounds it, and ends it with all it started.
//
// [Sandbox.Run] starts a [Command] through the helper extension-sandbox, which confines itself and becomes the program.
// [Sandbox.Start] does so in advance: the [Worker] waits for its standard input, and the rest of the Run is its Finish.
// The [Result] says what the program did and, in its [Report], which layers held it. A program that fails by itself is a
// Result; an error of Run is something else, and each kind has its own type (errors.go).
//
// # How a process ends
//
//   - It leads a process group of its own. The end of the context, too much output, and its own normal end all send
//     SIGKILL to that group. The group is killed while its leader is dead but not yet reaped, so its number cannot have
//     passed to others. Members that became our children are reaped: in a pod the manager is process 1.
//   - It dies with the manager, even by SIGKILL (Linux). The kernel ties that signal to the thread that forked, and the Go
//     runtime ends threads as it likes; so each process has a goroutine that stays on one thread until it is reaped. A
//     thread with a goroutine locked to it does not end. The cost is one waiting thread per process.
//   - What the process itself started dies with its group, but not with the manager: the kernel does not pass the signal
//     on to children. Where the manager is process 1 of its container, the kernel ends them all.
//   - A process that leaves the group (setsid, setpgid) is beyond this package. If it holds the output open, Run gives up
//     after a short wait with [EscapeError] and keeps no descriptor; it cannot be found otherwise. Making the manager a
//     subreaper would only gather such processes without telling whose they are. What ends this is denying fork and setsid,
//     as [LayerSeccomp] does: it can happen in mode [Off] only.
//
// # What a process gets
//
// Its environment is exactly Command.Env, its descriptors are 0, 1 and 2, pipes all three. Nothing is
// inherited of the manager's environment, descriptors or working folder. It reads itself and what is below Command.Read,
// and opens nothing else; docs/sandbox.md has the layers, and what they do not stop. [Sandbox.Probe] says before any run
// whether this machine has them.
package sandbox

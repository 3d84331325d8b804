// SPDX-License-Identifier: Apache-2.0

// The runtime need not read the cgroup's CPU limits, and with them the whole mount table, for one short thread of work.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

import (
	"errors"
	"os"
	"runtime"
	"syscall"
)

const help = `extension-sandbox confines itself, then becomes PROGRAM.

Usage:
  extension-sandbox [OPTIONS] -- PROGRAM [ARGUMENTS...]
  extension-sandbox [OPTIONS] --check

Options (a limit that is left out is not set):
  --read=FOLDER            PROGRAM may read what is below it; absolute, may be repeated
  --cpu=SECONDS            CPU time; SIGXCPU at the limit, SIGKILL one second later
  --address-space=BYTES    virtual memory
  --open-files=N           highest number of open descriptors
  --file-size=BYTES        largest file that may be written; SIGXFSZ above it
  --best-effort            go on without what an older kernel's Landlock lacks:
                           network rules (Linux 6.7), signal rules (Linux 6.12)
  --check                  set everything, say what is in force, execute nothing
  --report-fd=N            write what was enforced to this descriptor, as JSON lines
  --help                   this text

Layers, each of which fails under its name (exit code 125):
  descriptors       those from 3 up are closed on exec
  no_new_privs      no privilege is gained, no capability is kept, not even root's
  landlock          PROGRAM is read and executed, the folders of --read are read;
                    nothing else is opened, nothing at all is written
  landlock_network  no TCP
  landlock_scope    no signals to other processes, no abstract unix sockets
  rlimits           no core dumps, and the limits above; reported when all four are set
  seccomp           EPERM for sockets, new processes, exec, other processes, namespaces,
                    mounts, modes and owners of files, and more; SIGSYS for calls of a
                    foreign architecture

PROGRAM is a path, it is not searched for, and must be a static binary: a script or a
dynamic loader would be another file to execute. It gets this program's environment.

Exit codes: 125 the sandbox could not be set, 126 PROGRAM cannot be executed,
127 PROGRAM does not exist; any other is PROGRAM's own.

Examples:
  extension-sandbox --check
  extension-sandbox --cpu=10 --read=/srv/extensions -- /usr/local/bin/nu -n --no-std-lib \
    -c 'ls /srv/extensions | length; exit 0'
`

// Exit codes of the helper itself, the ones env and nohup use.
const (
	exitSandbox       = 125
	exitNotExecutable = 126
	exitNotFound      = 127
)

func main() {
	opts, err := parse(os.Args[1:])
	if errors.Is(err, errHelp) {
		_, _ = os.Stdout.WriteString(help)
		return
	}
	if err != nil {
		_, _ = os.Stderr.WriteString("extension-sandbox: " + err.Error() + "; see extension-sandbox --help\n")
		os.Exit(exitSandbox)
	}
	confine(opts)
}

// confine sets every layer and becomes the program; it does not return.
func confine(opts options) {
	// Privileges, rules and filters belong to a thread, and what the executing thread has is what the program gets.
	runtime.LockOSThread()
	out := newReporter(opts)
	opened, what, step, errno := open(opts)
	if errno != 0 {
		out.fail(what, step, errno)
	}
	abi, errno := landlockABI()
	if layer, errno := lacking(abi, errno, opts.bestEffort); layer != "" {
		out.fail(layer, "ask for the version", errno)
	}
	out.promise(layersOf(abi, len(opts.limits)), opts.check)
	last, what, step, errno := prepare(opts, opened)
	if errno != 0 {
		out.fail(what, step, errno)
	}
	if errno := closeOnExec(); errno != 0 {
		out.fail(layerDescriptors, "close_range", errno)
	}
	if step, errno := noNewPrivs(); errno != 0 {
		out.fail(layerNoNewPrivs, step, errno)
	}
	if step, errno := landlock(abi, opened); errno != 0 {
		out.fail(layerLandlock, step, errno)
	}
	last.become(out)
}

// lacking is the layer that keeps a kernel with this version of Landlock's interface, or this error instead of one, from
// what was asked for; empty: none does.
func lacking(abi int, errno syscall.Errno, bestEffort bool) (layer string, because syscall.Errno) {
	switch {
	case errno != 0:
		return layerLandlock, errno
	case abi < abiNetwork && !bestEffort:
		return layerNetwork, syscall.EOPNOTSUPP
	case abi < abiScope && !bestEffort:
		return layerScope, syscall.EOPNOTSUPP
	}
	return "", 0
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return 0
}

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

Options (each as --name=value; a limit that is left out is not set):
  --cpu=SECONDS            CPU time; SIGXCPU at the limit, SIGKILL one second later
  --address-space=BYTES    virtual memory
  --open-files=N           highest number of open descriptors
  --file-size=BYTES        largest file that may be written; SIGXFSZ above it
  --report-fd=N            write what was enforced to this descriptor, as JSON lines
  --help                   this text

Always set: no_new_privs, no core dumps, descriptors from 3 up closed on exec.
PROGRAM is a path, it is not searched for. It gets this program's environment.

Exit codes: 125 the sandbox could not be set, 126 PROGRAM cannot be executed,
127 PROGRAM does not exist; any other is PROGRAM's own.

Example:
  extension-sandbox --cpu=10 --address-space=1073741824 -- /usr/bin/nu -c 'print 1'
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
	// no_new_privs belongs to a thread, and what the executing thread has is what the program gets.
	runtime.LockOSThread()
	out := reporter{descriptor: opts.reportFD, program: opts.argv[0]}
	last, err := prepare(opts)
	if err != 0 {
		out.fail(layerRlimits, "read the current limits", err)
	}
	if err := closeOnExec(); err != 0 {
		out.fail(layerDescriptors, "close_range", err)
	}
	if err := noNewPrivs(); err != 0 {
		out.fail(layerNoNewPrivs, "prctl", err)
	}
	last.become(&out)
}

func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return 0
}

// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"syscall"
	"time"
)

// The errors of Run, one type per kind, to be told apart by errors.As:
//
//	InvalidError      the Command or the Limits are wrong: a mistake of the caller, nothing was started
//	UnavailableError  the sandbox cannot be set up on this machine
//	ExecError         the program is missing or not executable
//	SystemError       the machine refused for now (memory, processes, descriptors, a vanished folder): try again
//	EndedError        the context ended it; errors.Is finds context.DeadlineExceeded or context.Canceled
//	LimitError        it reached a limit, which is named
//	EscapeError       a process left the group and held the output open

// InvalidError is a Command or Limits that cannot be run.
type InvalidError struct{ Problem string }

func (e *InvalidError) Error() string { return "sandbox: invalid command: " + e.Problem }

// tooLong is the Problem of a command the kernel cannot take (E2BIG). One argument may have 128 KiB.
const tooLong = "the arguments and the environment are too long; pass what is long on standard input"

// UnavailableError says that the sandbox cannot be set up: the layer that failed, or [LayerHelper] for the helper itself.
type UnavailableError struct {
	Layer string
	Err   error
}

func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("sandbox unavailable: %s: %v", e.Layer, e.Err)
	if advice := remedies[e.Layer]; advice != "" {
		text += "; " + advice
	}
	return text
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// remedies say what to do where a layer fails.
var remedies = map[string]string{
	LayerHelper:      "install the extension-sandbox of this release and make it executable",
	LayerDescriptors: "Linux 5.11 or newer is needed",
	LayerNoNewPrivs:  "allow prctl and capset in the seccomp profile of the pod",
	LayerLandlock: "Linux 5.13 or newer is needed, with Landlock among its LSMs (see /sys/kernel/security/lsm), " +
		"and a seccomp profile of the pod that allows landlock_create_ruleset",
	LayerNetwork: "Linux 6.7 or newer is needed; --sandbox=best-effort does without these rules, seccomp denies sockets all the same",
	LayerScope:   "Linux 6.12 or newer is needed; --sandbox=best-effort does without these rules, seccomp denies signals to others all the same",
	LayerSeccomp: "a kernel with seccomp filters is needed, and a seccomp profile of the pod that allows seccomp",
	LayerRlimits: "allow prlimit64 in the seccomp profile of the pod",
}

// ExecError says that the program itself could not be executed. Confined: it is there and executable, but not from within
// the sandbox.
type ExecError struct {
	Path     string
	Err      error
	Confined bool
}

func (e *ExecError) Error() string {
	text := fmt.Sprintf("cannot execute %s: %v", e.Path, e.Err)
	if e.Confined {
		text += "; in the sandbox it must be a static binary, no script and none that needs a loader"
	}
	return text
}

func (e *ExecError) Unwrap() error { return e.Err }

// SystemError is a refusal of the machine that may pass. Op says what was tried.
type SystemError struct {
	Op  string
	Err error
}

func (e *SystemError) Error() string { return fmt.Sprintf("cannot %s: %v", e.Op, e.Err) }

func (e *SystemError) Unwrap() error { return e.Err }

// EndedError says that the context ended the process. Err is the context's error, Cause its cause where it has another.
type EndedError struct {
	Err, Cause error
	After      time.Duration
}

func (e *EndedError) Error() string {
	return fmt.Sprintf("ended after %s: %v", e.After.Round(time.Millisecond), e.Cause)
}

func (e *EndedError) Unwrap() []error { return []error{e.Err, e.Cause} }

// The limits a LimitError names.
const (
	LimitCPU      = "CPU time"
	LimitFileSize = "file size"
	LimitStdout   = "standard output"
	LimitStderr   = "standard error"
)

// LimitError names the limit the process reached and its value, in words.
type LimitError struct{ Limit, Value string }

func (e *LimitError) Error() string { return fmt.Sprintf("limit of %s reached: %s", e.Limit, e.Value) }

// EscapeError says that the program ended well, but something it started left its process group and held its output
// open; what was written after the program's end cannot be told from what it wrote itself.
type EscapeError struct{}

func (*EscapeError) Error() string {
	return "a process left its process group and held the output open after the program's end"
}

// transient tells an error that may be gone at the next try from one of the file itself.
func transient(errno syscall.Errno) bool {
	switch errno {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY, syscall.EIO, syscall.EINTR:
		return true
	default:
		return false
	}
}

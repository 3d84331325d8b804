// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Mode says how much of the sandbox there must be.
type Mode string

// The modes. File rules and the filter of system calls are the floor of every mode but Off.
const (
	// Require has every layer in force or runs nothing.
	Require Mode = "require"
	// BestEffort goes on without what an older kernel's Landlock lacks: network rules, signal rules. Reports say so.
	BestEffort Mode = "best-effort"
	// Off is for a developer's machine that is not Linux: there is no helper, and nothing is enforced but the process group,
	// the end of the context and the bounds of the output.
	Off Mode = "off"
)

// Modes are all modes, by what they are called in settings.
func Modes() []string { return []string{string(Require), string(BestEffort), string(Off)} }

// Sandbox runs programs through one helper. Any number of runs may go on at once.
type Sandbox struct {
	mode   Mode
	helper string // empty in mode Off
	probed probed
}

// New makes a Sandbox of the helper at an absolute path, which is not needed in mode [Off]. The file is looked for at each
// Run, so it may appear or be replaced later.
func New(mode Mode, helper string) (*Sandbox, error) {
	switch {
	case !slices.Contains(Modes(), string(mode)):
		return nil, fmt.Errorf("sandbox: mode %q is none of %s", mode, strings.Join(Modes(), ", "))
	case mode == Off:
		helper = ""
	case !filepath.IsAbs(helper):
		return nil, fmt.Errorf("sandbox: helper %q is not an absolute path", helper)
	}
	return &Sandbox{mode: mode, helper: helper}, nil
}

// Result is what a program did. It is filled as far as known also beside an error.
type Result struct {
	// Stdout and Stderr are what it wrote, cut at the limits.
	Stdout, Stderr []byte
	// ExitCode is -1 where a signal ended it or it never started.
	ExitCode int
	// Signal that ended it; 0: it exited.
	Signal syscall.Signal
	// Wall is from the call of Run or [Worker.Finish] to the end; CPU is user and system time of the process and what it
	// waited for, the helper and what a Worker did before it was sent anything included.
	Wall, CPU time.Duration
	// Report says what held it.
	Report Report
}

// Run runs one program to its end. When it returns, the program and its process group are gone and no descriptor,
// goroutine or thread is left of them, whatever the outcome; the package comment has the one exception. The errors are
// listed in errors.go; a program that exits with a code or dies by a signal is none, unless a limit explains it.
func (s *Sandbox) Run(ctx context.Context, c Command, l Limits) (Result, error) {
	began := time.Now()
	if err := ctx.Err(); err != nil {
		return notStarted(), &EndedError{Err: err, Cause: context.Cause(ctx)}
	}
	w, err := s.Start(c, l)
	if err != nil {
		return notStarted(), err
	}
	return w.finish(ctx, began, c.Stdin)
}

func notStarted() Result { return Result{ExitCode: -1, Report: reportOf(nil)} }

// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Sandbox runs programs through one helper. It has no state: any number of runs may go on at once.
type Sandbox struct{ helper string }

// New makes a Sandbox of the helper at an absolute path. The file is looked for at each Run, so it may appear or be
// replaced later. An empty path means no helper, for a developer's laptop: nothing is enforced but the process group,
// the end of the context and the output's bounds, and reports say so.
func New(helper string) (*Sandbox, error) {
	if helper != "" && !filepath.IsAbs(helper) {
		return nil, fmt.Errorf("sandbox: helper %q is not an absolute path", helper)
	}
	return &Sandbox{helper: helper}, nil
}

// Result is what a program did. It is filled as far as known also beside an error.
type Result struct {
	// Stdout and Stderr are what it wrote, cut at the limits.
	Stdout, Stderr []byte
	// ExitCode is -1 where a signal ended it or it never started.
	ExitCode int
	// Signal that ended it; 0: it exited.
	Signal syscall.Signal
	// Wall is from the start to the end; CPU is user and system time of the process and what it waited for, the helper
	// included.
	Wall, CPU time.Duration
	// Report says what held it.
	Report Report
}

// Run runs one program to its end. When it returns, the program and its process group are gone and no descriptor,
// goroutine or thread is left of them, whatever the outcome; the package comment has the one exception. The errors are
// listed in errors.go; a program that exits with a code or dies by a signal is none, unless a limit explains it.
func (s *Sandbox) Run(ctx context.Context, c Command, l Limits) (Result, error) {
	none := Result{ExitCode: -1, Report: reportOf(nil)}
	if err := c.validate(); err != nil {
		return none, err
	}
	if err := l.validate(); err != nil {
		return none, err
	}
	// The process dies with the thread that starts it: see the package comment.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p, err := s.start(ctx, c, l)
	if err != nil {
		return none, err
	}
	return p.wait(ctx)
}

// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// outputWait is how long the output may stay open after the whole group was killed.
const outputWait = 2 * time.Second

// lowestPriority is the niceness of what yields.
const lowestPriority = 19

// process is one started program.
type process struct {
	cmd            *exec.Cmd
	group          *group
	report         *os.File // our end of the report; nil without helper
	stdout, stderr *capture
	program        string
	limits         Limits
	started        time.Time
}

// start starts the program in its group. The caller's goroutine must stay on its thread until wait returns.
func (s *Sandbox) start(ctx context.Context, c Command, l Limits) (*process, error) {
	p := &process{program: c.Path, limits: l, started: time.Now()}
	var child *os.File
	if s.helper == "" {
		p.cmd = exec.CommandContext(ctx, c.Path, c.Args...)
	} else {
		var err error
		if p.report, child, err = os.Pipe(); err != nil {
			return nil, &SystemError{Op: "open a pipe", Err: err}
		}
		p.cmd = exec.CommandContext(ctx, s.helper, helperArgs(s.mode, c, l)...)
		p.cmd.ExtraFiles = []*os.File{child}
	}
	p.prepare(c)
	err := p.cmd.Start()
	if child != nil {
		_ = child.Close()
	}
	if err != nil {
		p.closeReport()
		return nil, s.startError(ctx, c, err)
	}
	if c.Yielding {
		// Of the whole group, as the helper has threads. It fails where the process is gone already.
		_ = unix.Setpriority(unix.PRIO_PGRP, p.cmd.Process.Pid, lowestPriority)
	}
	return p, nil
}

// prepare fills in all of cmd that does not depend on the helper.
func (p *process) prepare(c Command) {
	p.group = &group{leader: func() int { return p.cmd.Process.Pid }}
	p.stdout = &capture{limit: p.limits.Stdout, over: func() { _ = p.group.end(causeStdout) }}
	p.stderr = &capture{limit: p.limits.Stderr, over: func() { _ = p.group.end(causeStderr) }}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if len(c.Stdin) > 0 {
		p.cmd.Stdin = bytes.NewReader(c.Stdin)
	}
	p.cmd.Dir = c.Dir
	if c.Dir == "" {
		p.cmd.Dir = "/"
	}
	p.cmd.Env = append([]string{}, c.Env...) // never nil, which would mean ours
	p.cmd.SysProcAttr = attributes()
	p.cmd.Cancel = func() error { return p.group.end(causeContext) }
	p.cmd.WaitDelay = outputWait
}

func (p *process) closeReport() {
	if p.report != nil {
		_ = p.report.Close()
	}
}

// startError tells why nothing was started. The kernel gives one number for the folder and for the file.
func (s *Sandbox) startError(ctx context.Context, c Command, err error) error {
	var errno syscall.Errno
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return &EndedError{Err: ctx.Err(), Cause: context.Cause(ctx)}
	case !errors.As(err, &errno), transient(errno):
		return &SystemError{Op: "start a process", Err: err}
	case errno == syscall.E2BIG:
		return &InvalidError{tooLong}
	}
	if err := unix.Access(c.Dir+"/.", unix.X_OK); err != nil {
		return &SystemError{Op: "enter the working folder " + c.Dir, Err: err}
	}
	if s.helper != "" {
		return &UnavailableError{Layer: LayerHelper, Err: &os.PathError{Op: "exec", Path: s.helper, Err: errno}}
	}
	return &ExecError{Path: c.Path, Err: errno}
}

// wait waits for the end of the program and of its group, and tells what happened.
func (p *process) wait(ctx context.Context) (Result, error) {
	defer p.closeReport()
	awaitExit(p.cmd.Process.Pid)
	why := p.group.close()
	waited := p.cmd.Wait()
	p.group.vanish()
	return p.outcome(ctx, why, waited)
}

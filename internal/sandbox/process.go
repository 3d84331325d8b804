// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
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
	stdin          *os.File // our end of what the program reads
	stdout, stderr *capture
	program        string
	limits         Limits

	// How it ended; set by wait.
	why    cause
	waited error
}

// start starts the program in its group, with a standard input that stays open. The caller's goroutine must stay on its
// thread until wait returns.
func (s *Sandbox) start(c Command, l Limits) (*process, error) {
	p := &process{program: c.Path, limits: l}
	input, stdin, err := os.Pipe()
	if err != nil {
		return nil, &SystemError{Op: "open a pipe", Err: err}
	}
	defer func() { _ = input.Close() }() // the child has its own
	p.stdin = stdin
	if s.helper == "" {
		p.cmd = exec.Command(c.Path, c.Args...)
	} else {
		report, child, err := os.Pipe()
		if err != nil {
			p.close()
			return nil, &SystemError{Op: "open a pipe", Err: err}
		}
		defer func() { _ = child.Close() }()
		p.report = report
		p.cmd = exec.Command(s.helper, helperArgs(s.mode, c, l)...)
		p.cmd.ExtraFiles = []*os.File{child}
	}
	p.prepare(c, input)
	if err := p.cmd.Start(); err != nil {
		p.close()
		return nil, s.startError(c, err)
	}
	if c.Yielding {
		// Of the whole group, as the helper has threads. It fails where the process is gone already.
		_ = unix.Setpriority(unix.PRIO_PGRP, p.cmd.Process.Pid, lowestPriority)
	}
	return p, nil
}

// prepare fills in all of cmd that does not depend on the helper.
func (p *process) prepare(c Command, input *os.File) {
	p.group = &group{leader: func() int { return p.cmd.Process.Pid }}
	p.stdout = &capture{limit: p.limits.Stdout, over: func() { _ = p.group.end(causeOutput) }}
	p.stderr = &capture{limit: p.limits.Stderr, over: func() { _ = p.group.end(causeOutput) }}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.cmd.Stdin = input
	p.cmd.Dir = c.Dir
	if c.Dir == "" {
		p.cmd.Dir = "/"
	}
	p.cmd.Env = append([]string{}, c.Env...) // never nil, which would mean ours
	p.cmd.SysProcAttr = attributes()
	p.cmd.WaitDelay = outputWait
}

// close closes our ends. Closing them again does nothing.
func (p *process) close() {
	_ = p.stdin.Close()
	if p.report != nil {
		_ = p.report.Close()
	}
}

// startError tells why nothing was started. The kernel gives one number for the folder and for the file.
func (s *Sandbox) startError(c Command, err error) error {
	var errno syscall.Errno
	switch {
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

// wait waits for the end of the program and of its group.
func (p *process) wait() {
	awaitExit(p.cmd.Process.Pid)
	p.why = p.group.close()
	p.waited = p.cmd.Wait()
	p.group.vanish()
}

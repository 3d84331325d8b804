// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// outcome makes the result and the error of a process that is gone, for whoever asked in ctx and began to wait then.
func (p *process) outcome(ctx context.Context, began time.Time) (Result, error) {
	result := Result{
		Stdout: p.stdout.kept, Stderr: p.stderr.kept,
		ExitCode: -1, Wall: time.Since(began), Report: reportOf(nil),
	}
	state := p.cmd.ProcessState
	if state == nil {
		return result, &SystemError{Op: "wait for a process", Err: p.waited}
	}
	result.CPU = state.UserTime() + state.SystemTime()
	result.ExitCode = state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		result.Signal = status.Signal()
	}
	var started error
	if p.report != nil {
		result.Report, started = p.becameProgram(result)
	}
	if err := p.endedByUs(ctx, result); err != nil {
		return result, err
	}
	if started != nil {
		return result, started
	}
	if err := p.endedByKernel(result); err != nil {
		return result, err
	}
	return result, waitError(p.waited)
}

// becameProgram reads the report; the error says why the helper did not become the program.
func (p *process) becameProgram(result Result) (Report, error) {
	report, failure, err := readReport(p.report)
	switch {
	case err != nil:
		return report, &UnavailableError{Layer: LayerHelper, Err: fmt.Errorf("%s %w%s",
			p.cmd.Path, err, lastWords(result))}
	case failure.Failed == "":
		return report, nil
	case failure.Failed == stepRead:
		return report, &SystemError{Op: "open a folder to read", Err: failure.Errno}
	case failure.Failed != stepExec:
		return reportOf(nil), &UnavailableError{Layer: failure.Failed, Err: os.NewSyscallError(failure.Step, failure.Errno)}
	case transient(failure.Errno):
		return report, &SystemError{Op: "execute " + p.program, Err: failure.Errno}
	case failure.Errno == syscall.E2BIG:
		return report, &InvalidError{tooLong}
	default:
		return report, &ExecError{Path: p.program, Err: failure.Errno, Confined: failure.Step != callOpen}
	}
}

// lastWords are how a helper ended that reported nothing, and the first line it wrote.
func lastWords(result Result) string {
	how := fmt.Sprintf(" (exit code %d)", result.ExitCode)
	if result.Signal != 0 {
		how = fmt.Sprintf(" (signal: %s)", result.Signal)
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(result.Stderr), []byte("\n"))
	if len(line) == 0 {
		return how
	}
	return fmt.Sprintf("%s: %.200q", how, line)
}

// endedByUs is the error of a process we killed. The end of the context counts only where it was what ended the process;
// cut output counts always, since what is kept is not the whole answer, even where the process had ended when it was read.
func (p *process) endedByUs(ctx context.Context, result Result) error {
	switch {
	case p.stdout.cut:
		return &LimitError{Limit: LimitStdout, Value: fmt.Sprintf("%d bytes", p.limits.Stdout)}
	case p.stderr.cut:
		return &LimitError{Limit: LimitStderr, Value: fmt.Sprintf("%d bytes", p.limits.Stderr)}
	case p.why == causeContext && result.Signal == syscall.SIGKILL:
		return &EndedError{Err: ctx.Err(), Cause: context.Cause(ctx), After: result.Wall}
	}
	return nil
}

// endedByKernel is the error of a process that a resource limit ended.
func (p *process) endedByKernel(result Result) error {
	if !result.Report.Has(LayerRlimits) {
		return nil
	}
	seconds := p.limits.cpuSeconds()
	outlasted := result.CPU >= time.Duration(seconds)*time.Second
	switch {
	case result.Signal == syscall.SIGXCPU, result.Signal == syscall.SIGKILL && outlasted:
		return &LimitError{Limit: LimitCPU, Value: fmt.Sprintf("%d s", seconds)}
	case result.Signal == syscall.SIGXFSZ:
		return &LimitError{Limit: LimitFileSize, Value: fmt.Sprintf("%d bytes", p.limits.FileSize)}
	}
	return nil
}

// waitError is what is left of the error of exec.Cmd.Wait: the exit code is in the Result, the context was looked at.
func waitError(err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil, errors.As(err, &exit), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil
	case errors.Is(err, exec.ErrWaitDelay):
		return &EscapeError{}
	default:
		return &SystemError{Op: "exchange data with a process", Err: err}
	}
}

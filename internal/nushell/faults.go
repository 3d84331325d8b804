// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"syscall"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

const (
	// exitPanic is how a panic of nu ends, exitSignalled the first code by which a shell or a wrapper tells of a signal.
	exitPanic     = 101
	exitSignalled = 128
	// noMemory begins what nu says before it aborts for want of memory.
	noMemory = "memory allocation of "
)

// processFault is the Fault of a process that the sandbox could not start or had to end.
func (l *load) processFault(err error) *extension.Fault {
	var (
		ended       *sandbox.EndedError
		limit       *sandbox.LimitError
		unavailable *sandbox.UnavailableError
		exec        *sandbox.ExecError
		invalid     *sandbox.InvalidError
	)
	switch {
	case errors.As(err, &ended) && errors.Is(err, context.DeadlineExceeded):
		return extension.NewTransientFault(extension.LoadTimeout, err,
			"loading %s did not end in time; look for a constant in its module that takes long, or raise --load-timeout", l.what())
	case errors.As(err, &ended), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return extension.NewTransientFault(extension.LoadFailed, err, "loading %s was cancelled; the operator tries again", l.what())
	case errors.As(err, &limit):
		return l.limitFault(limit)
	case errors.As(err, &unavailable):
		return extension.NewTransientFault(extension.SandboxUnavailable, err, "%s", clip(err.Error(), maxMessage))
	case errors.As(err, &exec):
		return nushellUnavailable(err, "%s", err)
	case errors.As(err, &invalid):
		return extension.NewTransientFault(extension.InternalError, err, "%s; report this with the operator's log", clip(err.Error(), maxProblem))
	default:
		return extension.NewTransientFault(extension.LoadFailed, err,
			"loading %s failed: %s; the operator tries again", l.what(), clip(err.Error(), maxProblem))
	}
}

func (l *load) limitFault(limit *sandbox.LimitError) *extension.Fault {
	if limit.Limit == sandbox.LimitStdout {
		fault := extension.NewFault(extension.LoadFailed, "loading %s reached the limit of %s (%s): its answer is too long; %s, or raise --load-output",
			l.what(), limit.Limit, limit.Value, wrongProgram)
		fault.Cause = limit
		return fault
	}
	fault := extension.NewFault(extension.LimitExceeded,
		"loading %s reached the limit of %s (%s); make its module smaller or its constants cheaper", l.what(), limit.Limit, limit.Value)
	fault.Cause = limit
	return fault
}

// endFault is the Fault of a process that did not exit by itself, if it is one.
func (l *load) endFault(result sandbox.Result) *extension.Fault {
	var how string
	switch {
	case result.Signal == syscall.SIGABRT && result.Report.Has(sandbox.LayerRlimits) && bytes.HasPrefix(result.Stderr, []byte(noMemory)):
		fault := l.limitFault(&sandbox.LimitError{Limit: "memory", Value: fmt.Sprintf("%d MiB", l.runner.options.Limits.AddressSpace>>20)})
		fault.Cause = l.words(result)
		return fault
	case result.Signal != 0:
		how = fmt.Sprintf("a signal (%s)", result.Signal)
	case result.ExitCode >= exitSignalled:
		how = fmt.Sprintf("exit code %d", result.ExitCode)
	default:
		return nil
	}
	return extension.NewTransientFault(extension.LoadFailed, l.words(result),
		"loading %s was ended by %s, as by too little memory or code nested too deeply; the operator tries again", l.what(), how)
}

const wrongProgram = "check the loading program in --provisioning-path"

// wrongAnswer is the Fault of a loading program that did not answer as documented.
func (l *load) wrongAnswer(result sandbox.Result, problem string, args ...any) *extension.Fault {
	text := fmt.Errorf(problem, args...).Error()
	fault := extension.NewFault(extension.LoadFailed, "the loading program's answer for %s is wrong: %s; %s", l.what(), text, wrongProgram)
	fault.Message = clip(fault.Message, maxMessage)
	fault.Cause = l.words(result)
	return fault
}

// refusal is the Fault of an extension that the loading program looked at and refused.
func (l *load) refusal(result sandbox.Result, f failure) *extension.Fault {
	beginning := l.what() + " does not load"
	if len(f.diagnostics) == 0 {
		beginning += ": " + clip(f.message, maxMessage/2)
	}
	for i := range f.diagnostics {
		f.diagnostics[i].File = path.Join(l.plan.Root().Path, path.Clean("/"+f.diagnostics[i].File))
	}
	fault := extension.NewFault(f.code, "%s", summary(beginning, f.diagnostics))
	fault.Cause = l.refused(result, f.diagnostics)
	return fault
}

// parseFault is the Fault of an extension that nu could not parse.
func (l *load) parseFault(ctx context.Context, result sandbox.Result) *extension.Fault {
	diagnostics, err := l.diagnose(ctx, result)
	if err != nil {
		return l.processFault(err)
	}
	beginning := l.what() + " does not load"
	switch {
	case len(diagnostics) > 0:
	case result.ExitCode == exitPanic:
		beginning += ": Nushell panicked while parsing it; remove the newest parts of its module until it loads"
	default:
		beginning += fmt.Sprintf(": Nushell ended with exit code %d and said no place; run `provisioning module load` on it", result.ExitCode)
	}
	fault := extension.NewFault(extension.LoadFailed, "%s", summary(beginning, diagnostics))
	fault.Cause = l.refused(result, diagnostics)
	return fault
}

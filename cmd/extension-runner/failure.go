// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"

	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/step"
)

// failure is why a step did not succeed.
type failure struct {
	reason step.Reason
	// message is this program's: no value and no text of a hook is in it.
	message string
	// said is what the hook, its values or what it made say beyond that; it is told only where no value is a secret.
	said string
	// code is the one that the hook gave its error.
	code string
}

func (f *failure) Error() string { return f.message }

func failed(reason step.Reason, format string, args ...any) *failure {
	return &failure{reason: reason, message: fmt.Sprintf(format, args...)}
}

// asFailure finds the failure in an error; another one is of the machine.
func asFailure(err error) *failure {
	var f *failure
	var refused *payload.RefusedError
	switch {
	case errors.As(err, &f):
		return f
	case errors.As(err, &refused):
		return failed(step.PayloadRefused, "%s", err)
	default:
		return failed(step.RunnerFailed, "%s; look at the volumes of the pod", err)
	}
}

// processFailure is of a process that could not be started, or had to be ended.
func (r *runner) processFailure(err error) *failure {
	var (
		limit       *sandbox.LimitError
		unavailable *sandbox.UnavailableError
		exec        *sandbox.ExecError
		escape      *sandbox.EscapeError
	)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return failed(step.Timeout, "%s did not end within %s and was ended; make it faster, or raise spec.timeout", r.order.Step, r.order.Timeout)
	case errors.Is(err, context.Canceled):
		return failed(step.Interrupted, "%s was ended by a signal from outside, as when its pod is deleted", r.order.Step)
	case errors.As(err, &limit):
		return failed(step.LimitExceeded, "%s reached the limit of %s (%s) and was ended", r.order.Step, limit.Limit, limit.Value)
	case errors.As(err, &unavailable):
		return failed(step.SandboxUnavailable, "%s", err)
	case errors.As(err, &exec):
		return failed(step.NushellUnavailable, "%s", err)
	case errors.As(err, &escape):
		return failed(step.HookFailed, "%s: %s", r.order.Step, err)
	default:
		return failed(step.RunnerFailed, "%s", err)
	}
}

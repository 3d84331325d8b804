// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"provisioning.dev/extension-operator/internal/step"
)

const help = `extension-runner runs one step of an Installation from the payload of its plan.

Usage:
  extension-runner configure|install|verify|uninstall [FLAGS]

Flags:
%s
Exit codes: 0 succeeded, or skipped because there is no such hook; 1 the hook or its values failed; 2 an argument is wrong;
3 the payload or the configuration is not the one that was asked for; 4 it could not run, or was ended.
`

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

// run returns the exit code.
func run(args []string, log io.Writer) int {
	order, err := step.Parse(args)
	if errors.Is(err, step.ErrHelp) {
		_, _ = fmt.Fprintf(log, help, step.Usage())
		return 0
	}
	if err != nil {
		return finish(order, log, step.NewReport(order.Step, step.InvalidArguments, err.Error()+"; see extension-runner --help"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, order.Timeout)
	defer cancel()
	return finish(order, log, (&runner{order: order, log: log}).run(ctx))
}

// finish tells how a step ended. A message that cannot be written changes nothing of what was done, and so not the code.
func finish(order step.Order, log io.Writer, report step.Report) int {
	text := report.Encode()
	_, _ = fmt.Fprintf(log, "%s\n", text)
	if err := os.WriteFile(order.TerminationLog, text, 0o644); err != nil { //nolint:gosec // the kubelet reads it as another user
		_, _ = fmt.Fprintf(log, "the termination message cannot be written: %s\n", err)
	}
	return report.Reason.ExitCode()
}

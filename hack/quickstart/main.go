// SPDX-License-Identifier: Apache-2.0

// Command quickstart starts the operator on this machine, with an API server of its own and a copy of the built-in library,
// and applies the samples. It stays up until Ctrl-C and then leaves nothing behind. With --once it checks the result, tries
// what it would have proposed to try, and ends with the verdict. It runs at the root of the source tree, after make build.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	once := flag.Bool("once", false, "check the result and stop, with status 0 if everything is right")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *once)
	interrupted := ctx.Err() != nil && !*once
	stop()
	os.Exit(report(os.Stdout, os.Stderr, err, interrupted))
}

// leftError says that something may still be running.
type leftError struct{ error }

func (e leftError) Unwrap() error { return e.error }

// report tells how it ended and returns the exit status. Ctrl-C is no failure, and neither is what it cut short; what did
// not stop is.
func report(out, problems io.Writer, err error, interrupted bool) int {
	if err != nil {
		_, _ = fmt.Fprintln(problems, "quickstart:", err) // nobody is left to be told
	}
	if err != nil && !interrupted || errors.As(err, new(leftError)) {
		return 1
	}
	if interrupted {
		_, _ = fmt.Fprintln(out, "stopped; nothing is left running")
	}
	return 0
}

func run(ctx context.Context, once bool) (err error) {
	stack, err := newStack(ctx)
	if err != nil {
		return err
	}
	defer func() {
		say("stopping the manager and the API server")
		if stopErr := stack.stop(); stopErr != nil {
			err = errors.Join(err, leftError{stopErr})
		}
	}()
	if err := stack.start(ctx); err != nil {
		return err
	}
	if err := applySamples(ctx, stack); err != nil {
		return errors.Join(err, stack.managerLog())
	}
	if once {
		if err := check(ctx, stack); err != nil {
			return errors.Join(err, stack.managerLog())
		}
		say("everything is right")
		return nil
	}
	stack.printGuide()
	select {
	case <-ctx.Done():
		return nil
	case err := <-stack.manager.ended:
		return errors.Join(fmt.Errorf("the manager ended: %w", err), stack.managerLog())
	}
}

// say prints one line on what happens now.
func say(format string, args ...any) {
	fmt.Printf("==> "+format+"\n", args...)
}

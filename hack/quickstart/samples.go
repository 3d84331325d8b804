// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// readyTimeout is how long the samples may take, in seconds as kubectl wants it: far longer than they do.
const readyTimeout = "--timeout=120s"

// applySamples applies the samples, waits until all are Ready, and prints them.
func applySamples(ctx context.Context, s *stack) error {
	started := time.Now()
	say("applying config/samples")
	if _, err := s.kubectl.run(ctx, "apply", "-k", filepath.Join(s.root, "config", "samples")); err != nil {
		return err
	}
	waitErr := s.whileManagerRuns(ctx, func(ctx context.Context) error {
		_, err := s.kubectl.run(ctx, "wait", "ext", "--all", "--for=condition=Ready", readyTimeout)
		return err
	})
	table, err := s.kubectl.run(ctx, "get", "ext")
	if err != nil {
		return errors.Join(waitErr, err)
	}
	if waitErr == nil {
		say("all Ready after %s:", time.Since(started).Round(10*time.Millisecond))
	}
	fmt.Printf("\n%s\n", table)
	return waitErr
}

// whileManagerRuns runs do, and gives it up when the manager ends.
func (s *stack) whileManagerRuns(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return err
	case err := <-s.manager.ended:
		cancel(err)
		<-done //nolint:errcheck // it was given up: what it says follows from the manager's end
		return fmt.Errorf("the manager ended: %w", err)
	}
}

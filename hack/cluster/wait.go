// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// pollInterval is how often something awaited is looked at.
	pollInterval = 100 * time.Millisecond
	// removeTimeout is how long the kernel may take to let go of what is removed.
	removeTimeout = 15 * time.Second
	// readyTimeout is how long one part may take until it serves, on a small machine that does much else.
	readyTimeout = 2 * time.Minute
)

// eventually tries again until it works, and returns the last error when the time is over.
func eventually(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		// What the end of the time cuts short says less than the error before it.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not within %s: %w", limit, last)
			}
			return ctx.Err()
		}
	}
}

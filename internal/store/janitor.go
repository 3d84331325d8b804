// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"time"

	"github.com/go-logr/logr"
)

// Janitor removes, every Interval, the copies that nobody put or used for Age:
// without it each version that a library ever had would stay. One that is wanted
// again later is put again then.
type Janitor struct {
	Store         *Store
	Interval, Age time.Duration
	Log           logr.Logger
}

// NeedLeaderElection is false: each process has a store of its own.
func (j *Janitor) NeedLeaderElection() bool { return false }

// Start cleans until ctx ends.
func (j *Janitor) Start(ctx context.Context) error {
	ticker := time.NewTicker(j.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			j.clean(ctx)
		}
	}
}

func (j *Janitor) clean(ctx context.Context) {
	removed, err := j.Store.Prune(ctx, j.Age)
	if err != nil && ctx.Err() == nil {
		j.Log.Error(err, "old copies of extensions could not be removed; it is tried again", "after", j.Interval.String())
	}
	if removed > 0 {
		j.Log.Info("Removed old copies of extensions", "count", removed)
	}
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"math/rand/v2"
	"time"
)

// NeedLeaderElection is false: every replica answers from its own library.
func (l *Library) NeedLeaderElection() bool { return false }

// Start scans the library, and again each Interval; in between it looks at what
// file events hint at, after Quiet. It returns nil when ctx ends, and leaves no
// goroutine and no descriptor. It is called once.
func (l *Library) Start(ctx context.Context) error {
	l.watches.open()
	defer l.watches.close()
	l.scan(ctx)
	interval := time.NewTimer(l.jittered())
	defer interval.Stop()
	due := time.NewTimer(l.quiet)
	defer due.Stop()
	armed := true
	for {
		events, errs := l.watches.channels()
		select {
		case <-ctx.Done():
			return nil
		case event := <-events:
			l.hint(event.Name)
		case err := <-errs:
			l.log.Error(err, "file events were lost; the library is scanned")
			l.watches.reset()
			l.scan(ctx)
		case <-interval.C:
			l.scan(ctx)
			interval.Reset(l.jittered())
		case <-l.stir:
			// The first look soon, the next after Quiet: what changed once
			// counts after little more than that.
			if !armed {
				due.Reset(l.quiet / 8)
				armed = true
			}
		case <-due.C:
			if armed = l.lookAtDue(ctx); armed {
				due.Reset(l.quiet)
			}
		}
	}
}

// jittered keeps replicas from scanning one shared disk in step.
func (l *Library) jittered() time.Duration {
	return time.Duration(float64(l.interval) * (0.9 + 0.2*rand.Float64())) //nolint:gosec // G404: nobody gains by guessing it
}

// hint turns the path of a file event into something to look at.
func (l *Library) hint(path string) {
	who, all := l.watches.concerns(path)
	if who != (id{}) {
		l.lookLater(false, who)
	} else if all {
		l.lookLater(true)
	}
}

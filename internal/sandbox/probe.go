// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"sync"
	"time"
)

const (
	// probeAge is how long an answer of Probe is repeated, so that whoever asks often starts few processes.
	probeAge = 10 * time.Second
	// probeWait bounds one look.
	probeWait = 5 * time.Second
)

// probed is the last answer of Probe.
type probed struct {
	sync.Mutex
	at     time.Time
	report Report
	err    error
}

// Probe says before anything is run what would hold it on this machine. It has the helper set every layer and execute
// nothing. The error is that of a Run: an UnavailableError names the layer that is below what the mode needs. In mode [Off]
// nothing is looked for. An answer is repeated for ten seconds, except where the caller's own ctx ended the look.
func (s *Sandbox) Probe(ctx context.Context) (Report, error) {
	if s.mode == Off {
		return reportOf(nil), nil
	}
	s.probed.Lock()
	defer s.probed.Unlock()
	if !s.probed.at.IsZero() && time.Since(s.probed.at) < probeAge {
		return s.probed.report, s.probed.err
	}
	bounded, cancel := context.WithTimeout(ctx, probeWait)
	defer cancel()
	result, err := s.Run(bounded, Command{Path: s.helper, check: true}, DefaultLimits())
	if ctx.Err() == nil {
		s.probed.at, s.probed.report, s.probed.err = time.Now(), result.Report, err
	}
	return result.Report, err
}

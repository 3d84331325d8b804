// SPDX-License-Identifier: Apache-2.0

package catalog

import "time"

// Stats is what a library tells of itself as a whole.
type Stats struct {
	// Synced is when the last complete scan began; zero before the first.
	Synced time.Time
	// Versions is how many can be had as far as is known, Broken how many folders cannot be
	// loaded. A manifest is read when its version is first asked for, and counts from then on.
	Versions, Broken int
	// Errors counts the looks since the start that could not read the library.
	Errors uint64
	// Available is false while the library cannot be read.
	Available bool
}

// Stats counts what the library knows. Nothing is read for it.
func (l *Library) Stats() Stats {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s := Stats{Synced: l.synced, Broken: len(l.oddFolders), Errors: l.errors, Available: l.unavailable == nil}
	for _, e := range l.names {
		for _, p := range e.parts {
			switch {
			case p.broken():
				s.Broken++
			case p.accepted.shape == single || p.accepted.shape == version:
				s.Versions++
			}
		}
	}
	return s
}

// broken tells whether a part is known to be nothing that can be loaded.
func (p *part) broken() bool {
	switch p.accepted.shape {
	case misnamed, mixed:
		return true
	case single, version:
		return p.accepted.fault != nil || p.accepted.incomplete != "" || p.checked != nil && p.checked.fault != nil
	default:
		return false
	}
}

// SPDX-License-Identifier: Apache-2.0

package config

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"
)

// Watcher says when the configuration file would give other settings than those in force.
// It applies none of them: some can only be had by a start, and half of a file is no file.
type Watcher struct {
	effective *Effective
	log       logr.Logger
	onChange  func(differs bool)
	// interval is the time between two looks, whether events came or not; quiet is how
	// long after an event the file is read.
	interval, quiet time.Duration
	// said is what was last said of the file; empty while it gives what is in force.
	said string
}

// NewWatcher watches the file that settings in force came from. onChange is told, whenever
// it changes, whether a start would give other settings now, or none because the file is wrong.
func NewWatcher(e *Effective, log logr.Logger, onChange func(differs bool)) *Watcher {
	return &Watcher{effective: e, log: log.WithValues("file", e.sources.File), onChange: onChange, interval: time.Minute, quiet: 500 * time.Millisecond}
}

// NeedLeaderElection is false: every replica has a file of its own.
func (w *Watcher) NeedLeaderElection() bool { return false }

// Start looks at the file until ctx ends. File events are hints, and may be missing.
func (w *Watcher) Start(ctx context.Context) error {
	var events <-chan fsnotify.Event
	var losses <-chan error
	folder := filepath.Dir(w.effective.sources.File)
	hints, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = hints.Close() }() // it cannot fail but by being closed
		_ = hints.Add(folder)                // where it fails there are no hints
		events, losses = hints.Events, hints.Errors
	}
	w.look() // it may have changed since it was read
	tick := time.NewTicker(w.interval)
	defer tick.Stop()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-events:
			if due == nil {
				due = time.After(w.quiet)
			}
		case <-losses: //nolint:errcheck // lost events are no matter: the next look does without
		case <-due:
			due = nil
			w.look()
		case <-tick.C:
			if hints != nil {
				_ = hints.Add(folder) // it may be another folder by now
			}
			w.look()
		}
	}
}

// look reads the file and says what is new about it.
func (w *Watcher) look() {
	now, err := Load(w.effective.sources)
	says := fmt.Sprint(err)
	if err == nil {
		says = strings.Join(w.effective.differences(now), ", ")
	}
	if says == w.said {
		return
	}
	w.said = says
	switch {
	case err != nil:
		w.log.Error(err, "The configuration file is wrong now; the settings that were read at the start stay in force, but the manager would not start again")
	case says != "":
		w.log.Info("The configuration file has changed; restart the manager to have its settings in force", "changes", says)
	default:
		w.log.Info("The configuration file gives the settings that are in force again")
	}
	w.onChange(says != "")
}

// differences between the settings in force and others, as "key: value → value".
func (e *Effective) differences(other *Effective) []string {
	var list []string
	for i, row := range e.table.rows {
		if was, is := row.literal(), other.table.rows[i].literal(); was != is {
			list = append(list, fmt.Sprintf("%s: %s → %s", row.key, was, is))
		}
	}
	return list
}

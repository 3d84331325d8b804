// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"sync"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// failureStands is how long a file that could not be used is not tried again while it stays as it is. Another file is
// tried at once.
const failureStands = 5 * time.Second

// memory holds what was read from a file, as long as that file stays as it is. It may be asked by many at once: they share
// one reading, which ends for itself and not with whoever began it.
type memory[T any] struct {
	// read looks into the file at path. It must end by itself; its errors are Faults.
	read func(path string) (T, error)

	mu     sync.Mutex
	newest *reading[T]
}

// reading is one look into a file.
type reading[T any] struct {
	of    file
	ended chan struct{}
	// These are set before ended is closed, and read only after.
	value T
	err   error
	at    time.Time
}

// get waits for what the file holds, at most until ctx ends. The error is a Fault.
func (m *memory[T]) get(ctx context.Context, of file) (T, error) {
	r := m.readingOf(of)
	select {
	case <-r.ended:
		return r.value, r.err
	default:
	}
	select {
	case <-r.ended:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, extension.NewTransientFault(extension.NushellUnavailable, ctx.Err(),
			"%s is still being looked at; it is tried again", of.path)
	}
}

// readingOf is the newest reading where it is of this file and stands, else a new one that it starts.
func (m *memory[T]) readingOf(of file) *reading[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.newest != nil && m.newest.of == of && m.newest.stands() {
		return m.newest
	}
	r := &reading[T]{of: of, ended: make(chan struct{})}
	m.newest = r
	go func() {
		defer close(r.ended)
		r.value, r.err = m.read(of.path)
		r.at = time.Now()
	}()
	return r
}

// stands tells whether a file that has not changed needs no other reading.
func (r *reading[T]) stands() bool {
	select {
	case <-r.ended:
		return r.err == nil || time.Since(r.at) < failureStands
	default:
		return true
	}
}

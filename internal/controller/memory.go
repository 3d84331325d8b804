// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

// memory holds, per object, what is under way and need not outlive the process.
type memory struct {
	mu      sync.Mutex
	records map[types.NamespacedName]*record
}

func newMemory() *memory { return &memory{records: map[types.NamespacedName]*record{}} }

// of returns the record of ext, a new one where there is none or where it is
// that of an earlier object of the same name. Only the one reconcile of ext that
// runs at a time uses it, so it needs no lock.
func (m *memory) of(ext *api.Extension, now time.Time) *record {
	key := types.NamespacedName{Namespace: ext.Namespace, Name: ext.Name}
	m.mu.Lock()
	defer m.mu.Unlock()
	rec := m.records[key]
	if rec == nil || rec.uid != ext.UID {
		rec = &record{uid: ext.UID}
		m.records[key] = rec
	}
	if rec.generation != ext.Generation {
		rec.generation, rec.generationSeen, rec.missingSince = ext.Generation, now, time.Time{}
	}
	return rec
}

func (m *memory) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, key)
}

// record is what the controller knows of one object beside its status.
type record struct {
	uid types.UID
	// generation and when this process first saw it.
	generation     int64
	generationSeen time.Time
	// looked is the generation that this process has looked at before.
	looked int64
	// missingSince is since when what that generation asks for is not there; zero while it is.
	missingSince time.Time
	// waiting is the load that the object waits for; nil when there is none. It is
	// kept until its outcome has been written.
	waiting *waiting
	reload  reloading
	// backoff holds the next try back after a retryable failure.
	backoff backoff
	// refused is the attempt whose status the API server has refused.
	refused subject
	// writtenFrom is the resourceVersion on which the last write was based.
	writtenFrom string
}

// unseen tells whether the informer has not shown our last write yet.
func (rec *record) unseen(ext *api.Extension) bool {
	return rec.writtenFrom != "" && rec.writtenFrom == ext.ResourceVersion
}

// waitsFor tells whether a load was asked for to answer token.
func (rec *record) waitsFor(token string) bool {
	return rec.waiting != nil && rec.waiting.token == token
}

// reloading is the newest reload token that was begun.
type reloading struct {
	token string
	at    time.Time
	// open until an outcome that answers it was written.
	open bool
	// insists: it was asked for after this process had looked at the generation. Who asks then
	// wants to know what there is now; one that is found at a start came who knows when.
	insists bool
}

// subject is what an attempt is about; the zero one is about nothing.
type subject struct {
	generation int64
	token      string
	input      extension.Digest
	code       extension.Code
}

// waiting is one object's waiting for one load.
type waiting struct {
	flight *load.Flight
	input  extension.Digest
	token  string
	since  time.Time
}

// Bounds of the backoff after retryable failures.
const (
	firstBackoff = time.Second
	maxBackoff   = 5 * time.Minute
)

// backoff counts retryable failures in a row.
type backoff struct {
	failures   int
	until      time.Time
	generation int64
	token      string
}

// next notes a failure of an attempt at generation and token and returns how long to wait.
func (b *backoff) next(generation int64, token string, now time.Time) time.Duration {
	delay := maxBackoff
	if b.failures < 16 {
		delay = min(firstBackoff<<b.failures, maxBackoff)
	}
	delay = wait.Jitter(delay, 0.2)
	b.failures++
	b.until, b.generation, b.token = now.Add(delay), generation, token
	return delay
}

// expire lets the next try begin at once; the count of failures stays.
func (b *backoff) expire() { b.until = time.Time{} }

// remaining is how long an attempt at generation and token still has to wait.
func (b *backoff) remaining(generation int64, token string, now time.Time) time.Duration {
	if b.failures == 0 || b.generation != generation || b.token != token {
		return 0
	}
	return max(0, b.until.Sub(now))
}

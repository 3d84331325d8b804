// SPDX-License-Identifier: Apache-2.0

// Package audit keeps a record of what the operator did: one line of JSON for each
// load, reload, refusal and clearing of the cache, in the form of an event of
// audit.k8s.io/v1. Nobody who reports waits for the disk: where lines cannot be written,
// events are lost, counted, and their number is told.
package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Options of a Log; every field is required.
type Options struct {
	// Out gets one whole line with each Write. It is closed at the end, and must open
	// itself again for a line that comes later.
	Out io.WriteCloser
	// Queue is how many events may wait for Out.
	Queue int
	// Log is told when events are lost.
	Log logr.Logger
	Now func() time.Time
}

// Log writes events. It is safe for concurrent use; Start must run for lines to appear.
type Log struct {
	opts  Options
	queue chan *auditv1.Event
	newID func() types.UID

	// lost counts the events that no line has told of yet.
	lost atomic.Uint64
	// lostEver counts all that were lost.
	lostEver atomic.Uint64
	// saidLost is when the operator's log was told last, in ns since 1970.
	saidLost atomic.Int64

	// ending is held to write once Start has ended, and for reading to leave that to it.
	ending sync.RWMutex
	ended  bool
	// torn: the last line may have been written in part. Only one writes at a time.
	torn bool
}

// New makes a Log.
func New(opts Options) *Log {
	return &Log{opts: opts, queue: make(chan *auditv1.Event, opts.Queue), newID: uuid.NewUUID}
}

// NeedLeaderElection is false: every replica keeps a record of its own.
func (l *Log) NeedLeaderElection() bool { return false }

// Start writes until ctx ends, then what still waits. The manager stops what it runs
// in no order that would let this be the last: what is reported later is written at once.
func (l *Log) Start(ctx context.Context) error {
	for {
		select {
		case event := <-l.queue:
			l.write(event)
		case <-ctx.Done():
			l.finish()
			return nil
		}
	}
}

func (l *Log) finish() {
	l.drain()
	l.ending.Lock()
	defer l.ending.Unlock()
	l.ended = true
	l.drain() // what came meanwhile
	if l.lost.Load() > 0 && !l.tellLost() {
		l.opts.Log.Info("Audit events were lost, and no line of the audit log tells of them", "lost", l.lost.Load())
	}
	l.close()
}

// drain writes what waits.
func (l *Log) drain() {
	for {
		select {
		case event := <-l.queue:
			l.write(event)
		default:
			return
		}
	}
}

func (l *Log) close() {
	if err := l.opts.Out.Close(); err != nil {
		l.opts.Log.Error(err, "Audit log could not be closed; its last lines may be missing")
	}
}

// errFull is why an event is lost that found no place.
var errFull = errors.New("more events wait to be written than there is room for; the disk may be slow")

// put has event written when its turn comes, or never: nobody waits, as long as Start runs.
func (l *Log) put(event *auditv1.Event) {
	if l.enqueue(event) {
		return
	}
	l.ending.Lock()
	defer l.ending.Unlock()
	l.write(event)
	l.close() // until the next
}

// enqueue tells whether there is somebody to write what waits.
func (l *Log) enqueue(event *auditv1.Event) bool {
	l.ending.RLock()
	defer l.ending.RUnlock()
	if l.ended {
		return false
	}
	select {
	case l.queue <- event:
	default:
		l.lose(errFull)
	}
	return true
}

// sayLostEvery is the shortest time between two lines of the operator's log about lost events.
const sayLostEvery = time.Minute

func (l *Log) lose(why error) {
	l.lostEver.Add(1)
	lost, now := l.lost.Add(1), l.opts.Now().UnixNano()
	said := l.saidLost.Load()
	if now-said < int64(sayLostEvery) || !l.saidLost.CompareAndSwap(said, now) {
		return
	}
	l.opts.Log.Error(why, "Audit events are being lost; loads go on", "lost", lost)
}

// Lost counts the events that were lost since the start.
func (l *Log) Lost() uint64 { return l.lostEver.Load() }

// write writes event, after how many were lost before it.
func (l *Log) write(event *auditv1.Event) {
	if l.lost.Load() > 0 && !l.tellLost() {
		l.lose(errors.New("what was lost before could not be told either"))
		return
	}
	if err := l.line(event); err != nil {
		l.lose(err)
	}
}

// tellLost writes how many events were lost and tells whether that was possible.
func (l *Log) tellLost() bool {
	lost := l.lost.Swap(0)
	if err := l.line(l.lostEvents(lost)); err != nil {
		l.lost.Add(lost)
		return false
	}
	return true
}

// line writes one line. A part of a line that a full disk has kept is ended first, so
// that only that line cannot be read.
func (l *Log) line(event *auditv1.Event) error {
	var text bytes.Buffer
	if l.torn {
		text.WriteByte('\n')
	}
	encoder := json.NewEncoder(&text) // it ends the line
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(event); err != nil {
		return fmt.Errorf("encode an audit event: %w", err)
	}
	n, err := l.opts.Out.Write(text.Bytes())
	switch {
	case err == nil:
		l.torn = false
	case n > 0:
		l.torn = true
	}
	return err
}

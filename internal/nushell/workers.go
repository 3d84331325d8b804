// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"errors"
	"sync"
	"time"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// worker is a Nushell that has read the loading program and waits in an empty stage to be told what to load. It serves one
// load.
type worker struct {
	*sandbox.Worker
	place place
	tools tools
	since time.Time
}

// gone tells that it cannot serve: it ended, as one does whose loading program waits for nothing, or its stage was deleted.
func (w *worker) gone() bool {
	select {
	case <-w.Ended():
		return true
	default:
		return !w.place.there()
	}
}

// workers are those that wait. Only Start adds any, so that there is none before it runs or after it ended.
type workers struct {
	// asked wakes Start when one was taken.
	asked chan struct{}

	mu      sync.Mutex
	waiting []*worker
}

func newWorkers() *workers { return &workers{asked: make(chan struct{}, 1)} }

// take gives the worker that waits longest among those made with these tools, or nil. Who gets one must finish or stop it.
func (ws *workers) take(t tools) *worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for i, w := range ws.waiting {
		if w.tools == t && !w.gone() {
			ws.waiting = append(ws.waiting[:i:i], ws.waiting[i+1:]...)
			ws.ask()
			return w
		}
	}
	ws.ask() // there are too few, or they are of no use
	return nil
}

func (ws *workers) ask() {
	select {
	case ws.asked <- struct{}{}:
	default:
	}
}

func (ws *workers) add(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.waiting = append(ws.waiting, w)
}

func (ws *workers) count() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return len(ws.waiting)
}

// dismiss takes out those that a check finds useless.
func (ws *workers) dismiss(useless func(*worker) bool) []*worker {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	var kept, gone []*worker
	for _, w := range ws.waiting {
		if useless(w) {
			gone = append(gone, w)
		} else {
			kept = append(kept, w)
		}
	}
	ws.waiting = kept
	return gone
}

// NeedLeaderElection is false: workers belong to the process, not to the leader.
func (r *Runner) NeedLeaderElection() bool { return false }

// Start keeps Options.Workers Nushells waiting until ctx ends, and returns when none is left. One is replaced when it was
// taken, is gone, has waited for Options.WorkerIdle, or when nu or the loading program were; that is looked at after each load and
// now and then. What keeps one from being started is told by the loads, which start their own then.
func (r *Runner) Start(ctx context.Context) error {
	sweep := time.NewTicker(max(r.options.WorkerIdle/4, time.Millisecond))
	defer sweep.Stop()
	for {
		if err := r.refill(ctx); err != nil && ctx.Err() == nil {
			r.options.Log.V(1).Info("No Nushell is started in advance", "reason", err.Error())
		}
		select {
		case <-ctx.Done():
			r.stop(r.workers.dismiss(func(*worker) bool { return true }))
			return nil
		case <-r.workers.asked:
		case <-sweep.C:
		}
	}
}

// refill replaces the workers that are of no use and starts those that lack, one after the other.
func (r *Runner) refill(ctx context.Context) error {
	if r.options.Workers == 0 {
		return nil
	}
	t, err := r.look(ctx)
	r.stop(r.workers.dismiss(func(w *worker) bool {
		return err != nil || w.tools != t || w.gone() || time.Since(w.since) >= r.options.WorkerIdle
	}))
	if err != nil {
		return err
	}
	for r.workers.count() < r.options.Workers && ctx.Err() == nil {
		w, err := r.startWorker(t)
		if err != nil {
			return err
		}
		r.workers.add(w)
	}
	return nil
}

func (r *Runner) startWorker(t tools) (*worker, error) {
	p, err := r.newPlace()
	if err != nil {
		return nil, err
	}
	started, err := r.options.Sandbox.Start(p.command(t, "-c", t.program), r.options.Limits)
	if err != nil {
		return nil, errors.Join(err, p.stage.Remove())
	}
	return &worker{Worker: started, place: p, tools: t, since: time.Now()}, nil
}

// stop ends workers and removes their stages, in which nothing was ever put.
func (r *Runner) stop(gone []*worker) {
	for _, w := range gone {
		w.Stop()
		r.leave(w.place)
	}
}

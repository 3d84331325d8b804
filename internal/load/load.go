// SPDX-License-Identifier: Apache-2.0

// Package load makes a Plan Loaded through the cache: the same input is loaded
// once however many ask, and nobody waits for it in here.
package load

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"provisioning.dev/extension-operator/internal/cache"
	"provisioning.dev/extension-operator/internal/extension"
)

// Runner has Nushell look at a staged plan.
type Runner interface {
	// Toolchain identifies what loads are made with right now.
	Toolchain(ctx context.Context) (extension.Toolchain, error)
	// Check has nu parse and type-check the root of plan. Failures are Faults or the
	// context's error; beside one, too, it tells the toolchain and the process, as far
	// as it came. With yielding, other processes go first where there is not time for all.
	Check(ctx context.Context, plan extension.Plan, yielding bool) (extension.Checked, error)
}

// Observer is told what was done. It must not make anybody wait.
type Observer interface {
	// Loaded is told of each load that was carried out, good or not.
	Loaded(record extension.LoadRecord)
	// Recalled is told of each load that was answered from memory.
	Recalled(record extension.RecallRecord)
	// Cleared is told that the memory was cleared.
	Cleared(record extension.ClearRecord)
}

// Options of a Loader; every field is required but SlotsPerNamespace.
type Options struct {
	Runner   Runner
	Observer Observer
	// CacheSize is how many outcomes are remembered.
	CacheSize int
	// Slots is how many loads may run at once.
	Slots int
	// SlotsPerNamespace is how many of them one namespace may hold; 0 is half of them, rounded up.
	SlotsPerNamespace int
	// Timeout ends a load, counted from when it got its slot.
	Timeout time.Duration
	Log     logr.Logger
	Now     func() time.Time
}

// Loader loads plans. It is safe for concurrent use.
type Loader struct {
	opts  Options
	memo  *cache.Cache[outcome]
	slots *slots
	// runs counts the loads that nu was started for.
	runs atomic.Uint64

	// ctx is the life of all loads: they outlive whoever asked for them.
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	stopping bool
	flights  sync.WaitGroup
}

// outcome is what a load gave: a Loaded, or an error.
type outcome struct {
	// key of the root of the plan.
	key    extension.Key
	loaded *extension.Loaded
	err    error
}

// New makes a Loader. Start must run for its loads to be ended with the manager.
func New(opts Options) (*Loader, error) {
	memo, err := cache.New[outcome](opts.CacheSize)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Loader{opts: opts, memo: memo, slots: newSlots(opts.Slots, opts.SlotsPerNamespace), ctx: ctx, cancel: cancel}, nil
}

// Start waits for ctx to end, then ends every load and waits until none is left.
func (l *Loader) Start(ctx context.Context) error {
	<-ctx.Done()
	l.mu.Lock()
	l.stopping = true
	l.mu.Unlock()
	l.cancel()
	l.flights.Wait()
	return nil
}

// enter counts a flight, unless the Loader is stopping.
func (l *Loader) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.stopping {
		l.flights.Add(1)
	}
	return !l.stopping
}

// NeedLeaderElection is false: the Loader belongs to the process, not to the leader.
func (l *Loader) NeedLeaderElection() bool { return false }

// Clear forgets what is remembered, of one key or, where it has no Version, of all, and
// returns how many outcomes that were. By is who asked for it, for the record.
func (l *Loader) Clear(key extension.Key, by string) int {
	var entries int
	if key.Version == "" {
		entries = l.memo.Clear()
	} else {
		entries = l.memo.Drop(func(out outcome) bool { return out.key == key })
	}
	l.opts.Observer.Cleared(extension.ClearRecord{Key: key, By: by, Entries: entries, At: l.opts.Now()})
	return entries
}

// Stats counts since the start of the process.
type Stats struct {
	// Runs are loads that were carried out, good or not; Hits were answered from memory, Misses were
	// looked for there and not found.
	Runs, Hits, Misses uint64
	// Evictions are the outcomes that were forgotten to make room for others.
	Evictions uint64
	// Collapsed are those who asked for a load that was under way, or had just ended.
	Collapsed uint64
	// Entries is how many outcomes are remembered now.
	Entries int
	// InUse is how many slots are taken now, Waiting how many loads wait for one.
	InUse, Waiting int
}

// Stats returns the counts so far.
func (l *Loader) Stats() Stats {
	memo := l.memo.Stats()
	inUse, waiting := l.slots.count()
	return Stats{
		Runs: l.runs.Load(), Hits: memo.Hits, Misses: memo.Misses, Evictions: memo.Evictions, Collapsed: memo.Collapsed,
		Entries: memo.Entries, InUse: inUse, Waiting: waiting,
	}
}

// Request asks for one load.
type Request struct {
	Plan extension.Plan
	// InputDigest of Plan, as InputDigest returned it.
	InputDigest extension.Digest
	// Namespace that the load is charged to.
	Namespace string
	// Extension is the name of the one in Namespace that asks.
	Extension string
	// Fresh runs nu even when the outcome is remembered.
	Fresh bool

	// dependent is the root of the plan that this one is a part of, if it is.
	dependent extension.Key
}

// Load returns at once. The Flight has ended already when the outcome was
// remembered; otherwise notify is called, from another goroutine, when it ends.
// Members of the plan are loaded before those that depend on them, each once, unless
// the plan says that its root is loaded alone.
func (l *Loader) Load(req Request, notify func()) *Flight {
	key := string(req.InputDigest)
	if !req.Fresh {
		if out, known := l.recall(key, req.Plan.Root().Key); known {
			return endedFlight(out)
		}
	}
	flight := newFlight()
	asked := l.slots.ask(key, req.Namespace)
	result := l.fly(req, func() outcome {
		if err := l.dependencies(req); err != nil {
			return outcome{err: err}
		}
		return l.run(req)
	})
	go func() {
		flight.end(<-result)
		asked()
		notify()
	}()
	return flight
}

// recall looks for an outcome in memory.
func (l *Loader) recall(key string, of extension.Key) (outcome, bool) {
	began := l.opts.Now()
	out, known := l.memo.Get(key)
	if known {
		record := extension.RecallRecord{Key: of, Took: l.opts.Now().Sub(began)}
		if out.err != nil {
			record.Fault = extension.AsFault(out.err)
		}
		l.opts.Observer.Recalled(record)
	}
	return out, known
}

// fly makes an outcome, or joins whoever makes it already.
func (l *Loader) fly(req Request, produce func() outcome) <-chan outcome {
	root := req.Plan.Root().Key
	return l.memo.Do(string(req.InputDigest), req.Fresh, func() (outcome, bool) {
		if !l.enter() {
			return outcome{err: context.Canceled}, false
		}
		defer l.flights.Done()
		out := produce()
		out.key = root
		return out, remember(out)
	})
}

// remember tells whether an outcome is a function of the input digest alone.
func remember(out outcome) bool {
	if out.err == nil {
		return true
	}
	var fault *extension.Fault
	return errors.As(out.err, &fault) && fault.Class() == extension.Terminal
}

// run loads in this goroutine, once it has a slot.
func (l *Loader) run(req Request) outcome {
	release, crowded, err := l.slots.acquire(l.ctx, string(req.InputDigest))
	if err != nil {
		return outcome{err: err}
	}
	defer release()
	ctx, cancel := context.WithTimeout(l.ctx, l.opts.Timeout)
	defer cancel()
	l.runs.Add(1)
	began := l.opts.Now()
	loaded, checked, err := l.check(ctx, req, crowded)
	err = l.timeout(err, req)
	l.report(req, checked, err, began)
	return outcome{loaded: loaded, err: err}
}

// replaced says that an outcome would not be that of the input digest it was asked for by.
func replaced(cause error) error {
	return extension.NewTransientFault(extension.LoadFailed, cause,
		"Nushell or the loading program was replaced meanwhile; it is tried again")
}

// timeout says what the end of a load's own time means; other errors stay.
func (l *Loader) timeout(err error, req Request) error {
	var fault *extension.Fault
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &fault) {
		return err
	}
	return extension.NewTransientFault(extension.LoadTimeout, err,
		"loading %s did not end within %s; look at the load of the machine, or raise --load-timeout", req.Plan.Root().Key, l.opts.Timeout)
}

// check loads req; what the Runner said comes also beside an error.
func (l *Loader) check(ctx context.Context, req Request, crowded bool) (*extension.Loaded, extension.Checked, error) {
	checked, err := l.opts.Runner.Check(ctx, req.Plan, crowded)
	if remember(outcome{err: err}) && inputDigest(req.Plan, checked.Toolchain) != req.InputDigest {
		return nil, checked, replaced(err)
	}
	if err != nil {
		return nil, checked, confined(err, checked.Enforcement)
	}
	root := req.Plan.Root()
	return &extension.Loaded{
		Key: root.Key, InputDigest: req.InputDigest, Metadata: root.Metadata,
		Hooks: checked.Hooks, Enforcement: checked.Enforcement, At: l.opts.Now(),
	}, checked, nil
}

// confined has a load's failure tell how far the sandbox was closed, if Nushell ran.
func confined(err error, by extension.Enforcement) error {
	var fault *extension.Fault
	if by.Level == "" || !errors.As(err, &fault) {
		return err
	}
	told := *fault
	told.Enforcement = &by
	return &told
}

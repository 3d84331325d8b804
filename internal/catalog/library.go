// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// Options make a Library.
type Options struct {
	// Name is the catalog's name; Dir the folder that holds providers/,
	// taskservs/ and clusters/. It need not be there yet.
	Name string
	Dir  string
	// Store receives the copies.
	Store *store.Store
	// Limits bound each version; zero fields mean store.DefaultLimits.
	Limits store.Limits
	// Interval is the time between two scans (1m), jittered by a tenth.
	Interval time.Duration
	// Quiet is how long something must not change before it counts (500ms).
	Quiet time.Duration
	// OnChange is told which answers changed; one without type and name stands for
	// all of the catalog. It is called without locks, from any goroutine, and may
	// be called for an answer that turns out the same.
	OnChange func([]extension.Consulted)
	// OnSync is called after each complete scan.
	OnSync func()
	Logger logr.Logger
}

// Library is a catalog that is a directory tree. Its methods may be called
// concurrently, and before or without Start: what was not scanned yet is read
// when it is asked for.
type Library struct {
	name, dir       string
	store           *store.Store
	limits          store.Limits
	interval, quiet time.Duration
	onChange        func([]extension.Consulted)
	onSync          func()
	log             logr.Logger
	watches         *watches
	// stir wakes Start when something was added to what is due.
	stir chan struct{}

	mu    sync.RWMutex
	names map[id]*entry
	// due are the names to look at again after Quiet; rescan means all.
	due    map[id]struct{}
	rescan bool
	// oddFolders are folders of a type whose name no extension can have.
	oddFolders map[id]struct{}
	synced     time.Time
	// read is set once the root could be read. lost is since when it cannot be,
	// unavailable what everybody is told after Quiet.
	read        bool
	lost        time.Time
	unavailable *extension.Fault
	// errors counts the looks that could not read the root.
	errors uint64
}

// entry is what the library knows of one name. Its parts change only while gate
// is held, and then under the library's lock; with either they can be read.
type entry struct {
	gate  chan struct{}
	parts map[string]*part
}

// NewLibrary makes a Library. Nothing is read yet.
func NewLibrary(o Options) (*Library, error) {
	if o.Name == "" || o.Dir == "" || o.Store == nil {
		return nil, errors.New("a library needs a name, a folder and a store")
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("library %s: %w", o.Name, err)
	}
	o.Dir = dir
	if o.Interval <= 0 {
		o.Interval = time.Minute
	}
	if o.Quiet <= 0 {
		o.Quiet = 500 * time.Millisecond
	}
	if o.OnChange == nil {
		o.OnChange = func([]extension.Consulted) {}
	}
	if o.OnSync == nil {
		o.OnSync = func() {}
	}
	log := o.Logger.WithValues("catalog", o.Name)
	return &Library{
		name: o.Name, dir: dir, store: o.Store, limits: o.Limits, interval: o.Interval, quiet: o.Quiet,
		onChange: o.OnChange, onSync: o.OnSync, log: log, watches: newWatches(dir, log), stir: make(chan struct{}, 1),
		names: map[id]*entry{}, due: map[id]struct{}{}, oddFolders: map[id]struct{}{},
	}, nil
}

// Name is the catalog's name.
func (l *Library) Name() string { return l.name }

// Synced is when the last complete scan began; zero before the first.
func (l *Library) Synced() time.Time {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.synced
}

// openRoot opens the library's folder as it lies there now: it may be another
// one than a moment ago. A root without any of the three folders is none: an
// empty mount point must not look like a library from which all was removed.
func (l *Library) openRoot() (*os.Root, error) {
	root, err := os.OpenRoot(l.dir)
	if err != nil {
		return nil, extension.NewTransientFault(extension.CatalogUnavailable, err,
			"library %s cannot be read: %s; make the folder available and readable to the operator", l.name, err)
	}
	for _, t := range extension.Types() {
		if _, err := root.Stat(t.Folder()); err == nil {
			return root, nil
		}
	}
	return nil, errors.Join(extension.NewTransientFault(extension.CatalogUnavailable, nil,
		"library %s (%s) has none of the folders providers, taskservs and clusters; mount it, or name the folder that holds them", l.name, l.dir),
		root.Close())
}

// rootLost notes that the root cannot be read. The state of before stands for
// Quiet; then, or where there is none, everybody is told.
func (l *Library) rootLost(err error) {
	l.mu.Lock()
	l.errors++
	now := time.Now()
	if l.lost.IsZero() {
		l.lost = now
	}
	first := l.unavailable == nil && (!l.read || now.Sub(l.lost) >= l.quiet)
	if first {
		l.unavailable = extension.AsFault(err)
	}
	l.mu.Unlock()
	if first {
		l.log.Error(err, "library cannot be read")
		l.tellAll()
	}
	l.lookLater(true)
}

// rootFound notes that the root was read.
func (l *Library) rootFound() {
	l.mu.Lock()
	l.read, l.lost = true, time.Time{}
	back := l.unavailable != nil
	l.unavailable = nil
	l.mu.Unlock()
	if back {
		l.log.Info("library can be read again")
		l.tellAll()
	}
}

// tellAll tells that every answer changed, those about names that are not there
// too. No lock may be held.
func (l *Library) tellAll() { l.onChange([]extension.Consulted{{Catalog: l.name}}) }

// tell calls OnChange, sorted. No lock may be held.
func (l *Library) tell(changed []id) {
	if len(changed) == 0 {
		return
	}
	slices.SortFunc(changed, compareIDs)
	told := make([]extension.Consulted, 0, len(changed))
	for _, who := range slices.Compact(changed) {
		told = append(told, extension.Consulted{Catalog: l.name, Type: who.kind, Name: who.name})
	}
	l.onChange(told)
}

// lookLater has Start look again after Quiet: at these names, or at all.
func (l *Library) lookLater(all bool, names ...id) {
	l.mu.Lock()
	l.rescan = l.rescan || all
	for _, who := range names {
		l.due[who] = struct{}{}
	}
	l.mu.Unlock()
	select {
	case l.stir <- struct{}{}:
	default:
	}
}

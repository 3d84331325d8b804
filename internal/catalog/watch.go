// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
	"github.com/go-logr/logr"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// watches turn file events into hints. They may miss anything at any time: the
// scans find it. Before open and after close they do nothing.
type watches struct {
	dir string
	log logr.Logger
	// make is fsnotify.NewWatcher, but in tests of its failure.
	make func() (*fsnotify.Watcher, error)

	mu      sync.Mutex
	running bool
	watcher *fsnotify.Watcher
	// armed holds the inode that each watched path had.
	armed map[string]uint64
	// full is set when no more folders can be watched, until the next scan.
	full, warned bool
	root         os.FileInfo
}

func newWatches(dir string, log logr.Logger) *watches {
	return &watches{dir: dir, log: log, make: fsnotify.NewWatcher}
}

func (w *watches) open() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = true
	w.start()
}

// start needs the lock. It fails where inotify's instances are used up.
func (w *watches) start() {
	watcher, err := w.make()
	if err != nil {
		w.warn(err)
		return
	}
	w.watcher, w.armed = watcher, map[string]uint64{}
}

// warn says once that events are missing. It needs the lock.
func (w *watches) warn(err error) {
	if !w.warned {
		w.log.Info("folders cannot be watched; changes are found by the scan of each --library-interval",
			"reason", err.Error(), "advice", "raise the sysctls fs.inotify.max_user_watches and max_user_instances")
	}
	w.warned = true
}

func (w *watches) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running = false
	w.stop()
}

func (w *watches) stop() {
	if w.watcher != nil {
		_ = w.watcher.Close() // it cannot fail but by being closed
	}
	w.watcher = nil
}

// reset begins anew, without any folder: the scan that follows arms them.
func (w *watches) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	if w.running {
		w.start()
	}
}

// refresh is called before each scan: what failed is tried again.
func (w *watches) refresh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full = false
	if w.running && w.watcher == nil {
		w.start()
	}
}

// channels are nil while there is no watcher.
func (w *watches) channels() (<-chan fsnotify.Event, <-chan error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watcher == nil {
		return nil, nil
	}
	return w.watcher.Events, w.watcher.Errors
}

// arm watches a folder of the library unless it is watched already.
func (w *watches) arm(f store.Folder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.add(filepath.Join(w.dir, filepath.FromSlash(f.Path)), f.Inode)
}

// armRoot watches the root, and the folder it lies in: that is where a root is
// swapped.
func (w *watches) armRoot(root *os.Root) {
	info, err := root.Stat(".")
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.root != nil && !os.SameFile(w.root, info) && w.watcher != nil {
		_ = w.watcher.Remove(w.dir) // the one that was swapped away
		delete(w.armed, w.dir)
	}
	w.root = info
	w.add(w.dir, 0)
	w.add(filepath.Dir(w.dir), 0)
}

// add needs the lock.
func (w *watches) add(path string, inode uint64) {
	if w.watcher == nil || w.full {
		return
	}
	was, watched := w.armed[path]
	if watched && was == inode {
		return
	}
	if watched {
		_ = w.watcher.Remove(path) // it went away with its inode, or goes now
	}
	switch err := w.watcher.Add(path); {
	case err == nil:
		w.armed[path] = inode
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EMFILE):
		w.full = true
		w.warn(err)
	default:
		delete(w.armed, path) // it is gone already, which has an event of its own
	}
}

// concerns tells which name an event's path belongs to, or whether all of the
// library has to be looked at.
func (w *watches) concerns(path string) (who id, all bool) {
	below, inside := strings.CutPrefix(path, w.dir+string(filepath.Separator))
	if !inside {
		return id{}, w.rootSwapped()
	}
	steps := strings.SplitN(filepath.ToSlash(below), "/", 3)
	if len(steps) < 2 {
		return id{}, true
	}
	for _, t := range extension.Types() {
		if steps[0] == t.Folder() && extension.ValidName(steps[1]) {
			return id{t, steps[1]}, false
		}
	}
	return id{}, true
}

// rootSwapped compares what lies at the root's path with what was read last, as
// the folder it lies in may be a busy one.
func (w *watches) rootSwapped() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := os.Stat(w.dir)
	return err != nil || w.root == nil || !os.SameFile(now, w.root)
}

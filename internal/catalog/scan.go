// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"syscall"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// scan looks at every name. It is complete, and counts as a sync, when the root
// and the folders of all types could be read; names that move stay due. The
// first scan gives them one more look, so that a library that was made just now
// is not taken for an empty one.
func (l *Library) scan(ctx context.Context) {
	began := time.Now()
	l.watches.refresh()
	all, err := l.listNames()
	if err != nil {
		l.rootLost(err)
		return
	}
	l.rootFound()
	if l.lookAt(ctx, all) != nil {
		return
	}
	if l.Synced().IsZero() {
		due := l.takeDue()
		if len(due) > 0 && sleep(ctx, l.quiet) != nil || l.lookAt(ctx, due) != nil {
			return
		}
	}
	l.mu.Lock()
	l.synced = began
	l.mu.Unlock()
	l.onSync()
}

// lookAt looks at names and tells of those that changed. An error ends it: that
// of ctx, or the root's.
func (l *Library) lookAt(ctx context.Context, names []id) error {
	root, err := l.openRoot()
	if err != nil {
		l.rootLost(err)
		return err
	}
	defer root.Close()
	var changed []id
	defer func() { l.tell(changed) }()
	for _, who := range names {
		result, err := l.look(ctx, root, who, false)
		if result.changed {
			changed = append(changed, who)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeDue empties the list of names to look at again.
func (l *Library) takeDue() []id {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := slices.SortedFunc(maps.Keys(l.due), compareIDs)
	clear(l.due)
	return due
}

// lookAtDue does what lookLater asked for, and tells whether there is more.
func (l *Library) lookAtDue(ctx context.Context) (more bool) {
	l.mu.Lock()
	all := l.rescan
	l.rescan = false
	l.mu.Unlock()
	if all {
		l.scan(ctx)
	} else if due := l.takeDue(); l.lookAt(ctx, due) != nil {
		l.lookLater(false, due...)
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.rescan || len(l.due) > 0
}

// listNames are the names on the disk and those known before, sorted.
func (l *Library) listNames() ([]id, error) {
	root, err := l.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	l.watches.armRoot(root)
	all, odd := map[id]struct{}{}, map[id]struct{}{}
	for _, t := range extension.Types() {
		if err := l.listType(root, t, all, odd); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for who := range l.names {
		all[who] = struct{}{}
	}
	for who := range odd {
		if _, known := l.oddFolders[who]; !known {
			l.log.Info("folder is no extension", "problem", oddFault(l.shown(who, "")).Message)
		}
	}
	l.oddFolders = odd
	return slices.SortedFunc(maps.Keys(all), compareIDs), nil
}

// listType adds the names of one type, and the folders that cannot be one.
func (l *Library) listType(root *os.Root, t extension.Type, all, odd map[id]struct{}) error {
	dir, err := root.OpenFile(t.Folder(), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return l.typeFault(t, err)
	}
	defer dir.Close()
	own, _, err := store.FolderOf(dir, t.Folder())
	if err != nil {
		return l.typeFault(t, err)
	}
	l.watches.arm(own)
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return l.typeFault(t, err)
	}
	for _, entry := range entries {
		who := id{t, entry.Name()}
		switch {
		case store.Ignored(who.name):
		case extension.ValidName(who.name):
			if entry.IsDir() || entry.Type()&fs.ModeSymlink != 0 {
				all[who] = struct{}{}
			}
		case entry.IsDir():
			odd[who] = struct{}{}
		}
	}
	return nil
}

func (l *Library) typeFault(t extension.Type, err error) error {
	return extension.NewTransientFault(extension.CatalogUnavailable, err,
		"%s of library %s cannot be read: %s; make it a folder that the operator can read", l.shown(id{kind: t}, ""), l.name, err)
}

func oddFault(shown string) *extension.Fault {
	return invalid("%s is not a DNS label; rename it with lower-case letters, digits and '-', or remove it", shown)
}

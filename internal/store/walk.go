// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/extension"
)

// walker collects a Listing. It opens folders, and of files only those that
// links lead to.
type walker struct {
	ctx     context.Context
	root    *os.Root
	folder  string
	limits  Limits
	entries int
	total   int64
	seen    Listing
}

// step is one folder on the way down.
type step struct {
	path  string   // below the version's folder; empty for that itself
	above []uint64 // the inodes of the folders above, to find links that lead back
}

// readFlags never wait: opening a FIFO does, until its other end is opened.
const readFlags = os.O_RDONLY | syscall.O_NONBLOCK

func (w *walker) walk(at step) error {
	below, err := w.list(at)
	for _, next := range below {
		if err != nil {
			return err
		}
		err = w.walk(next)
	}
	return err
}

// list reads one folder and returns those in it. It closes the folder before
// the walk goes deeper, so that a deep tree holds one descriptor.
func (w *walker) list(at step) ([]step, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if len(at.above) > w.limits.Depth {
		return nil, exceeds(w.shown(""), int64(w.limits.Depth), "levels of folders")
	}
	rel := path.Join(w.folder, at.path)
	dir, err := w.root.OpenFile(rel, readFlags|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, w.openFault(at.path, err)
	}
	defer dir.Close()
	own, err := stampOfFile(dir)
	if err != nil {
		return nil, unreadable(w.shown(at.path), err)
	}
	if slices.Contains(at.above, own.inode) {
		return nil, extension.NewFault(extension.InvalidMetadata,
			"link %s leads back to a folder above it; remove it", w.shown(at.path))
	}
	w.age(own)
	w.seen.Folders = append(w.seen.Folders, Folder{Path: rel, Inode: own.inode})
	return w.entriesOf(dir, step{path: at.path, above: append(slices.Clip(at.above), own.inode)})
}

func (w *walker) entriesOf(dir *os.File, at step) ([]step, error) {
	var below []step
	for {
		batch, err := dir.Readdirnames(256)
		if errors.Is(err, io.EOF) {
			return below, nil
		}
		if err != nil {
			return nil, sourceFault(w.shown(at.path), err)
		}
		for _, name := range batch {
			if w.entries++; w.entries > w.limits.Entries {
				return nil, exceeds(w.shown(""), int64(w.limits.Entries), "files and folders")
			}
			if Ignored(name) {
				continue
			}
			isFolder, err := w.entry(dir, at.path, name)
			if err != nil {
				return nil, err
			}
			if isFolder {
				below = append(below, step{path: path.Join(at.path, name), above: at.above})
			}
		}
	}
}

// entry looks at one name of dir and records it if it is a file.
func (w *walker) entry(dir *os.File, parent, name string) (isFolder bool, err error) {
	if !plainName(name) {
		return false, extension.NewFault(extension.InvalidMetadata,
			"%s holds the name %q; rename it: a name is UTF-8 without control characters and backslashes", w.shown(parent), name)
	}
	sub := path.Join(parent, name)
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, sourceFault(w.shown(sub), err)
	}
	own := stampOf(&st)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return true, nil
	case unix.S_IFREG:
		return false, w.file(sourceFile{path: sub, stamp: own})
	case unix.S_IFLNK:
		return w.link(sub, own)
	default:
		return false, special(w.shown(sub), modeOf(st.Mode&unix.S_IFMT))
	}
}

// link follows a link as far as the root allows. It asks what is there before
// it opens it, because opening a device can act on it.
func (w *walker) link(sub string, own stamp) (isFolder bool, err error) {
	rel := path.Join(w.folder, sub)
	info, err := w.root.Stat(rel)
	switch {
	case err != nil:
		return false, linkFault(w.shown(sub), err)
	case info.IsDir():
		w.age(own)
		return true, nil
	case !info.Mode().IsRegular():
		return false, special(w.shown(sub), info.Mode())
	}
	in, err := w.root.OpenFile(rel, readFlags, 0)
	if err != nil {
		return false, linkFault(w.shown(sub), err)
	}
	defer in.Close()
	target, err := stampOfFile(in)
	if err != nil {
		return false, unreadable(w.shown(sub), err)
	}
	return false, w.file(sourceFile{path: sub, stamp: target, link: own})
}

// file records a regular file and holds it against the limits.
func (w *walker) file(f sourceFile) error {
	limit, what := w.limits.FileBytes, "bytes for one file"
	if f.path == ManifestName {
		limit, what = w.limits.ManifestBytes, "bytes for a manifest"
	}
	if f.stamp.size > limit {
		return exceeds(w.shown(f.path), limit, what)
	}
	if w.total += f.stamp.size; w.total > w.limits.TotalBytes {
		return exceeds(w.shown(""), w.limits.TotalBytes, "bytes for one extension")
	}
	w.age(f.stamp)
	w.age(f.link)
	w.seen.files = append(w.seen.files, f)
	return nil
}

func (w *walker) age(s stamp) {
	if t := time.Unix(0, s.ctime); s != (stamp{}) && t.After(w.seen.Newest) {
		w.seen.Newest = t
	}
}

// openFault tells a folder that went away from a link that leads elsewhere.
func (w *walker) openFault(sub string, err error) error {
	info, statErr := w.root.Lstat(path.Join(w.folder, sub))
	if statErr == nil && info.Mode()&fs.ModeSymlink != 0 {
		return linkFault(w.shown(sub), err)
	}
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return linkFault(w.shown(sub), err)
	}
	return sourceFault(w.shown(sub), err)
}

func (w *walker) shown(sub string) string { return Shown(w.root, path.Join(w.folder, sub)) }

// modeOf turns the type bits of stat into those of fs.
func modeOf[N ~uint16 | ~uint32](bits N) fs.FileMode {
	switch uint32(bits) {
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	default:
		return fs.ModeDevice
	}
}

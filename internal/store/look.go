// SPDX-License-Identifier: Apache-2.0

package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Signature stands for everything stat says of a folder's files: path, size,
// mtime, ctime, inode and mode, of a link and of what it leads to. Equal
// signatures of a folder at rest mean equal content.
type Signature [sha256.Size]byte

// Folder is one directory that was walked through, so that it can be watched.
type Folder struct {
	// Path is slash-separated and relative to the library's root.
	Path string
	// Inode tells a folder from another one that took its path.
	Inode uint64
}

// Listing is what a look at a version's folder found, by stat alone.
type Listing struct {
	Signature Signature
	// Newest is the youngest ctime of all files, links and folders.
	Newest  time.Time
	Folders []Folder
	files   []sourceFile
}

// Has tells whether the folder has a file at this path, relative to itself.
func (l Listing) Has(name string) bool {
	_, found := slices.BinarySearchFunc(l.files, name, func(f sourceFile, n string) int { return cmp.Compare(f.path, n) })
	return found
}

// sourceFile is one regular file that belongs to the version.
type sourceFile struct {
	path  string // below the version's folder
	stamp stamp  // of the file itself, links followed
	link  stamp  // of the link that stands there, zero where none does
}

// stamp is what stat says of one entry. It changes when the entry does.
type stamp struct {
	inode, mode        uint64
	size, mtime, ctime int64
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{
		inode: uint64(st.Ino), mode: uint64(st.Mode), size: st.Size, //nolint:unconvert // the widths differ by platform
		mtime: st.Mtim.Nano(), ctime: st.Ctim.Nano(),
	}
}

// executable follows the one bit of a mode that a digest knows.
func (s stamp) executable() bool { return s.mode&0o111 != 0 }

// stampOfFile asks an open file, which nobody can swap.
func stampOfFile(f *os.File) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return stamp{}, &os.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	return stampOf(&st), nil
}

// FolderOf describes an open folder that lies at path below the library's root,
// and its ctime.
func FolderOf(dir *os.File, path string) (Folder, time.Time, error) {
	own, err := stampOfFile(dir)
	return Folder{Path: path, Inode: own.inode}, time.Unix(0, own.ctime), err
}

// Look walks a version's folder, slash-separated and beneath root, within
// limits, and reads no file. A Listing that comes with a Fault holds what was
// seen until then. An error that is no Fault is that of ctx.
func Look(ctx context.Context, root *os.Root, folder string, limits Limits) (Listing, error) {
	w := &walker{ctx: ctx, root: root, folder: folder, limits: limits.withDefaults()}
	err := w.walk(step{})
	slices.SortFunc(w.seen.files, func(a, b sourceFile) int { return cmp.Compare(a.path, b.path) })
	w.seen.Signature = sign(w.seen.files)
	return w.seen, err
}

// Shown is the path that people know a library's folder by: the library's base
// name and what lies below it.
func Shown(root *os.Root, folder string) string {
	return path.Join(filepath.Base(root.Name()), folder)
}

func sign(files []sourceFile) Signature {
	h := sha256.New()
	record := make([]byte, 0, 256)
	for _, f := range files {
		record = append(record[:0], f.path...)
		record = append(record, 0)
		for _, s := range []stamp{f.stamp, f.link} {
			record = binary.LittleEndian.AppendUint64(record, s.inode)
			record = binary.LittleEndian.AppendUint64(record, s.mode)
			for _, v := range []int64{s.size, s.mtime, s.ctime} {
				record = binary.LittleEndian.AppendUint64(record, uint64(v))
			}
		}
		h.Write(record)
	}
	return Signature(h.Sum(nil))
}

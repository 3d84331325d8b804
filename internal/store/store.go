// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

const (
	contentFolder = "sha256"
	tempFolder    = "tmp"
	stageFolder   = "stage"
	lockFile      = "lock"

	// folderMode lets the processes of other users read: extensions are no secret.
	folderMode = 0o755
)

// Store is a folder of content-addressed copies. Its methods may be called
// concurrently.
type Store struct {
	dir string
	// held is the lock on dir, for as long as it is open.
	held *os.File
	// locks serialise what is done to one digest; digests share them by hash.
	locks [256]sync.Mutex
	seed  maphash.Seed
	// known holds what each digest was seen to contain, verified by this process.
	mu    sync.RWMutex
	known map[extension.Digest][]packedFile
}

// Open makes the store's folders below dir and clears what an earlier process
// left under way. Copies of earlier processes stay and are verified at their
// first use. The store is this process's alone until Close, or its end: opening
// it a second time is an error.
func Open(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	s := &Store{dir: dir, seed: maphash.MakeSeed(), known: map[extension.Digest][]packedFile{}}
	if err := s.hold(); err != nil {
		return nil, err
	}
	if err := s.makeFolders(); err != nil {
		return nil, errors.Join(s.fault(err), s.Close())
	}
	return s, nil
}

// makeFolders needs the lock on dir: what is cleared may not be another's.
func (s *Store) makeFolders() error {
	for _, passing := range []string{tempFolder, stageFolder} {
		if err := os.RemoveAll(s.path(passing)); err != nil {
			return err
		}
	}
	for _, folder := range []string{contentFolder, tempFolder, stageFolder} {
		if err := os.MkdirAll(s.path(folder), folderMode); err != nil {
			return err
		}
	}
	return nil
}

// Has tells whether the store has a whole copy of d. The first question of a
// process about d reads and hashes the copy, and drops a bad one.
func (s *Store) Has(d extension.Digest) bool {
	_, err := s.content(d)
	return err == nil
}

// ReadFile returns one file of a copy. A copy that is not there gives a
// transient Fault, a file that it does not have fs.ErrNotExist.
func (s *Store) ReadFile(d extension.Digest, name string) ([]byte, error) {
	files, err := s.content(d)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.path != name {
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.folder(d), filepath.FromSlash(name)))
		if err != nil {
			s.forget(d)
			return nil, lost(d, err)
		}
		return data, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// FS is a copy as a file system, such as CanonicalTar packs.
func (s *Store) FS(d extension.Digest) (fs.FS, error) {
	if _, err := s.content(d); err != nil {
		return nil, err
	}
	return os.DirFS(s.folder(d)), nil
}

// Verify reads and hashes the copy of d anew. A copy that is not what its name
// says is dropped, and the Fault that says so is transient.
func (s *Store) Verify(d extension.Digest) error {
	if !d.Valid() {
		return fmt.Errorf("store: %q is not a digest", string(d))
	}
	lock := s.lock(d)
	defer lock.Unlock()
	_, err := s.verify(d)
	return err
}

// content returns what a verified copy contains, verifying it the first time. It
// counts as use.
func (s *Store) content(d extension.Digest) ([]packedFile, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("store: %q is not a digest", string(d))
	}
	s.mu.RLock()
	files, known := s.known[d]
	s.mu.RUnlock()
	if known {
		info, err := os.Lstat(s.folder(d))
		if err == nil && time.Since(info.ModTime()) < touchAfter {
			return files, nil
		}
	}
	lock := s.lock(d)
	defer lock.Unlock()
	if _, err := os.Lstat(s.folder(d)); err != nil || !known {
		if files, err = s.verify(d); err != nil {
			return nil, err
		}
	}
	return files, s.touch(d)
}

// verify needs the lock of d.
func (s *Store) verify(d extension.Digest) ([]packedFile, error) {
	found, files, err := digestOfFolder(os.DirFS(s.folder(d)))
	if err == nil && found == d {
		s.remember(d, files)
		return files, nil
	}
	if err == nil {
		err = fmt.Errorf("its content is %s", found)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(err, s.drop(d))
	}
	s.forget(d)
	return nil, lost(d, err)
}

// install moves a finished copy to its place, or leaves it where a good one is
// there already.
func (s *Store) install(temp string, d extension.Digest, files []packedFile) error {
	lock := s.lock(d)
	defer lock.Unlock()
	s.mu.RLock()
	_, known := s.known[d]
	s.mu.RUnlock()
	if _, err := os.Lstat(s.folder(d)); err == nil {
		if !known {
			_, err = s.verify(d)
		}
		if err == nil {
			return s.touch(d)
		}
	}
	if err := os.Chmod(temp, folderMode); err != nil {
		return s.fault(err)
	}
	if err := os.MkdirAll(s.path(contentFolder), folderMode); err != nil {
		return s.fault(err)
	}
	if err := os.Rename(temp, s.folder(d)); err != nil {
		return s.fault(err)
	}
	s.remember(d, files)
	return nil
}

// lock takes the lock of a valid digest; the caller unlocks it.
func (s *Store) lock(d extension.Digest) *sync.Mutex {
	lock := &s.locks[maphash.String(s.seed, string(d))%uint64(len(s.locks))]
	lock.Lock()
	return lock
}

func (s *Store) remember(d extension.Digest, files []packedFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known[d] = files
}

func (s *Store) forget(d extension.Digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, d)
}

// newFolder makes a folder of its own in one of the store's, which somebody may
// have deleted meanwhile.
func (s *Store) newFolder(parent string) (string, error) {
	if err := os.MkdirAll(s.path(parent), folderMode); err != nil {
		return "", err
	}
	return os.MkdirTemp(s.path(parent), "")
}

func (s *Store) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

func (s *Store) folder(d extension.Digest) string { return s.path(contentFolder, d.Hex()) }

// fault leaves Faults and the end of a context as they are; the rest is an
// error of the store's disk.
func (s *Store) fault(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return storeFault(s.dir, err)
}

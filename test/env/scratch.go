// SPDX-License-Identifier: Apache-2.0

package env

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"provisioning.dev/extension-operator/hack/tree"
)

// scratch is a folder for the files of one run. Its lock is held as long as the process lives: a folder whose lock is free
// was left by a run that was killed, and the next run removes it.
type scratch struct {
	dir    string
	unlock func()
}

func newScratch() (*scratch, error) {
	base := filepath.Join(os.TempDir(), fmt.Sprintf("extension-operator-%d", os.Getuid()))
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	// Under the lock of all of them, no other run takes a new folder for an abandoned one.
	unlockAll, err := tree.Lock(filepath.Join(base, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlockAll()
	if err := sweep(base); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "run-")
	if err != nil {
		return nil, err
	}
	unlock, err := tree.Lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &scratch{dir: dir, unlock: unlock}, nil
}

// sweep removes what killed runs left.
func sweep(base string) error {
	dirs, err := filepath.Glob(filepath.Join(base, "run-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		unlock, err := tree.TryLock(filepath.Join(dir, "lock"))
		if errors.Is(err, tree.ErrLocked) {
			continue
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(dir)
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// remove removes the folder. It may be called more than once.
func (s *scratch) remove() error {
	err := os.RemoveAll(s.dir)
	s.unlock()
	return err
}

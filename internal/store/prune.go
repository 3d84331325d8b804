// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"os"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
)

// touchAfter is how exactly the use of a copy is known: one that was used later
// than this ago is not marked again, so that asking stays cheap.
const touchAfter = time.Hour

// Prune removes the copies that nobody put or used for olderThan, which is to be
// longer than an hour, and says how many. A copy that a catalog asks for again is
// made again; a stage that is linked from it stays whole.
func (s *Store) Prune(ctx context.Context, olderThan time.Duration) (int, error) {
	entries, err := os.ReadDir(s.path(contentFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, s.fault(err)
	}
	removed := 0
	for _, entry := range entries {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		d := extension.Digest("sha256:" + entry.Name())
		if !d.Valid() {
			continue
		}
		gone, err := s.removeOld(d, olderThan)
		if err != nil {
			return removed, s.fault(err)
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (s *Store) removeOld(d extension.Digest, olderThan time.Duration) (bool, error) {
	lock := s.lock(d)
	defer lock.Unlock()
	info, err := os.Lstat(s.folder(d))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil || time.Since(info.ModTime()) < olderThan {
		return false, err
	}
	s.forget(d)
	return true, s.drop(d)
}

// drop removes a copy in one step, as others see it. It needs the lock of d.
func (s *Store) drop(d extension.Digest) error {
	temp, err := s.newFolder(tempFolder)
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Rename(s.folder(d), temp+"/dropped"); err != nil {
		return err
	}
	return os.RemoveAll(temp)
}

// touch marks a copy as used now, so that Prune leaves it a while. It needs the
// lock of d.
func (s *Store) touch(d extension.Digest) error {
	now := time.Now()
	if err := os.Chtimes(s.folder(d), now, now); err != nil {
		return lost(d, err)
	}
	return nil
}

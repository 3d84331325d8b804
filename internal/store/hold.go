// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// hold makes dir and takes the lock on it, which the kernel drops with the
// process whatever ends that.
func (s *Store) hold() error {
	if err := os.MkdirAll(s.dir, folderMode); err != nil {
		return s.fault(err)
	}
	file, err := os.OpenFile(s.path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return s.fault(err)
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("cache_dir %s is used by another process; give each its own --cache-dir", s.dir)
	} else {
		err = s.fault(err)
	}
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s.held = file
	return nil
}

// Close gives the folder free for another process, or another Open. The store
// must not be used any more. A process that ends need not call it.
func (s *Store) Close() error { return s.held.Close() }

// SPDX-License-Identifier: Apache-2.0

// Package tree knows where the source tree and its cache folder are, for the developer's programs under hack and test.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// CacheVariable names the environment variable that moves the cache folder.
const CacheVariable = "EXTENSION_OPERATOR_CACHE"

// Root is the root of the source tree: the first folder with a go.mod and a config folder from the working folder upwards.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; !Exists(filepath.Join(dir, "go.mod")) || !Exists(filepath.Join(dir, "config")); dir = filepath.Dir(dir) {
		if dir == filepath.Dir(dir) {
			return "", errors.New("no source tree here or above: run this inside the repository")
		}
	}
	return dir, nil
}

// Cache is the folder for what is fetched or built once for a machine, outside the source tree: the one of CacheVariable
// or, without it, one in the user's cache folder. It may not exist yet.
func Cache() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for this user (set %s to a folder to use): %w", CacheVariable, err)
	}
	return filepath.Join(base, "extension-operator"), nil
}

// Exists tells whether there is anything at path.
func Exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// ErrLocked is what TryLock returns for a lock that another process holds.
var ErrLocked = errors.New("locked by another process")

// Lock waits for the exclusive lock on the file at path, which it makes, and holds it until the returned function is called
// or the process ends, however it ends.
func Lock(path string) (func(), error) {
	return lock(path, syscall.LOCK_EX)
}

// TryLock is Lock without the waiting: it returns ErrLocked.
func TryLock(path string) (func(), error) {
	return lock(path, syscall.LOCK_EX|syscall.LOCK_NB)
}

func lock(path string, how int) (func(), error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	fd := int(file.Fd())
	err = syscall.Flock(fd, how)
	for errors.Is(err, syscall.EINTR) { // by a signal that Go's runtime sends itself
		err = syscall.Flock(fd, how)
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, errors.Join(ErrLocked, file.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil
}

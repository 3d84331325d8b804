// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// mountSmall puts a file system of 1 MiB over dir.
func mountSmall(dir string) error { return unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m") }

func unmount(dir string) error { return unix.Unmount(dir, unix.MNT_DETACH) }

// readAs gives the calling thread the file rights of another user.
func readAs(uid int) error { return unix.Setfsuid(uid) }

// otherDisk is a folder that no file of a test's own folders can be linked to.
func otherDisk(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "") //nolint:usetesting // not where t.TempDir is, that is the point
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// TestStageCopiesWhereLinksCannotBe puts the stage on another disk.
func TestStageCopiesWhereLinksCannotBe(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, cache := open(t)
	d := put(t, s, root, "taskservs/etcd")
	other := otherDisk(t)
	must(t, os.Remove(filepath.Join(cache, "stage")))
	must(t, os.Symlink(other, filepath.Join(cache, "stage")))
	stage, err := staged(t, s, members(d))
	must(t, err)
	g.Expect(filesOf(t, filepath.Join(stage.Dir(), "taskserv/etcd"))).To(Equal(map[string]fs.FileMode{
		"manifest.toml": 0o444, "mod.nu": 0o444,
	}))
	g.Expect(os.ReadFile(filepath.Join(stage.Dir(), "taskserv/etcd/manifest.toml"))).To(BeEquivalentTo(manifest))
}

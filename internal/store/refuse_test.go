// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

func TestPutRefuses(t *testing.T) {
	link := func(target, name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { must(t, os.Symlink(target, filepath.Join(dir, name))) }
	}
	sparse := func(name string, size int64) func(*testing.T, string) {
		return func(t *testing.T, dir string) { must(t, os.Truncate(write(t, dir, name, ""), size)) }
	}
	for name, c := range map[string]struct {
		make  func(t *testing.T, dir string)
		code  extension.Code
		words []string
	}{
		"a link out by ..":  {link("../../../../etc/passwd", "x.nu"), extension.InvalidMetadata, []string{"extensions/taskservs/etcd/x.nu", "out of the library", "relative link"}},
		"an absolute link":  {link("/etc/passwd", "x.nu"), extension.InvalidMetadata, []string{"etcd/x.nu", "out of the library"}},
		"a folder link out": {link("../../..", "lib"), extension.InvalidMetadata, []string{"etcd/lib", "out of the library"}},
		"a link to nowhere": {link("none.nu", "x.nu"), extension.InvalidMetadata, []string{"etcd/x.nu", "leads nowhere", "remove it"}},
		"a link to itself":  {link("x.nu", "x.nu"), extension.InvalidMetadata, []string{"etcd/x.nu", "leads nowhere"}},
		"a link back up":    {link("..", "loop"), extension.InvalidMetadata, []string{"etcd/loop", "leads back"}},
		"a FIFO":            {fifo("pipe"), extension.InvalidMetadata, []string{"etcd/pipe is a FIFO", "remove it"}},
		"a FIFO by a link":  {func(t *testing.T, dir string) { fifo("../pipe")(t, dir); link("../pipe", "x.nu")(t, dir) }, extension.InvalidMetadata, []string{"etcd/x.nu is a FIFO"}},
		"a FIFO as the manifest": {func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, "manifest.toml")))
			fifo("manifest.toml")(t, dir)
		}, extension.InvalidMetadata, []string{"manifest.toml is a FIFO"}},
		"a socket":                 {socket, extension.InvalidMetadata, []string{"etcd/sock is a socket"}},
		"a device":                 {device, extension.InvalidMetadata, []string{"etcd/null is a "}},
		"a name with a newline":    {func(t *testing.T, dir string) { write(t, dir, "a\nb", "") }, extension.InvalidMetadata, []string{`"a\nb"`, "rename it"}},
		"a name with a backslash":  {func(t *testing.T, dir string) { write(t, dir, `a\b`, "") }, extension.InvalidMetadata, []string{"rename it"}},
		"a name that is not UTF-8": {func(t *testing.T, dir string) { write(t, dir, "a\xff", "") }, extension.InvalidMetadata, []string{`"a\xff"`, "UTF-8"}},
		"a manifest of 10 MB":      {sparse("manifest.toml", 10<<20), extension.LimitExceeded, []string{"etcd/manifest.toml", "262144 bytes for a manifest"}},
		"a file of 1 TB":           {sparse("big", 1<<40), extension.LimitExceeded, []string{"etcd/big", "4194304 bytes for one file"}},
		"40 MB in all": {func(t *testing.T, dir string) {
			for i := range 10 {
				sparse(fmt.Sprint("f", i), 4<<20)(t, dir)
			}
		}, extension.LimitExceeded, []string{"33554432 bytes for one extension"}},
		"a deep tree": {func(t *testing.T, dir string) { write(t, dir, strings.Repeat("d/", 40)+"x", "") }, extension.LimitExceeded, []string{"16 levels of folders"}},
		"100,000 files": {func(t *testing.T, dir string) {
			for i := range 100_000 { // as links, which are made faster, few enough for one file
				source, name := fmt.Sprint("f", i/50_000*50_000), fmt.Sprint("f", i)
				if source == name {
					write(t, dir, name, "")
					continue
				}
				must(t, os.Link(filepath.Join(dir, source), filepath.Join(dir, name)))
			}
		}, extension.LimitExceeded, []string{"4096 files and folders"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := expect(t)
			dir, root := library(t)
			c.make(t, filepath.Join(dir, "taskservs/etcd"))
			s, cache := open(t)
			_, err := s.Put(t.Context(), root, "taskservs/etcd", store.Limits{})
			f := fault(t, err)
			g.Expect(f.Code).To(Equal(c.code))
			g.Expect(f.Class()).To(Equal(extension.Terminal))
			for _, words := range c.words {
				g.Expect(f.Message).To(ContainSubstring(words))
			}
			g.Expect(leftovers(t, cache)).To(BeEmpty())
		})
	}
}

func fifo(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) { must(t, unix.Mkfifo(filepath.Join(dir, name), 0o644)) }
}

// socket is bound by its relative name: the path of a test is too long for one.
func socket(t *testing.T, dir string) {
	t.Chdir(dir)
	l, err := net.Listen("unix", "sock")
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
}

// device makes a device where the user may, and says what it makes instead.
func device(t *testing.T, dir string) {
	name := filepath.Join(dir, "null")
	err := unix.Mknod(name, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	if err != nil {
		t.Logf("no device can be made here (%v): a FIFO takes its place", err)
		must(t, unix.Mkfifo(name, 0o600))
	}
}

func TestPutWithItsOwnLimits(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, _ := open(t)
	_, err := s.Put(t.Context(), root, "taskservs/etcd", store.Limits{Entries: 1})
	g.Expect(fault(t, err).Message).To(ContainSubstring("limit of 1 files and folders"))
	_, err = s.Put(t.Context(), root, "taskservs/etcd", store.Limits{Entries: 2})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestPutOfAFolderThatWentAwayIsTransient(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, _ := open(t)
	_, err := s.Put(t.Context(), root, "taskservs/none", store.Limits{})
	f := fault(t, err)
	g.Expect(f.Code).To(Equal(extension.CatalogUnavailable))
	g.Expect(f.Transient).To(BeTrue())
	g.Expect(err).To(MatchError(store.ErrChanging))
}

func TestPutOfAFolderNobodyMayRead(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	s, cache := open(t)
	must(t, os.Chmod(filepath.Dir(cache), 0o755))
	must(t, os.Chmod(filepath.Join(cache, "tmp"), 0o777))
	must(t, os.Chmod(filepath.Join(dir, "taskservs/etcd/mod.nu"), 0))
	asNobody(t, func() {
		_, err := s.Put(t.Context(), root, "taskservs/etcd", store.Limits{})
		f := fault(t, err)
		g.Expect(f.Code).To(Equal(extension.CatalogUnavailable))
		g.Expect(f.Transient).To(BeTrue())
		g.Expect(f.Message).To(ContainSubstring("etcd/mod.nu cannot be read (permission denied); let the operator's user read it"))
	})
}

// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

func TestPutCopiesPlainFilesReadOnly(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	write(t, dir, "taskservs/etcd/lib/deep/x.nu", "x")
	must(t, os.Chmod(write(t, dir, "taskservs/etcd/tool.sh", "#!"), 0o700))
	must(t, os.MkdirAll(filepath.Join(dir, "taskservs/etcd/empty"), 0o755))
	s, cache := open(t)

	d := put(t, s, root, "taskservs/etcd")

	g.Expect(d.Valid()).To(BeTrue())
	g.Expect(s.Has(d)).To(BeTrue())
	g.Expect(filesOf(t, contentDir(cache, d))).To(Equal(map[string]fs.FileMode{
		"manifest.toml": 0o444, "mod.nu": 0o444, "lib/deep/x.nu": 0o444, "tool.sh": 0o555,
	}))
	g.Expect(s.ReadFile(d, "manifest.toml")).To(BeEquivalentTo(manifest))
	_, err := s.ReadFile(d, "none.nu")
	g.Expect(err).To(MatchError(fs.ErrNotExist))
	g.Expect(put(t, s, root, "taskservs/etcd")).To(Equal(d))
	g.Expect(leftovers(t, cache)).To(BeEmpty())
}

func TestPutLeavesOutWhatBelongsToEditors(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	s, cache := open(t)
	before := put(t, s, root, "taskservs/etcd")
	for _, name := range []string{
		".git/config", ".mod.nu.swp", ".DS_Store", "mod.nu~", "mod.nu.swp", "mod.nu.swo", "mod.nu.bak", "x.tmp", "#mod.nu#", "4913", "lib/.hidden",
	} {
		write(t, dir, "taskservs/etcd/"+name, "no part of it")
	}
	g.Expect(put(t, s, root, "taskservs/etcd")).To(Equal(before))
	g.Expect(filesOf(t, contentDir(cache, before))).To(HaveLen(2))
	for _, name := range []string{"#", "mod.nu", "a.b", "49130", "tmp", "~x"} {
		g.Expect(store.Ignored(name)).To(BeFalse(), name)
	}
}

func TestPutFollowsLinksInsideTheLibrary(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	s, _ := open(t)
	plain := put(t, s, root, "taskservs/etcd")

	// As a ConfigMap is mounted: each name a link through ..data.
	mounted := filepath.Join(dir, "taskservs/mounted")
	write(t, mounted, "..2026_1/manifest.toml", manifest)
	write(t, mounted, "..2026_1/mod.nu", "export def configure [] {}\n")
	must(t, os.Symlink("..2026_1", filepath.Join(mounted, "..data")))
	must(t, os.Symlink("..data/manifest.toml", filepath.Join(mounted, "manifest.toml")))
	must(t, os.Symlink("..data/mod.nu", filepath.Join(mounted, "mod.nu")))
	g.Expect(put(t, s, root, "taskservs/mounted")).To(Equal(plain))

	must(t, os.Symlink("../taskservs/etcd", filepath.Join(dir, "taskservs/alias")))
	g.Expect(put(t, s, root, "taskservs/alias")).To(Equal(plain))
}

// TestDigestIsPinned keeps the canonical form: a digest that changed would have
// every Extension loaded again, and no longer be that of an OCI layer.
func TestDigestIsPinned(t *testing.T) {
	g := expect(t)
	dir := t.TempDir()
	write(t, dir, "e/manifest.toml", "manifest = 1\n")
	write(t, dir, "e/a/b.nu", "b")
	write(t, dir, "e/a-b.nu", "a-b")
	must(t, os.Chmod(write(t, dir, "e/größe.sh", "#!"), 0o711))
	s, _ := open(t)
	g.Expect(put(t, s, openRoot(t, dir), "e")).To(Equal(
		extension.Digest("sha256:95c028e1dccf458b9367ab893106857200c8fb7c9481577b06c0aa02cb86636e")))
}

func TestCanonicalTarOfTheCopyHasTheDigest(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, _ := open(t)
	d := put(t, s, root, "taskservs/etcd")
	content, err := s.FS(d)
	must(t, err)
	var packed bytes.Buffer
	must(t, store.CanonicalTar(&packed, content))
	sum := sha256.Sum256(packed.Bytes())
	g.Expect(hex.EncodeToString(sum[:])).To(Equal(d.Hex()))
	g.Expect(s.Verify(d)).To(Succeed())
}

func TestConcurrentPuts(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	s, cache := open(t)
	for i := range 8 {
		write(t, dir, fmt.Sprintf("taskservs/x%d/mod.nu", i), fmt.Sprint("x", i))
	}
	var all sync.WaitGroup
	digests := sync.Map{}
	for i := range 32 {
		folder := "taskservs/etcd"
		if i%2 == 0 {
			folder = fmt.Sprintf("taskservs/x%d", i%8)
		}
		all.Go(func() {
			d, err := s.Put(t.Context(), root, folder, store.Limits{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(s.Has(d)).To(BeTrue())
			digests.Store(d, true)
		})
	}
	all.Wait()
	entries, err := os.ReadDir(filepath.Join(cache, "sha256"))
	must(t, err)
	g.Expect(entries).To(HaveLen(5))
	g.Expect(leftovers(t, cache)).To(BeEmpty())
}

// countdown is a context that ends after it was asked a number of times.
type countdown struct {
	context.Context
	left *atomic.Int32
}

func (c countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func TestCancelledPutLeavesNothing(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, cache := open(t)
	for asked := range int32(20) {
		left := &atomic.Int32{}
		left.Store(asked)
		_, err := s.Put(countdown{t.Context(), left}, root, "taskservs/etcd", store.Limits{})
		g.Expect(leftovers(t, cache)).To(BeEmpty())
		if err == nil {
			g.Expect(asked).To(BeNumerically(">", 2), "the context was asked while copying")
			return
		}
		g.Expect(err).To(MatchError(context.Canceled))
	}
	t.Fatal("Put never came to its end")
}

func BenchmarkPut(b *testing.B) {
	dir, root := library(b)
	write(b, dir, "taskservs/etcd/README.md", string(make([]byte, 8<<10)))
	s, _ := open(b)
	for b.Loop() {
		put(b, s, root, "taskservs/etcd")
	}
}

// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

func TestOpenClearsWhatWasUnderWay(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, cache := open(t)
	d := put(t, s, root, "taskservs/etcd")
	write(t, cache, "tmp/123/mod.nu", "")
	write(t, cache, "stage/456/taskserv/etcd/mod.nu", "")
	s = reopen(t, s, cache)
	g.Expect(leftovers(t, cache)).To(BeEmpty())
	g.Expect(s.Has(d)).To(BeTrue())
}

// TestOneProcessAtATime opens a folder twice: the second may not clear what the
// first has under way.
func TestOneProcessAtATime(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, cache := open(t)
	stage, err := staged(t, s, members(put(t, s, root, "taskservs/etcd")))
	must(t, err)
	_, err = store.Open(cache)
	g.Expect(err).To(MatchError("cache_dir " + cache + " is used by another process; give each its own --cache-dir"))
	g.Expect(filesOf(t, stage.Dir())).To(HaveLen(2))
	reopen(t, s, cache)
	g.Expect(stage.Dir()).NotTo(BeADirectory())
}

func TestOpenWhereNoFolderCanBe(t *testing.T) {
	g := expect(t)
	file := write(t, t.TempDir(), "file", "")
	_, err := store.Open(filepath.Join(file, "cache"))
	f := fault(t, err)
	g.Expect(f.Code).To(Equal(extension.LoadFailed))
	g.Expect(f.Message).To(And(ContainSubstring("cache_dir"), ContainSubstring("not a directory")))
}

func TestACorruptedCopyIsDroppedAndMadeAgain(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"another byte": func(t *testing.T, dir string) {
			must(t, os.Chmod(filepath.Join(dir, "mod.nu"), 0o644))
			write(t, dir, "mod.nu", "export def configure [] {!\n")
		},
		"a file more":   func(t *testing.T, dir string) { write(t, dir, "evil.nu", "") },
		"a file less":   func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "mod.nu"))) },
		"an exec bit":   func(t *testing.T, dir string) { must(t, os.Chmod(filepath.Join(dir, "mod.nu"), 0o555)) },
		"a link":        func(t *testing.T, dir string) { must(t, os.Symlink("mod.nu", filepath.Join(dir, "x.nu"))) },
		"a cut file":    func(t *testing.T, dir string) { must(t, os.Truncate(filepath.Join(dir, "mod.nu"), 0)) },
		"a plain file":  func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)); must(t, os.WriteFile(dir, nil, 0o644)) },
		"nothing in it": func(t *testing.T, dir string) { must(t, os.RemoveAll(dir)); must(t, os.Mkdir(dir, 0o755)) },
	} {
		t.Run(name, func(t *testing.T) {
			g := expect(t)
			_, root := library(t)
			s, cache := open(t)
			d := put(t, s, root, "taskservs/etcd")
			spoil(t, contentDir(cache, d))
			s = reopen(t, s, cache)
			g.Expect(s.Has(d)).To(BeFalse())
			g.Expect(contentDir(cache, d)).NotTo(BeADirectory())
			g.Expect(put(t, s, root, "taskservs/etcd")).To(Equal(d))
			g.Expect(s.Verify(d)).To(Succeed())
		})
		t.Run(name+", found by Put", func(t *testing.T) {
			g := expect(t)
			_, root := library(t)
			s, cache := open(t)
			d := put(t, s, root, "taskservs/etcd")
			spoil(t, contentDir(cache, d))
			s = reopen(t, s, cache)
			g.Expect(put(t, s, root, "taskservs/etcd")).To(Equal(d))
			g.Expect(s.Verify(d)).To(Succeed())
		})
	}
}

func TestVerifyFindsWhatChangedInThisProcess(t *testing.T) {
	g := expect(t)
	_, root := library(t)
	s, cache := open(t)
	d := put(t, s, root, "taskservs/etcd")
	write(t, contentDir(cache, d), "evil.nu", "")
	f := fault(t, s.Verify(d))
	g.Expect(f.Class()).To(Equal(extension.Retryable))
	g.Expect(s.Has(d)).To(BeFalse())
	g.Expect(s.Verify("sha256:../../etc")).To(MatchError(ContainSubstring("is not a digest")))
	g.Expect(s.Has("nonsense")).To(BeFalse())
}

func members(d ...extension.Digest) []extension.Member {
	var all []extension.Member
	for i, digest := range d {
		all = append(all, extension.Member{
			Key: extension.Key{Type: extension.Taskserv, Name: []string{"etcd", "containerd"}[i], Version: "1.0.0"}, Digest: digest})
	}
	return all
}

func TestStageLinksTheCopies(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	write(t, dir, "taskservs/etcd/lib/x.nu", "x")
	write(t, dir, "taskservs/containerd/mod.nu", "c")
	s, cache := open(t)
	etcd, containerd := put(t, s, root, "taskservs/etcd"), put(t, s, root, "taskservs/containerd")

	stage, err := staged(t, s, members(etcd, containerd))

	must(t, err)
	g.Expect(filepath.IsAbs(stage.Dir())).To(BeTrue())
	g.Expect(filesOf(t, stage.Dir())).To(HaveLen(4))
	inStage, err := os.Stat(filepath.Join(stage.Dir(), "taskserv/etcd/lib/x.nu"))
	must(t, err)
	inStore, err := os.Stat(filepath.Join(contentDir(cache, etcd), "lib/x.nu"))
	must(t, err)
	g.Expect(os.SameFile(inStage, inStore)).To(BeTrue())
	must(t, stage.Remove())
	must(t, stage.Remove())
	g.Expect(leftovers(t, cache)).To(BeEmpty())
	g.Expect(s.Verify(etcd)).To(Succeed())
}

func TestStageOfALostCopyIsTransient(t *testing.T) {
	for name, lose := range map[string]func(dir string) error{
		"all of it": os.RemoveAll,
		"one file":  func(dir string) error { return os.Remove(filepath.Join(dir, "mod.nu")) },
	} {
		t.Run(name, func(t *testing.T) {
			g := expect(t)
			_, root := library(t)
			s, cache := open(t)
			d := put(t, s, root, "taskservs/etcd")
			must(t, lose(contentDir(cache, d)))
			half, err := staged(t, s, members(d))
			f := fault(t, err)
			must(t, half.Remove())
			g.Expect(f.Class()).To(Equal(extension.Retryable))
			g.Expect(f.Message).To(ContainSubstring("copied again"))
			g.Expect(s.Has(d)).To(BeFalse())
			g.Expect(leftovers(t, cache)).To(BeEmpty())
			g.Expect(put(t, s, root, "taskservs/etcd")).To(Equal(d))
			stage, err := staged(t, s, members(d))
			must(t, err)
			g.Expect(filesOf(t, stage.Dir())).To(HaveLen(2))
		})
	}
}

// fill makes the disk of dir full at 1 MiB: a small one where the test may mount
// it, else a limit to the size of files, which gives another errno.
func fill(t *testing.T, dir string) (reason string) {
	t.Helper()
	err := mountSmall(dir)
	if err == nil {
		t.Cleanup(func() { must(t, unmount(dir)) })
		return unix.ENOSPC.Error()
	}
	t.Logf("no small disk can be mounted here (%v): RLIMIT_FSIZE takes its place", err)
	signal.Ignore(unix.SIGXFSZ)
	var before unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &before))
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: before.Max}))
	t.Cleanup(func() { must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &before)) })
	return unix.EFBIG.Error()
}

func TestDiskFull(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	s, cache := open(t)
	write(t, dir, "taskservs/etcd/big", strings.Repeat("x", 2<<20))
	reason := fill(t, filepath.Join(cache, "tmp"))
	_, err := s.Put(t.Context(), root, "taskservs/etcd", store.Limits{})
	f := fault(t, err)
	g.Expect(f.Code).To(Equal(extension.LoadFailed))
	g.Expect(f.Class()).To(Equal(extension.Retryable))
	g.Expect(f.Message).To(And(
		ContainSubstring("cache_dir "+cache), ContainSubstring(reason), ContainSubstring("free space")))
	g.Expect(leftovers(t, cache)).To(BeEmpty())
}

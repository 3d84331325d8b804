// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

const manifest = "manifest = 1\nname = \"etcd\"\n"

// write makes a file and the folders above it.
func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	must(t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(t, os.WriteFile(file, []byte(content), 0o644))
	return file
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// library is a library with one version in taskservs/etcd.
func library(t testing.TB) (dir string, root *os.Root) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "extensions")
	write(t, dir, "taskservs/etcd/manifest.toml", manifest)
	write(t, dir, "taskservs/etcd/mod.nu", "export def configure [] {}\n")
	return dir, openRoot(t, dir)
}

func openRoot(t testing.TB, dir string) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(dir)
	must(t, err)
	t.Cleanup(func() { must(t, root.Close()) })
	return root
}

func open(t testing.TB) (*store.Store, string) {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(dir)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() }) // it may have been reopened
	return s, dir
}

// reopen is what the next process does.
func reopen(t testing.TB, s *store.Store, dir string) *store.Store {
	t.Helper()
	must(t, s.Close())
	next, err := store.Open(dir)
	must(t, err)
	t.Cleanup(func() { must(t, next.Close()) })
	return next
}

func put(t testing.TB, s *store.Store, root *os.Root, folder string) extension.Digest {
	t.Helper()
	d, err := s.Put(t.Context(), root, folder, store.Limits{})
	must(t, err)
	return d
}

// fault fails the test unless err is a Fault.
func fault(t testing.TB, err error) *extension.Fault {
	t.Helper()
	var f *extension.Fault
	if !errors.As(err, &f) {
		t.Fatalf("want a Fault, have %v", err)
	}
	return f
}

// leftovers are what is under way in a store's folder.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	for _, folder := range []string{"tmp", "stage"} {
		entries, err := os.ReadDir(filepath.Join(dir, folder))
		must(t, err)
		for _, e := range entries {
			names = append(names, folder+"/"+e.Name())
		}
	}
	return names
}

// filesOf lists a folder's files with their modes.
func filesOf(t testing.TB, dir string) map[string]fs.FileMode {
	t.Helper()
	files := map[string]fs.FileMode{}
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		rel, _ := filepath.Rel(dir, name)
		files[rel] = info.Mode()
		return err
	}))
	return files
}

func contentDir(dir string, d extension.Digest) string { return filepath.Join(dir, "sha256", d.Hex()) }

func expect(t testing.TB) *WithT { t.Helper(); return NewWithT(t) }

// staged is a stage that was filled, as far as that went.
func staged(t testing.TB, s *store.Store, members []extension.Member) (*store.Stage, error) {
	t.Helper()
	stage, err := s.NewStage()
	must(t, err)
	err = stage.Fill(t.Context(), members)
	return stage, err
}

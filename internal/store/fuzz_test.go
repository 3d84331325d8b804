// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// fuzzLimits are small, so that small inputs reach them.
var fuzzLimits = store.Limits{Entries: 20, Depth: 3, FileBytes: 2000, TotalBytes: 4000, ManifestBytes: 500}

// secret is outside the library, where no copy may have it from.
const secret = "SECRET of somebody else"

// FuzzPut makes a version's folder of entries, each a kind, a name and a content
// or target between NULs, and holds that Put copies it as it is or gives a Fault,
// and touches nothing but its own store.
func FuzzPut(f *testing.F) {
	for _, seed := range [][]string{
		{"f", "manifest.toml", manifest, "f", "mod.nu", "export def a [] {}"},
		{"x", "run", "#!", "f", "a/b/c/deep.nu", "x", "d", "empty", ""},
		{"l", "up", "../../../../outside", "l", "etc", "/etc/passwd", "l", "out", "../../../outside/secret"},
		{"f", "a", "x", "l", "b", "a", "l", "c", "b", "h", "d", "a"},
		{"l", "loop", ".", "l", "self", "self", "l", "other", "../other/mod.nu", "l", "folder", "../other"},
		{"d", "..data", "", "f", "..data/mod.nu", "x", "l", "mod.nu", "..data/mod.nu"},
		{"p", "pipe", "", "l", "topipe", "pipe"},
		{"s", "big", "xxxx", "s", "manifest.toml", "x"},
		{"f", "a\\b", "x"}, {"f", "a\nb", "x"}, {"f", "\xff", "x"}, {"f", strings.Repeat("\u00e9", 120), "x"},
		{"f", "../other/new", "x", "f", "/tmp/x", "x"}, {"f", "a/b/c/d/e/f", ""}, {"f", ".git/config", "x", "f", "#a#", "", "f", "b~", ""},
	} {
		f.Add([]byte(strings.Join(seed, "\x00")))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		world := t.TempDir()
		write(t, world, "outside/secret", secret)
		write(t, world, "extensions/taskservs/other/mod.nu", "of another extension")
		folder := filepath.Join(world, "extensions/taskservs/etcd")
		must(t, os.Mkdir(folder, 0o755))
		build(t, folder, data)
		before := everything(t, world)
		root := openRoot(t, filepath.Join(world, "extensions"))
		s, cache := open(t)

		digest, err := s.Put(t.Context(), root, "taskservs/etcd", fuzzLimits)
		if after := everything(t, world); after != before {
			t.Fatalf("the library or what is beside it was\n%s\nand is\n%s", before, after)
		}
		if left := leftovers(t, cache); len(left) != 0 {
			t.Fatalf("left %q", left)
		}
		copies, globErr := filepath.Glob(filepath.Join(cache, "sha256", "*"))
		must(t, globErr)
		if err != nil {
			checkFault(t, fault(t, err))
			if len(copies) != 0 {
				t.Fatalf("a copy beside the Fault %v", err)
			}
			return
		}
		if len(copies) != 1 || copies[0] != contentDir(cache, digest) {
			t.Fatalf("the copies are %q, the digest is %s", copies, digest)
		}
		checkCopy(t, s, digest, root, bytes.Contains(data, []byte("SECRET")))
		if again := put(t, s, root, "taskservs/etcd"); again != digest {
			t.Fatalf("%s, and %s when it is copied again", digest, again)
		}
	})
}

// build makes the entries that can be made, none outside dir.
func build(t *testing.T, dir string, data []byte) {
	t.Helper()
	root := openRoot(t, dir)
	fields := strings.Split(string(data), "\x00")
	for i := 0; i+2 < len(fields) && i < 90; i += 3 {
		kind, name, rest := fields[i], fields[i+1], fields[i+2]
		_ = root.MkdirAll(path.Dir(name), 0o755) // what cannot be is left out, here and below
		switch kind {
		case "f":
			_ = root.WriteFile(name, []byte(rest), 0o644)
		case "x":
			_ = root.WriteFile(name, []byte(rest), 0o755)
		case "s":
			_ = root.WriteFile(name, bytes.Repeat([]byte("x"), 600*min(len(rest), 10)), 0o644)
		case "d":
			_ = root.MkdirAll(name, 0o755)
		case "l":
			_ = root.Symlink(rest, name)
		case "h":
			_ = root.Link(rest, name)
		case "p":
			if filepath.IsLocal(name) && !strings.Contains(name, "/") {
				_ = unix.Mkfifo(filepath.Join(dir, name), 0o644)
			}
		}
	}
}

// everything is what a folder holds, links as such.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	must(t, filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		var content []byte
		if info.Mode().IsRegular() {
			if content, err = os.ReadFile(name); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(&all, "%q %s %s %x\n", name, info.Mode(), info.ModTime(), sha256.Sum256(content))
		return err
	}))
	return all.String()
}

func checkFault(t *testing.T, f *extension.Fault) {
	t.Helper()
	if f.Message == "" || len(f.Message) > 5000 || !utf8.ValidString(f.Message) || strings.ContainsFunc(f.Message, unicode.IsControl) {
		t.Fatalf("a message of %d bytes: %q", len(f.Message), f.Message)
	}
}

// checkCopy holds that a copy has its digest, is within the limits, read-only and
// what the library shows at the same names.
func checkCopy(t *testing.T, s *store.Store, digest extension.Digest, root *os.Root, mayHaveSecret bool) {
	t.Helper()
	must(t, s.Verify(digest))
	content, err := s.FS(digest)
	must(t, err)
	var packed bytes.Buffer
	must(t, store.CanonicalTar(&packed, content))
	if sum := sha256.Sum256(packed.Bytes()); hex.EncodeToString(sum[:]) != digest.Hex() {
		t.Fatalf("the copy's own digest is %x, not %s", sum, digest)
	}
	if !mayHaveSecret && bytes.Contains(packed.Bytes(), []byte(secret)) {
		t.Fatal("the copy has what is outside the library")
	}
	total := int64(0)
	must(t, fs.WalkDir(content, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if mode := info.Mode(); mode != 0o444 && mode != 0o555 {
			t.Fatalf("%q has the mode %s", name, mode)
		}
		total += info.Size()
		have, err := fs.ReadFile(content, name)
		if err != nil {
			return err
		}
		want, err := root.ReadFile(path.Join("taskservs/etcd", name))
		if err == nil && !bytes.Equal(have, want) {
			t.Fatalf("%q is %q in the copy and %q in the library", name, have, want)
		}
		return err
	}))
	if total > fuzzLimits.TotalBytes {
		t.Fatalf("the copy has %d bytes", total)
	}
}

// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"crypto/sha256"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"provisioning.dev/extension-operator/internal/extension"
)

// contents are the folders of samples by the digest of their members. It stands for the store, whose stages are tested in
// internal/store and, with this package, in cmd/manager.
var contents sync.Map

// content is the digest that a folder is known by.
func content(folder string) extension.Digest {
	sum := sha256.Sum256([]byte(folder))
	d := digest(sum[:])
	contents.Store(d, folder)
	return d
}

// stagesFolder is where stages are made; empty: where temporary files are.
var stagesFolder string

// stagesBelow has stages made below a folder until the test ends.
func stagesBelow(t testing.TB, folder string) {
	t.Helper()
	before := stagesFolder
	stagesFolder = folder
	t.Cleanup(func() { stagesFolder = before })
}

// linked is a stage of hard links.
type linked string

func newStage() (Stage, error) {
	dir, err := os.MkdirTemp(stagesFolder, "stage-")
	return linked(dir), err
}

func (s linked) Dir() string { return string(s) }

func (s linked) Remove() error { return os.RemoveAll(string(s)) }

func (s linked) Fill(_ context.Context, members []extension.Member) error {
	for _, m := range members {
		from, _ := contents.Load(m.Digest)
		to := filepath.Join(string(s), string(m.Key.Type), m.Key.Name)
		err := filepath.WalkDir(from.(string), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			below, _ := filepath.Rel(from.(string), path)
			return link(entry, path, filepath.Join(to, below))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func link(entry fs.DirEntry, from, to string) error {
	if entry.IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	return os.Link(from, to) // of a link: the link itself
}

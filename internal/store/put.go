// SPDX-License-Identifier: Apache-2.0

package store

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
)

// Put copies one version's folder, slash-separated and beneath root, into the
// store and returns its digest. It reads regular files only, follows links that
// stay inside root, leaves out what Ignored names and holds limits while it
// copies. A folder that changes meanwhile gives a transient Fault, never a torn
// copy. An error that is no Fault is that of ctx. Nothing is left of a Put that
// fails.
func (s *Store) Put(ctx context.Context, root *os.Root, folder string, limits Limits) (extension.Digest, error) {
	before, err := Look(ctx, root, folder, limits)
	if err != nil {
		return "", err
	}
	temp, err := s.newFolder(tempFolder)
	if err != nil {
		return "", s.fault(err)
	}
	defer os.RemoveAll(temp)
	c := &copier{root: root, folder: folder, target: temp, buffer: make([]byte, 32<<10)}
	digest, err := c.copyAll(ctx, before.files)
	if err != nil {
		return "", s.fault(err)
	}
	after, err := Look(ctx, root, folder, limits)
	if err != nil {
		return "", err
	}
	if after.Signature != before.Signature {
		return "", changing(Shown(root, folder), nil)
	}
	return digest, s.install(temp, digest, c.copied)
}

// copier writes one folder's files below target and hashes their tar on the way.
type copier struct {
	root   *os.Root
	folder string
	target string
	buffer []byte
	copied []packedFile
}

// copyAll copies files in the order of the canonical tar. An error that is
// neither a Fault nor that of ctx is one of writing.
func (c *copier) copyAll(ctx context.Context, files []sourceFile) (extension.Digest, error) {
	h := sha256.New()
	tw := tar.NewWriter(h)
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if err := c.copyFile(tw, f); err != nil {
			return "", err
		}
	}
	if err := tw.Close(); err != nil {
		return "", err
	}
	return digestOf(h), nil
}

func (c *copier) copyFile(tw *tar.Writer, f sourceFile) (err error) {
	rel := path.Join(c.folder, f.path)
	shown := Shown(c.root, rel)
	in, err := c.root.OpenFile(rel, readFlags, 0)
	if err != nil {
		return sourceFault(shown, err)
	}
	defer in.Close()
	if err := unchanged(in, f.stamp, shown); err != nil {
		return err
	}
	packed := packedFile{path: f.path, executable: f.stamp.executable(), size: f.stamp.size}
	if err := tw.WriteHeader(packed.header()); err != nil {
		return fmt.Errorf("pack %s: %w", shown, err)
	}
	out, err := c.create(packed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := c.transfer(io.MultiWriter(tw, out), in, f.stamp.size, shown); err != nil {
		return err
	}
	if err := unchanged(in, f.stamp, shown); err != nil {
		return err
	}
	c.copied = append(c.copied, packed)
	return nil
}

// create makes the read-only file of the copy. Its mode binds whoever opens it
// later, not the descriptor that fills it.
func (c *copier) create(f packedFile) (*os.File, error) {
	name := filepath.Join(c.target, filepath.FromSlash(f.path))
	if err := os.MkdirAll(filepath.Dir(name), folderMode); err != nil {
		return nil, err
	}
	mode := os.FileMode(0o444)
	if f.executable {
		mode = 0o555
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return nil, err
	}
	if err := out.Chmod(mode); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// transfer copies exactly size bytes: neither a growing nor a shrinking file
// can make it read more or less.
func (c *copier) transfer(out io.Writer, in io.Reader, size int64, shown string) error {
	for left := size; left > 0; {
		n, readErr := in.Read(c.buffer[:min(left, int64(len(c.buffer)))])
		if _, err := out.Write(c.buffer[:n]); err != nil {
			return err
		}
		left -= int64(n)
		switch {
		case errors.Is(readErr, io.EOF) && left > 0:
			return changing(shown, io.ErrUnexpectedEOF)
		case readErr != nil && !errors.Is(readErr, io.EOF):
			return sourceFault(shown, readErr)
		}
	}
	return nil
}

// unchanged tells whether an open file is still the one that was listed.
func unchanged(f *os.File, listed stamp, shown string) error {
	now, err := stampOfFile(f)
	if err != nil {
		return unreadable(shown, err)
	}
	if now != listed {
		return changing(shown, nil)
	}
	return nil
}

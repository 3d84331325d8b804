// SPDX-License-Identifier: Apache-2.0

package store

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// CanonicalTar writes the one tar that a folder has: its regular files alone,
// sorted by path as bytes, each with mode 0644, or 0755 where any executable
// bit is set, uid and gid 0, time 0 and no user or group name, in PAX format.
// Anything in fsys that is neither a folder nor a regular file is an error.
func CanonicalTar(w io.Writer, fsys fs.FS) error {
	files, err := packedFiles(fsys)
	if err != nil {
		return err
	}
	return pack(w, fsys, files)
}

func pack(w io.Writer, fsys fs.FS, files []packedFile) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		if err := packFile(tw, fsys, f); err != nil {
			return err
		}
	}
	return tw.Close()
}

// packedFile is one file of a tar or of a copy in the store.
type packedFile struct {
	path       string
	executable bool
	size       int64
}

func (f packedFile) header() *tar.Header {
	mode := int64(0o644)
	if f.executable {
		mode = 0o755
	}
	return &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: mode, Size: f.size, Format: tar.FormatPAX}
}

func packedFiles(fsys fs.FS) ([]packedFile, error) {
	var files []packedFile
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		files = append(files, packedFile{path: name, executable: info.Mode()&0o111 != 0, size: info.Size()})
		return nil
	})
	slices.SortFunc(files, func(a, b packedFile) int { return cmp.Compare(a.path, b.path) })
	return files, err
}

func packFile(tw *tar.Writer, fsys fs.FS, f packedFile) error {
	in, err := fsys.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := tw.WriteHeader(f.header()); err != nil {
		return err
	}
	if _, err := io.Copy(tw, in); err != nil {
		return fmt.Errorf("pack %s: %w", f.path, err)
	}
	return tw.Flush()
}

func digestOf(h hash.Hash) extension.Digest {
	return extension.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

// digestOfFolder hashes a folder's canonical tar and lists what is in it.
func digestOfFolder(fsys fs.FS) (extension.Digest, []packedFile, error) {
	files, err := packedFiles(fsys)
	if err != nil {
		return "", nil, err
	}
	h := sha256.New()
	err = pack(h, fsys, files)
	return digestOf(h), files, err
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// fileTime is the time of every file: one of the build's would make a new layer of the same files.
var fileTime = time.Unix(0, 0).UTC()

// tree are the files of a layer in the order of their paths, each after the folders it is in.
func (l layer) tree(b *build) ([]file, error) {
	all := map[string]file{}
	for _, c := range l.contents {
		files, err := c.files(b)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if _, twice := all[f.path]; twice {
				return nil, fmt.Errorf("the list has %s twice", f.path)
			}
			all[f.path] = f
		}
	}
	for name := range all {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			if _, known := all[dir]; !known {
				all[dir] = file{path: dir, mode: folderMode}
			}
		}
	}
	files := make([]file, 0, len(all))
	for _, f := range all {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return files, nil
}

// open is what the file holds, and how much.
func (f file) open() (io.ReadCloser, int64, error) {
	if f.from == "" {
		return io.NopCloser(bytes.NewReader(f.text)), int64(len(f.text)), nil
	}
	source, err := os.Open(f.from)
	if err != nil {
		return nil, 0, err
	}
	info, err := source.Stat()
	if err != nil {
		_ = source.Close()
		return nil, 0, err
	}
	return source, info.Size(), nil
}

// pack makes a layer of an image of the files.
func pack(files []file, scratch string) (v1.Layer, error) {
	archive, err := os.CreateTemp(scratch, "layer-*.tar")
	if err != nil {
		return nil, err
	}
	defer func() { _ = archive.Close() }()
	if err := writeTar(archive, files); err != nil {
		return nil, err
	}
	return tarball.LayerFromFile(archive.Name(), tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.DefaultCompression), tarball.WithCompressedCaching)
}

func writeTar(out io.Writer, files []file) error {
	writer := tar.NewWriter(out)
	for _, f := range files {
		if err := addToTar(writer, f); err != nil {
			return fmt.Errorf("%s: %w", f.path, err)
		}
	}
	return writer.Close()
}

func addToTar(writer *tar.Writer, f file) error {
	header := &tar.Header{Name: strings.TrimPrefix(f.path, "/"), Mode: unixMode(f.mode), ModTime: fileTime, Format: tar.FormatPAX}
	if f.mode.IsDir() {
		header.Name, header.Typeflag = header.Name+"/", tar.TypeDir
		return writer.WriteHeader(header)
	}
	source, size, err := f.open()
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	header.Typeflag, header.Size = tar.TypeReg, size
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(writer, source)
	return err
}

func unixMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

// unpack writes the files below a folder, each with its mode.
func unpack(files []file, below string) error {
	for _, f := range files {
		target := filepath.Join(below, filepath.FromSlash(f.path))
		if err := place(f, target); err != nil {
			return fmt.Errorf("write %s: %w", target, err)
		}
	}
	for _, f := range slices.Backward(files) { // a folder after what is in it
		if err := os.Chtimes(filepath.Join(below, filepath.FromSlash(f.path)), fileTime, fileTime); err != nil {
			return err
		}
	}
	return nil
}

func place(f file, target string) error {
	if f.mode.IsDir() {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		return os.Chmod(target, f.mode)
	}
	source, _, err := f.open()
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, source)
	if err = firstOf(err, out.Close()); err != nil {
		return err
	}
	return os.Chmod(target, f.mode)
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

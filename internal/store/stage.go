// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
)

// Stage is the folder that one load sees, once it is filled: <type>/<name>/ for each member.
type Stage struct {
	store *Store
	dir   string
}

// NewStage makes an empty stage, which the caller removes. Its folder is as new: nothing was ever in it.
func (s *Store) NewStage() (*Stage, error) {
	dir, err := s.newFolder(stageFolder)
	if err != nil {
		return nil, s.fault(err)
	}
	return &Stage{store: s, dir: dir}, nil
}

// Dir is the absolute path of the stage.
func (s *Stage) Dir() string { return s.dir }

// Remove deletes the stage. Removing it again does nothing.
func (s *Stage) Remove() error { return os.RemoveAll(s.dir) }

// Fill links the members' copies into the stage. A copy that the store lost gives a transient Fault; what was linked
// before stays until the stage is removed.
func (s *Stage) Fill(ctx context.Context, members []extension.Member) error {
	for _, m := range members {
		target := filepath.Join(s.dir, string(m.Key.Type), m.Key.Name)
		if err := s.store.stageMember(ctx, m.Digest, target); err != nil {
			return s.store.fault(err)
		}
	}
	return nil
}

func (s *Store) stageMember(ctx context.Context, d extension.Digest, target string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	files, err := s.content(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(target, folderMode); err != nil {
		return err
	}
	for _, f := range files {
		from := filepath.Join(s.folder(d), filepath.FromSlash(f.path))
		to := filepath.Join(target, filepath.FromSlash(f.path))
		err := place(from, to)
		if errors.Is(err, fs.ErrNotExist) {
			s.forget(d)
			return lost(d, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// place links a file, or copies it where links cannot be: on file systems
// without them, at the limit of links to one file, across mounts.
func place(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), folderMode); err != nil {
		return err
	}
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return duplicate(from, to)
}

func duplicate(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gopkg.in/natefinch/lumberjack.v2"
)

// Stdout is the path that stands for standard output.
const Stdout = "-"

// Open opens what a Log writes to: standard output, or a file that is moved aside when
// it has maxSize MiB, of which maxBackups are kept. A path where no file can be is an error
// at once; a full disk is not, because there may be room later.
func Open(path string, maxSize, maxBackups int) (io.WriteCloser, error) {
	if path == Stdout {
		return open{os.Stdout}, nil
	}
	if err := try(path); err != nil {
		return nil, err
	}
	return &lumberjack.Logger{Filename: path, MaxSize: maxSize, MaxBackups: maxBackups}, nil
}

// open stays open: it belongs to the process.
type open struct{ io.Writer }

func (open) Close() error { return nil }

// try tells whether there is a file at path, or can be.
func try(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file; name one, or %s for standard output", path, Stdout)
	}
	err := os.MkdirAll(filepath.Dir(path), 0o750)
	if err == nil {
		var file *os.File
		if file, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err == nil {
			err = file.Close()
		}
	}
	if err == nil || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO) {
		return nil
	}
	var where *fs.PathError
	if errors.As(err, &where) {
		err = where.Err
	}
	return fmt.Errorf("%s cannot be written: %w", path, err)
}

// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"io/fs"
	"os"
	"syscall"
)

// stamp changes whenever a file is replaced or written, without reading it. The change time catches a copy that keeps the
// modification time.
type stamp struct {
	device, inode uint64
	size          int64
	modified      int64
	changed       int64
}

// stampOf looks at the file behind a path, links followed.
func stampOf(path string) (stamp, fs.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, nil, err
	}
	s := stamp{size: info.Size(), modified: info.ModTime().UnixNano()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.device, s.inode, s.changed = uint64(stat.Dev), stat.Ino, changeTime(stat) //nolint:unconvert // Dev is 32 bits wide on macOS
	}
	return s, info, nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// files are found by name, whatever git knows of them: an image of a tree with changes has the changes.
func (f folderOf) files(b *build) ([]file, error) {
	var found []file
	source := b.inSource(f.source)
	err := fs.WalkDir(os.DirFS(source), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && !belongs(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil // the files make their folders
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s/%s is neither a file nor a folder: the image takes nothing else", f.source, name)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found = append(found, file{path: path.Join(f.path, name), mode: modeOf(info), from: path.Join(source, name)})
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no file for the image", source)
	}
	return found, err
}

// belongs tells by its name whether a file is more than a test of others, or what editors leave behind.
func belongs(name string) bool {
	return !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, "~") && !strings.HasSuffix(name, "_test.go") && name != "testdata"
}

// modeOf keeps of a file's mode what git keeps.
func modeOf(info fs.FileInfo) fs.FileMode {
	if info.Mode()&0o100 != 0 {
		return runMode
	}
	return fileMode
}

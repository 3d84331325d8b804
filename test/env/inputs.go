// SPDX-License-Identifier: Apache-2.0

package env

import (
	"io/fs"
	"path/filepath"
)

// remember looks into the folders that programs are built of and read. What they are go test does not see, and it would answer from
// its cache after a change; of a folder that a test looks into it remembers the files.
func remember(root string) error {
	for _, folder := range []string{"api", "cmd", "internal", "extensions", "nushell", "test/env"} {
		if err := filepath.WalkDir(filepath.Join(root, folder), func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			return err
		}
	}
	return nil
}

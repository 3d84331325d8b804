// SPDX-License-Identifier: Apache-2.0

package store

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ignored tells whether a file or folder of this base name belongs to an editor
// or a version control system and so is no part of an extension:
//
//	.*                                 hidden: .git, .DS_Store, ..data, .mod.nu.Xy12 of rsync
//	*~  *.bak  *.tmp  *.swp  *.swo     backups and swap files
//	#*#                                Emacs' autosaves
//	4913                               the file by which Vim tests a folder
func Ignored(name string) bool {
	if strings.HasPrefix(name, ".") || name == "4913" {
		return true
	}
	for _, suffix := range []string{"~", ".bak", ".tmp", ".swp", ".swo"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return len(name) > 1 && strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

// plainName tells whether a name can be shown, packed and read everywhere.
func plainName(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool {
		return r == '\\' || unicode.IsControl(r)
	})
}

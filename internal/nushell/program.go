// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The files of a provisioning folder that are run.
const programFile = "load.nu"

// arguments start Nushell without configuration, standard library or history. Plain errors can be read back.
func arguments(more ...string) []string {
	return append([]string{"--no-config-file", "--no-std-lib", "--no-history", "--error-style", "plain"}, more...)
}

// globCharacters cannot be in the stage's name: Nushell's open lists the folders above a name with one, and in the sandbox
// there is nothing above the stage to list.
const globCharacters = "*?["

// prelude is what the loading program reads from its standard input: where modules are found, and which one to load.
func prelude(stage, folder string) (string, error) {
	if strings.ContainsAny(stage, globCharacters) {
		return "", fmt.Errorf("path %q holds one of %s", stage, globCharacters)
	}
	library, err := rawString(stage)
	if err != nil {
		return "", err
	}
	target, err := rawString(folder)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("const NU_LIB_DIRS = [%s]\nconst EXTENSION = %s\n", library, target), nil
}

// rawString writes s as a raw string of Nushell, whose only way out is a quote and as many # as it began with: one more
// than any quote in s is followed by.
func rawString(s string) (string, error) {
	if strings.ContainsRune(s, 0) || !utf8.ValidString(s) {
		return "", fmt.Errorf("path %q holds a NUL byte or is not UTF-8", s)
	}
	longest := 0
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "'")
		if !found {
			break
		}
		longest = max(longest, len(after)-len(strings.TrimLeft(after, "#")))
		rest = after
	}
	fence := strings.Repeat("#", longest+1)
	return "r" + fence + "'" + s + "'" + fence, nil
}

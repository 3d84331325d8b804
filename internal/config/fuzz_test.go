// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"provisioning.dev/extension-operator/internal/config"
)

// Whatever a file holds, it gives settings that print as a file that gives the same, or
// mistakes that each have a line.
func FuzzFile(f *testing.F) {
	for _, text := range []string{
		config.DefaultsFile, "manager.workers = 3", "[[manager]]\nworkers = 1", "a = {b = [{c = 1}]}", "[audit]\nlog = \"{{audit.log}}\"",
		"orchestrator = {extensions = {libraries = ['a=/x']}}", "\ufeff", "[manager]\nlog_level = \"\"\"\ndebug\"\"\"", "x = 1979-05-27T07:32:00Z", "'' = 1",
	} {
		f.Add(text)
	}
	path := filepath.Join(f.TempDir(), "config.toml")
	line := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `:\d+: .`)
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		effective, err := config.Load(config.Sources{File: path})
		if err != nil {
			for _, one := range strings.Split(err.Error(), "\n") {
				if !line.MatchString(one) {
					t.Fatalf("%q has no line: %s", text, one)
				}
			}
			return
		}
		printed := effective.TOML()
		if err := os.WriteFile(path, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
		again, err := config.Load(config.Sources{File: path})
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", text, printed, err)
		}
		without := regexp.MustCompile(` # (default|` + regexp.QuoteMeta(path) + `:\d+)\n`)
		if was, is := without.ReplaceAllString(printed, "\n"), without.ReplaceAllString(again.TOML(), "\n"); was != is {
			t.Fatalf("%q is printed as %q, and that as %q", text, was, is)
		}
	})
}

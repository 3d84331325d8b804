// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/test/env"
)

// shell is a block of commands; one after which the page shows what they print has that too.
var shell = regexp.MustCompile("(?s)```sh\n(.*?\n)```\n(?:\n```\n(.*?)\n```\n)?")

// TestTutorialDoesWhatItSays runs what parts of the tutorial do that need no cluster.
func TestTutorialDoesWhatItSays(t *testing.T) {
	g := NewWithT(t)
	nu, err := env.Nushell()
	g.Expect(err).NotTo(HaveOccurred())
	manager, err := env.Build("./cmd/manager")
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(filepath.Join(root, "docs", "tutorial.md"))
	g.Expect(err).NotTo(HaveOccurred())
	parts := strings.Split(string(page), "\n## ")

	var script strings.Builder
	shown := 0
	var expected []string
	for _, part := range parts {
		if !strings.HasPrefix(part, "1. ") && !strings.HasPrefix(part, "2. ") && !strings.HasPrefix(part, "4. ") {
			continue
		}
		for _, block := range shell.FindAllStringSubmatch(part, -1) {
			script.WriteString(block[1])
			if block[2] != "" {
				shown++
				expected = append(expected, strings.Split(strings.TrimSpace(block[2]), "\n")...)
			}
		}
	}
	g.Expect(shown).To(Equal(1))
	// The programs of this run stand for those that a reader makes.
	commands := strings.NewReplacer("eval \"$(make -s assets)\"; PATH=\"$(dirname \"$NUSHELL_PATH\"):$PATH\"", "", "bin/manager", manager).Replace(script.String())
	g.Expect(commands).NotTo(ContainSubstring("make -s"))

	ctx, cancel := context.WithTimeout(t.Context(), asked)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", commands)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "PATH="+filepath.Dir(nu)+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	for _, line := range expected {
		g.Expect(string(out)).To(ContainSubstring(line))
	}
	g.Expect(string(out)).To(ContainSubstring("message: Good morning"))
	g.Expect(string(out)).To(ContainSubstring("configure, install, uninstall, verify"))
	g.Expect(string(out)).To(ContainSubstring("provider:kube:1.0.0"))
}

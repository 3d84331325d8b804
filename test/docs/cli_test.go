// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/test/env"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// help is a mark of docs/cli.md with the command whose help follows it.
var help = regexp.MustCompile("(?m)^<!-- help: ([a-z -]+) -->\n(?:```text\n(?s:.*?)\n```\n)?")

// asked bounds one program.
const asked = time.Minute

// TestHelpIsMadeOfThePrograms holds docs/cli.md to what the programs say.
func TestHelpIsMadeOfThePrograms(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(root, "docs", "cli.md")
	old, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	marks := help.FindAllSubmatch(old, -1)
	g.Expect(len(marks)).To(BeNumerically(">=", 11))
	text := help.ReplaceAllFunc(old, func(block []byte) []byte {
		command := string(help.FindSubmatch(block)[1])
		return []byte("<!-- help: " + command + " -->\n```text\n" + helpOf(t, command) + "\n```\n")
	})
	if *update {
		g.Expect(os.WriteFile(path, text, 0o644)).To(Succeed())
		return
	}
	g.Expect(string(text)).To(Equal(string(old)), "docs/cli.md is not what the programs say: run make reference")
}

// helpOf is what a command says of itself.
func helpOf(t *testing.T, command string) string {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), asked)
	defer cancel()
	program, rest, _ := strings.Cut(command, " ")
	args := append(strings.Fields(rest), "--help")
	var cmd *exec.Cmd
	if program == "provisioning" {
		nu, err := env.Nushell()
		g.Expect(err).NotTo(HaveOccurred())
		script := filepath.Join(root, "nushell", "provisioning")
		cmd = exec.CommandContext(ctx, nu, append([]string{"--no-config-file", "--no-std-lib", script}, args...)...)
	} else {
		binary, err := env.Build("./cmd/" + program)
		g.Expect(err).NotTo(HaveOccurred())
		cmd = exec.CommandContext(ctx, binary, args...)
	}
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TERM=dumb")
	out, err := cmd.Output()
	g.Expect(err).NotTo(HaveOccurred(), command)
	return withoutTypes(string(bytes.TrimSpace(out)))
}

// withoutTypes leaves out what Nushell says of every command: its kind, and tables of its types.
func withoutTypes(said string) string {
	var kept []string
	for part := range strings.SplitSeq(said, "\n\n") {
		if !strings.HasPrefix(part, "Command Type:") && !strings.HasPrefix(part, "Input/output types:") {
			kept = append(kept, strings.TrimRight(part, " \n"))
		}
	}
	lines := strings.Split(strings.Join(kept, "\n\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

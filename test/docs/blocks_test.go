// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/test/docs"
)

// transcript is the document whose calls and answers, blocks of console, a test of cmd/manager holds.
const transcript = "docs/api.md"

// command is a line that a reader would type.
var command = regexp.MustCompile(`(?m)^(\$ |(bin/|nushell/)?(kubectl|make|helm|manager|curl|docker|kind|eval|go) |[A-Z][A-Z0-9_]*=.* make )`)

// anyMark is a line that means to be a mark.
var anyMark = regexp.MustCompile(`(?m)^ *<!-- (not )?run\b`)

// runs are the words in the sources of tests that run what documents say.
var runs = regexp.MustCompile(`\b(?:types|[sS]essions)\((?:ctx, |os\.DirFS\(root\), )?"([a-z-]+)"`)

// runners are the words that tests run.
func runners(tree fs.FS) (map[string]bool, error) {
	words := map[string]bool{}
	for _, folder := range []string{"test/docs", "test/e2e"} {
		files, err := fs.Glob(tree, path.Join(folder, "*_test.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			source, err := fs.ReadFile(tree, file)
			if err != nil {
				return nil, err
			}
			for _, m := range runs.FindAllSubmatch(source, -1) {
				words[string(m[1])] = true
			}
		}
	}
	return words, nil
}

// untried says which commands nobody tries without the document saying so.
func untried(tree fs.FS) ([]string, error) {
	blocks, err := docs.Blocks(tree)
	if err != nil {
		return nil, err
	}
	words, err := runners(tree)
	if err != nil {
		return nil, err
	}
	var wrong []string
	say := func(b docs.Block, format string, args ...any) {
		wrong = append(wrong, fmt.Sprintf("%s:%d: ", b.Document, b.Line)+fmt.Sprintf(format, args...))
	}
	marks, unused := map[string]int{}, maps.Clone(words)
	for _, b := range blocks {
		switch {
		case !b.Shell() && b.Language == "" && command.MatchString(b.Text):
			say(b, "has commands; make it a block of sh")
		case b.Language == "console" && b.Document != transcript:
			say(b, "is of console; make the commands a block of sh, and what they print one without a language right after it")
		case b.Language != "console" && b.Shell() && len(b.Words) == 0 && b.NotRun == "":
			say(b, "is not tried; put <!-- run: WORD --> or <!-- not run: WHY --> on the line before (docs/e2e.md)")
		}
		if b.Shell() && (len(b.Words) > 0 || b.NotRun != "") {
			marks[b.Document]++
		}
		for _, word := range b.Words {
			delete(unused, word)
			if !words[word] {
				say(b, "is run by nobody: no test has the word %s", word)
			}
		}
	}
	for _, word := range slices.Sorted(maps.Keys(unused)) {
		wrong = append(wrong, fmt.Sprintf("no block has the word %s, which a test runs", word))
	}
	names, err := docs.Names(tree)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		if found := len(anyMark.FindAll(source, -1)); found != marks[name] {
			wrong = append(wrong, fmt.Sprintf("%s has %d marks, and %d blocks of sh right below one", name, found, marks[name]))
		}
	}
	return wrong, nil
}

// A block that nobody tries goes wrong in silence.
func TestCommandsAreTried(t *testing.T) {
	g := NewWithT(t)
	blocks, err := docs.Blocks(os.DirFS(root))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(blocks)).To(BeNumerically(">", 100))
	g.Expect(untried(os.DirFS(root))).To(BeEmpty())
}

func TestCommandsThatNobodyTriesAreFound(t *testing.T) {
	g := NewWithT(t)
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"README.md":              file("<!-- run -->\n```sh\ntrue\n```\n\n```\nshown\n```\n\n```sh\nforgotten\n```\n\n<!-- run: nobody -->\n```sh\na\n```\n\n<!-- not run: there is no such thing -->\n```sh\nb\n```\n"),
		"docs/a.md":              file("1. One\n\n   <!-- run: both samples -->\n   ```sh\n   c\n   ```\n\n<!-- run: both -->\n\ntext\n\n```sh\nd\n```\n\n<!-- not run: -->\n```sh\ne\n```\n"),
		"docs/b.md":              file("    kubectl get x\n\n```\n$ x\n```\n\n```yaml\nkubectl get x\n```\n\n```\nkubectl is\n```\n\n```console\n$ f\n```\n"),
		"docs/api.md":            file("```console\n$ g\n```\n"),
		"test/e2e/docs_test.go":  file("reader{}.types(\"samples\")\nr.types(\"unused\")\n"),
		"test/docs/some_test.go": file("docs.Sessions(os.DirFS(root), \"both\")\nx.Sessions(\"no\")"),
	}
	g.Expect(untried(tree)).To(ConsistOf(
		"README.md:11: is not tried; put <!-- run: WORD --> or <!-- not run: WHY --> on the line before (docs/e2e.md)",
		"README.md:16: is run by nobody: no test has the word nobody",
		"docs/a.md:13: is not tried; put <!-- run: WORD --> or <!-- not run: WHY --> on the line before (docs/e2e.md)",
		"docs/a.md:18: is not tried; put <!-- run: WORD --> or <!-- not run: WHY --> on the line before (docs/e2e.md)",
		"docs/a.md has 3 marks, and 1 blocks of sh right below one",
		"docs/b.md:1: has commands; make it a block of sh",
		"docs/b.md:4: has commands; make it a block of sh",
		"docs/b.md:12: has commands; make it a block of sh",
		"docs/b.md:16: is of console; make the commands a block of sh, and what they print one without a language right after it",
		"no block has the word no, which a test runs",
		"no block has the word unused, which a test runs",
	))
	sessions, err := docs.Sessions(tree, "samples", "true", "false")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sessions).To(Equal([]docs.Session{{Document: "README.md", Commands: "false\n", Shown: "shown\n"}, {Document: "docs/a.md", Commands: "c\n"}}))
	_, err = docs.Sessions(tree, "none")
	g.Expect(err).To(MatchError(ContainSubstring(`"none"`)))
}

func TestSessions(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	run := func(commands, shown string) (string, error) {
		return docs.Session{Document: "a.md", Commands: commands, Shown: shown}.Run(t.Context(), dir, "WHO=you")
	}
	_, err := run("x=1\necho a   $WHO 12s\n", "a you    3m4s\n")
	g.Expect(err).NotTo(HaveOccurred())
	_, err = run("echo a; false; echo b", "")
	g.Expect(err).To(MatchError(And(ContainSubstring("a.md: exit status 1"), HaveSuffix("\na\n"))))
	_, err = run("echo ab", "a\n")
	g.Expect(err).To(MatchError(ContainSubstring("a.md shows what was not printed: a")))

	_, err = run("(trap '>ended; exit' TERM; >begun; while :; do sleep 0.1; done) &\nuntil [ -e begun ]; do sleep 0.1; done", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() error { _, err := os.Stat(filepath.Join(dir, "ended")); return err }).Should(Succeed(), "it was left running")
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// runnable is a block of a document that its author marked to be run, as `<!-- run -->` on the line before, or with a word, as
// in `<!-- run: stuck -->`, for a spec that makes what it needs.
var runnable = regexp.MustCompile("(?ms)^ *<!-- run(?:: ([a-z-]+))? -->\n *```(?:sh|bash)\n(.*?)\n *```$")

// mark is the beginning of one.
var mark = regexp.MustCompile("(?m)^ *<!-- run")

// block is a marked one.
type block struct{ document, text string }

// blocks are the marked ones with this word, in the order of README.md and then docs by name.
func blocks(name string) []block {
	GinkgoHelper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	Expect(err).NotTo(HaveOccurred())
	var found []block
	for _, file := range append([]string{filepath.Join(root, "README.md")}, files...) {
		text, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		marks := len(mark.FindAllString(string(text), -1))
		matches := runnable.FindAllStringSubmatch(string(text), -1)
		Expect(matches).To(HaveLen(marks), "%s: a mark has no sh block below it", file)
		for _, m := range matches {
			if m[1] == name {
				found = append(found, block{document: filepath.Base(file), text: m[2]})
			}
		}
	}
	return found
}

// pathOf has the folders of these programs first.
func pathOf(programs ...string) string {
	folders := []string{}
	for _, program := range programs {
		folders = append(folders, filepath.Dir(program))
	}
	return strings.Join(append(folders, os.Getenv("PATH")), ":")
}

// run has a shell do what a block says, as a reader would, in the root of the source tree.
func (b block) run(environ ...string) {
	GinkgoHelper()
	By(b.document + ":\n" + b.text)
	cmd := exec.Command("sh", "-euc", b.text)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), "PATH="+pathOf(need("E2E_KUBECTL"))), environ...)
	out, err := cmd.CombinedOutput()
	GinkgoWriter.Println(string(out))
	Expect(err).NotTo(HaveOccurred(), "%s:\n%s\n%s", b.document, b.text, out)
}

func docsSpecs() {
	It("does what the documents say", Label("docs"), func(ctx SpecContext) {
		all := blocks("")
		Expect(len(all)).To(BeNumerically(">=", 4))
		DeferCleanup(func() {
			_, _ = try("-n", samples, "delete", "installation", "hello", "--ignore-not-found", "--timeout=2m")
			kubectl("-n", samples, "delete", "-k", "config/samples/installations", "--ignore-not-found", "--timeout=1m")
		})
		for _, b := range all {
			b.run()
		}
		room{samples}.ends(ctx, "hello", installed)
	})
}

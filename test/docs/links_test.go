// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"
)

// root is the source tree.
const root = "../.."

func TestLinksLeadSomewhere(t *testing.T) {
	g := NewWithT(t)
	tree := os.DirFS(root)
	all, err := documents(tree)
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"README.md", "CHANGELOG.md", "docs/README.md", "charts/extension-operator/README.md", "extensions/README.md"} {
		g.Expect(all).To(HaveKey(name))
	}
	g.Expect(broken(tree, all)).To(BeEmpty())
}

func TestPagesAreReached(t *testing.T) {
	g := NewWithT(t)
	all, err := documents(os.DirFS(root))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(unreached(all, "README.md", "docs/README.md")).To(BeEmpty(), "link these pages from docs/README.md")
}

// page is how comments in manifests, in values of the chart and in programs name one.
var page = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.md\b`)

func TestPagesThatManifestsNameAreThere(t *testing.T) {
	g := NewWithT(t)
	tree := os.DirFS(root)
	seen := 0
	for _, folder := range []string{"charts", "config", "cmd", "hack", "internal", "nushell"} {
		g.Expect(fs.WalkDir(tree, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(name) == ".md" || strings.HasSuffix(name, "_test.go") {
				return err
			}
			source, err := fs.ReadFile(tree, name)
			for _, named := range page.FindAllString(string(source), -1) {
				seen++
				_, missing := fs.Stat(tree, named)
				g.Expect(missing).NotTo(HaveOccurred(), "%s names %s", name, named)
			}
			return err
		})).To(Succeed())
	}
	g.Expect(seen).To(BeNumerically(">", 5))
}

func TestBrokenLinksAreFound(t *testing.T) {
	g := NewWithT(t)
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	tree := fstest.MapFS{
		"README.md": file("[good](docs/a.md#one-two--_x) [same](#top) [web](https://example.org/x#y) [folder](docs)\n\n# Top\n\n`docs/a.md` `a.md` `docs/<x>.md`\n" +
			"```\n[no link](nowhere.md)\n```\n[file](nowhere.md) [anchor](docs/a.md#nowhere) [root](/docs/a.md) [mail](mailto:a@example.org) [host](https:///x) `docs/gone.md`\n"),
		"docs/a.md":     file("# One, `two` & _x\n\n## Top\n\n## Top\n\n[second](#top-1) [third](#top-2)\n"),
		"docs/lost.md":  file("[a](a.md)\n"),
		".hidden/no.md": file("[x](x)\n"),
	}
	all, err := documents(tree)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(broken(tree, all)).To(ConsistOf(
		"README.md: the link nowhere.md is broken: nowhere.md is not there",
		"README.md: the link docs/a.md#nowhere is broken: docs/a.md has no heading #nowhere",
		"README.md: the link /docs/a.md is broken: /docs/a.md is neither relative nor of the web",
		"README.md: the link mailto:a@example.org is broken: mailto:a@example.org is neither relative nor of the web",
		"README.md: the link https:///x is broken: https:///x has no host",
		"README.md names docs/gone.md, which is not there",
		"docs/a.md: the link #top-2 is broken: docs/a.md has no heading #top-2",
	))
	g.Expect(unreached(all, "README.md")).To(ConsistOf("docs/lost.md"))
}

// SPDX-License-Identifier: Apache-2.0

// Package docs knows the commands in this source tree's documents, and how each of them is tried.
package docs

import (
	"cmp"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Markdown has tables, as the documents do.
var Markdown = goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser()

// Block is a block of code in a document. On the line before, a comment says how one of shell is tried: `<!-- run: WORDS -->` names
// who runs it, `<!-- run -->` is short for the word samples, and `<!-- not run: WHY -->` that nobody does.
type Block struct {
	// Document is its path in the tree, Line where its text begins.
	Document string
	Line     int
	Language string
	Text     string
	// Words name who runs it. NotRun is why nobody does.
	Words  []string
	NotRun string
	// Shown is what the page says that it prints: a block without a language that follows at once.
	Shown string
}

// mark is that comment.
var mark = regexp.MustCompile(`^<!-- (?:(run)(?:: ([a-z -]+))?|not run: (\S.*)) -->$`)

// samples is the word that is meant where none is given.
const samples = "samples"

// Shell tells whether it has commands that a reader types.
func (b Block) Shell() bool {
	return slices.Contains([]string{"sh", "bash", "shell", "console"}, b.Language)
}

// Blocks are those of all documents, in the order of their paths: README.md is before docs.
func Blocks(tree fs.FS) ([]Block, error) {
	names, err := Names(tree)
	if err != nil {
		return nil, err
	}
	var found []Block
	for _, name := range names {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		found = append(found, blocksOf(name, source)...)
	}
	return found, nil
}

// Names are the paths of the Markdown files of a tree, without what is built or hidden.
func Names(tree fs.FS) ([]string, error) {
	var found []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bin" || name == "dist" || name != "." && strings.HasPrefix(entry.Name(), ".")):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

// blocksOf are those of one document.
func blocksOf(document string, source []byte) []Block {
	var found []Block
	_ = ast.Walk(Markdown.Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering || n.Kind() != ast.KindFencedCodeBlock && n.Kind() != ast.KindCodeBlock {
			return ast.WalkContinue, nil
		}
		b := Block{Document: document, Line: 1, Text: linesOf(n, source)}
		if n.Lines().Len() > 0 {
			b.Line += strings.Count(string(source[:n.Lines().At(0).Start]), "\n")
		}
		if fenced, is := n.(*ast.FencedCodeBlock); is {
			b.Language = string(fenced.Language(source))
		}
		if comment, is := n.PreviousSibling().(*ast.HTMLBlock); is {
			b.Words, b.NotRun = marked(linesOf(comment, source))
		}
		if next, is := n.NextSibling().(*ast.FencedCodeBlock); is && len(next.Language(source)) == 0 {
			b.Shown = linesOf(next, source)
		}
		found = append(found, b)
		return ast.WalkContinue, nil
	}) // the walker fails with nothing
	return found
}

// marked reads a comment.
func marked(comment string) (words []string, why string) {
	m := mark.FindStringSubmatch(strings.TrimSpace(comment))
	switch {
	case m == nil:
		return nil, ""
	case m[1] == "":
		return nil, m[3]
	default:
		return strings.Fields(cmp.Or(m[2], samples)), ""
	}
}

// linesOf are the lines of a block.
func linesOf(n ast.Node, source []byte) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		b.Write(line.Value(source))
	}
	return b.String()
}

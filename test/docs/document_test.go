// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"provisioning.dev/extension-operator/test/docs"
)

// document is what of a Markdown file this room looks at.
type document struct {
	links []string
	// named are code spans that look like files of the tree.
	named   []string
	anchors map[string]bool
}

// inTree is a code span that names something of the tree, without placeholders and patterns.
var inTree = regexp.MustCompile(`^(api|charts|cmd|config|docs|extensions|hack|internal|nushell|test)/[A-Za-z0-9._/-]+$`)

func parse(source []byte) document {
	d := document{anchors: map[string]bool{}}
	_ = ast.Walk(docs.Markdown.Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			d.links = append(d.links, string(n.Destination))
		case *ast.Image:
			d.links = append(d.links, string(n.Destination))
		case *ast.AutoLink:
			d.links = append(d.links, string(n.URL(source)))
		case *ast.CodeSpan:
			if span := words(n, source); inTree.MatchString(span) {
				d.named = append(d.named, span)
			}
		case *ast.Heading:
			d.anchor(words(n, source))
		}
		return ast.WalkContinue, nil
	}) // the walker fails with nothing
	return d
}

// words are the texts below a node.
func words(n ast.Node, source []byte) string {
	var b strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if leaf, is := child.(*ast.Text); is {
			b.Write(leaf.Segment.Value(source))
			continue
		}
		b.WriteString(words(child, source))
	}
	return b.String()
}

// anchor is a heading's, as code hosts make them: one that is there already gets a number.
func (d *document) anchor(heading string) {
	slug := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		default:
			return -1
		}
	}, heading)
	free := slug
	for i := 1; d.anchors[free]; i++ {
		free = fmt.Sprintf("%s-%d", slug, i)
	}
	d.anchors[free] = true
}

// documents are the Markdown files of a tree by their paths.
func documents(tree fs.FS) (map[string]document, error) {
	names, err := docs.Names(tree)
	if err != nil {
		return nil, err
	}
	found := map[string]document{}
	for _, name := range names {
		source, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		found[name] = parse(source)
	}
	return found, nil
}

// target is the file in the tree that a link of a document leads to, and its anchor. A link to elsewhere has neither.
func target(document, link string) (file, anchor string, err error) {
	u, err := url.Parse(link)
	switch {
	case err != nil:
		return "", "", err
	case u.Scheme == "https" || u.Scheme == "http":
		if u.Host == "" {
			return "", "", fmt.Errorf("%s has no host", link)
		}
		return "", "", nil
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return "", "", fmt.Errorf("%s is neither relative nor of the web", link)
	case u.Path == "":
		return document, u.Fragment, nil
	default:
		return path.Join(path.Dir(document), u.Path), u.Fragment, nil
	}
}

// broken says what of the documents of a tree leads nowhere.
func broken(tree fs.FS, all map[string]document) []string {
	var wrong []string
	for name, d := range all {
		for _, link := range d.links {
			file, anchor, err := target(name, link)
			if err == nil {
				err = reach(tree, all, file, anchor)
			}
			if err != nil {
				wrong = append(wrong, fmt.Sprintf("%s: the link %s is broken: %s", name, link, err))
			}
		}
		for _, span := range d.named {
			if reach(tree, all, span, "") != nil && reach(tree, all, path.Join(path.Dir(name), span), "") != nil {
				wrong = append(wrong, fmt.Sprintf("%s names %s, which is not there", name, span))
			}
		}
	}
	return wrong
}

func reach(tree fs.FS, all map[string]document, file, anchor string) error {
	if file == "" {
		return nil
	}
	if _, err := fs.Stat(tree, file); err != nil {
		return fmt.Errorf("%s is not there", file)
	}
	if anchor != "" && !all[file].anchors[anchor] {
		return fmt.Errorf("%s has no heading #%s", file, anchor)
	}
	return nil
}

// unreached are the documents below docs that no chain of links from the entries leads to.
func unreached(all map[string]document, entries ...string) []string {
	seen := map[string]bool{}
	for waiting := entries; len(waiting) > 0; waiting = waiting[1:] {
		name := waiting[0]
		if seen[name] {
			continue
		}
		seen[name] = true
		for _, link := range all[name].links {
			if file, _, err := target(name, link); err == nil && path.Ext(file) == ".md" {
				waiting = append(waiting, file)
			}
		}
	}
	var lost []string
	for name := range all {
		if strings.HasPrefix(name, "docs/") && !seen[name] {
			lost = append(lost, name)
		}
	}
	return lost
}

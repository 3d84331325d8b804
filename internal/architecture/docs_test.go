// SPDX-License-Identifier: Apache-2.0

package architecture

import (
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// slanted is how docs/troubleshooting.md quotes the operator, and nothing else.
var slanted = regexp.MustCompile(`\*([^*\n]+)\*`)

// variable is what a format fills in.
var variable = regexp.MustCompile(`%[a-z]`)

// Whoever changes a message finds the page that tells people what to do about it.
func TestMessagesThatTheDocsQuoteAreSaid(t *testing.T) {
	g := NewWithT(t)
	said := saidInCode(g)
	page, err := os.ReadFile("../../docs/troubleshooting.md")
	g.Expect(err).NotTo(HaveOccurred())
	quotes := slanted.FindAllStringSubmatch(string(page), -1)
	g.Expect(len(quotes)).To(BeNumerically(">", 30))
	for _, quote := range quotes {
		for part := range strings.SplitSeq(quote[1], "…") {
			g.Expect(strings.Contains(said, strings.TrimSpace(part))).To(BeTrue(),
				"docs/troubleshooting.md quotes %q, of which no code says %q", quote[1], part)
		}
	}
}

// saidInCode are all the texts of the module's code, tests left out: those that are put
// together by + as one.
func saidInCode(g Gomega) string {
	var texts strings.Builder
	for _, files := range readModule(g) {
		for _, f := range files {
			ast.Inspect(f.tree, func(n ast.Node) bool {
				expression, is := n.(ast.Expr)
				if !is {
					return true
				}
				text, constant := textOf(expression)
				if constant {
					texts.WriteString(variable.ReplaceAllString(text, "…") + "\n")
				}
				return !constant
			})
		}
	}
	return texts.String()
}

// textOf is the value of a constant text.
func textOf(expression ast.Expr) (text string, constant bool) {
	switch e := expression.(type) {
	case *ast.BasicLit:
		value, err := strconv.Unquote(e.Value)
		return value, e.Kind == token.STRING && err == nil
	case *ast.BinaryExpr:
		left, isLeft := textOf(e.X)
		right, isRight := textOf(e.Y)
		return left + right, e.Op == token.ADD && isLeft && isRight
	default:
		return "", false
	}
}

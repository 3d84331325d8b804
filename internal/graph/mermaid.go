// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// mermaid writes d as a flowchart; what has a state is dashed. Viewers refuse
// more than 500 edges or 50,000 characters unless told otherwise.
func (d Drawing) mermaid(text *bytes.Buffer) {
	text.WriteString("flowchart LR\n  classDef stated stroke-dasharray: 4\n")
	for _, n := range d.Nodes {
		class := ""
		if n.State != "" {
			class = ":::stated"
		}
		fmt.Fprintf(text, "  %s[%s]%s\n", mermaidID(n.ID), mermaidQuote(label(n.ID, n.State)), class)
	}
	for _, e := range d.Edges {
		arrow := "-->"
		if e.State != "" {
			arrow = "-.->"
		}
		if said := label(e.Constraint, e.State); said != "" {
			arrow += "|" + mermaidQuote(said) + "|"
		}
		fmt.Fprintf(text, "  %s %s %s\n", mermaidID(e.From), arrow, mermaidID(e.To))
	}
}

// mermaidID makes an identifier that no other ID has: letters and digits stay,
// another byte becomes its number. The prefix keeps it from being a word of
// Mermaid's such as end, and arrows from taking its first letter.
func mermaidID(id string) string {
	var safe strings.Builder
	safe.WriteString("n_")
	for _, b := range []byte(id) {
		if b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' {
			safe.WriteByte(b)
		} else {
			fmt.Fprintf(&safe, "_%02x", b)
		}
	}
	return safe.String()
}

// mermaidPlain is the punctuation that stays. So does the colon, though only in a
// text without entities: after the word style and a colon Mermaid spoils them.
const mermaidPlain = " .,-=^"

// mermaidNames are the entities that have a name; another has its number.
var mermaidNames = map[rune]string{'"': "quot", '&': "amp", '<': "lt", '>': "gt"}

// mermaidQuote writes all but the plainest text as entities, because Mermaid looks
// for Markdown, links, formulas and directives even between quotes.
func mermaidQuote(text string) string {
	if text == "" {
		return `" "` // Mermaid refuses empty quotes
	}
	plain := mermaidPlain + ":"
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !isPlain(r, plain) }) {
		plain = mermaidPlain
	}
	var quoted strings.Builder
	for _, r := range text {
		switch name, named := mermaidNames[r]; {
		case r == '\n':
			quoted.WriteString("<br/>")
		case isPlain(r, plain):
			quoted.WriteRune(r)
		case named:
			quoted.WriteString("#" + name + ";")
		default:
			fmt.Fprintf(&quoted, "#%d;", r)
		}
	}
	return `"` + quoted.String() + `"`
}

func isPlain(r rune, punctuation string) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(punctuation, r)
}

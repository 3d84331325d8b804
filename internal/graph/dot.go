// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"fmt"
	"strings"
)

// dotEscapes are for text between quotes. Graphviz reads HTML's entities there,
// and keeps names that begin with a % to itself.
var dotEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "&", "&amp;", "%", "&#37;")

// dot writes d for Graphviz; what has a state is dashed.
func (d Drawing) dot(text *bytes.Buffer) {
	text.WriteString("digraph extensions {\n  rankdir=LR;\n  node [shape=box];\n")
	for _, n := range d.Nodes {
		attributes := "" // Graphviz shows the ID
		if n.State != "" {
			attributes = dotAttributes(label(n.ID, n.State), n.State)
		}
		fmt.Fprintf(text, "  %s%s;\n", dotQuote(n.ID), attributes)
	}
	for _, e := range d.Edges {
		attributes := dotAttributes(label(e.Constraint, e.State), e.State)
		fmt.Fprintf(text, "  %s -> %s%s;\n", dotQuote(e.From), dotQuote(e.To), attributes)
	}
	text.WriteString("}\n")
}

func dotAttributes(label, state string) string {
	switch {
	case label == "":
		return ""
	case state == "":
		return " [label=" + dotQuote(label) + "]"
	default:
		return " [label=" + dotQuote(label) + ", style=dashed]"
	}
}

func dotQuote(s string) string { return `"` + dotEscapes.Replace(s) + `"` }

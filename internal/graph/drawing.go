// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// Drawing is a graph to be shown: nodes and edges with what is said of them. It
// may have cycles.
type Drawing struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Node is a node of a Drawing.
type Node struct {
	// ID is what people see, such as taskserv:etcd:3.5.9.
	ID string `json:"id"`
	// State, where there is something to say of the node, is said below its ID.
	State string `json:"state,omitempty"`
}

// Edge is an edge of a Drawing: From depends on To.
type Edge struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Constraint is the range of versions that From asks for.
	Constraint string `json:"constraint,omitempty"`
	// State, where there is something to say of the edge, is said below it.
	State string `json:"state,omitempty"`
}

// Format is a language in which a Drawing is written.
type Format string

// The formats. JSON is for programs, DOT for Graphviz, Mermaid for Markdown.
const (
	JSON    Format = "json"
	DOT     Format = "dot"
	Mermaid Format = "mermaid"
)

// Formats lists every Format.
func Formats() []Format { return []Format{JSON, DOT, Mermaid} }

// Render writes d in a format. It is sorted, so equal drawings give equal texts,
// and in DOT and Mermaid each node and each edge is a line that depends on
// nothing else: a diff of two texts is a diff of what they show. A node that only
// an edge names is drawn too, and what is given twice once: a node with several
// states in the last of them. Where text has a control character or is not UTF-8
// it shows U+FFFD. The error is that of w, or names the formats there are.
func (d Drawing) Render(w io.Writer, f Format) error {
	var text bytes.Buffer
	switch d = d.tidy(); f {
	case JSON:
		if err := d.json(&text); err != nil {
			return fmt.Errorf("write the graph as %s: %w", f, err)
		}
	case DOT:
		d.dot(&text)
	case Mermaid:
		d.mermaid(&text)
	default:
		return fmt.Errorf("a graph cannot be written as %q; choose one of %s", f, formatNames())
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write the graph as %s: %w", f, err)
	}
	return nil
}

func formatNames() string {
	names := make([]string, 0, len(Formats()))
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (d Drawing) json(text *bytes.Buffer) error {
	encoder := json.NewEncoder(text)
	encoder.SetEscapeHTML(false) // a constraint such as >=1.27 is read by people too
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

// tidy returns d as Render promises it: clean, complete, sorted, everything once.
// Neither list is nil.
func (d Drawing) tidy() Drawing {
	nodes := make([]Node, 0, len(d.Nodes)+2*len(d.Edges))
	for _, n := range d.Nodes {
		nodes = append(nodes, Node{ID: clean(n.ID), State: clean(n.State)})
	}
	edges := make([]Edge, 0, len(d.Edges))
	for _, e := range d.Edges {
		e = Edge{From: clean(e.From), To: clean(e.To), Constraint: clean(e.Constraint), State: clean(e.State)}
		edges = append(edges, e)
		nodes = append(nodes, Node{ID: e.From}, Node{ID: e.To})
	}
	slices.SortFunc(nodes, compareNodes)
	slices.SortFunc(edges, compareEdges)
	return Drawing{
		Nodes: slices.CompactFunc(nodes, func(a, b Node) bool { return a.ID == b.ID }),
		Edges: slices.Compact(edges),
	}
}

// compareNodes puts first, of nodes with one ID, the state that is drawn.
func compareNodes(a, b Node) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(b.State, a.State))
}

func compareEdges(a, b Edge) int {
	return cmp.Or(
		cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To),
		cmp.Compare(a.Constraint, b.Constraint), cmp.Compare(a.State, b.State),
	)
}

// clean makes text that every format can hold, so that all show the same graph.
// It comes before everything is told apart: a difference that nobody can see is
// none.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return unicode.ReplacementChar
		}
		return r // that character too where a byte is not UTF-8
	}, s)
}

// label is what is written of a node or an edge: a line for each text there is.
func label(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "\n")
}

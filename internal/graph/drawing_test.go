// SPDX-License-Identifier: Apache-2.0

package graph_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"gonum.org/v1/gonum/graph/formats/dot"
	"gonum.org/v1/gonum/graph/formats/dot/ast"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/graph"
)

// small is out of order, names a node only by its edges, and says things twice.
var small = graph.Drawing{
	Nodes: []graph.Node{
		{ID: "taskserv:kubernetes:1.28.0", State: "NotReady"},
		{ID: "taskserv:etcd:3.5.9"},
		{ID: "taskserv:kubernetes:1.28.0"},
		{ID: "cluster:buildkit:0.12.0"},
	},
	Edges: []graph.Edge{
		{From: "taskserv:kubernetes:1.28.0", To: "taskserv:etcd:3.5.9", Constraint: "^3.5"},
		{From: "taskserv:kubernetes:1.28.0", To: "taskserv:containerd", State: "Missing"},
		{From: "cluster:buildkit:0.12.0", To: "taskserv:kubernetes:1.28.0", Constraint: ">=1.27 <1.30", State: "Cycle"},
		{From: "taskserv:etcd:3.5.9", To: "cluster:buildkit:0.12.0"},
		{From: "taskserv:kubernetes:1.28.0", To: "taskserv:etcd:3.5.9", Constraint: "^3.5"},
	},
}

const smallJSON = `{
  "nodes": [
    {
      "id": "cluster:buildkit:0.12.0"
    },
    {
      "id": "taskserv:containerd"
    },
    {
      "id": "taskserv:etcd:3.5.9"
    },
    {
      "id": "taskserv:kubernetes:1.28.0",
      "state": "NotReady"
    }
  ],
  "edges": [
    {
      "from": "cluster:buildkit:0.12.0",
      "to": "taskserv:kubernetes:1.28.0",
      "constraint": ">=1.27 <1.30",
      "state": "Cycle"
    },
    {
      "from": "taskserv:etcd:3.5.9",
      "to": "cluster:buildkit:0.12.0"
    },
    {
      "from": "taskserv:kubernetes:1.28.0",
      "to": "taskserv:containerd",
      "state": "Missing"
    },
    {
      "from": "taskserv:kubernetes:1.28.0",
      "to": "taskserv:etcd:3.5.9",
      "constraint": "^3.5"
    }
  ]
}
`

const smallDOT = `digraph extensions {
  rankdir=LR;
  node [shape=box];
  "cluster:buildkit:0.12.0";
  "taskserv:containerd";
  "taskserv:etcd:3.5.9";
  "taskserv:kubernetes:1.28.0" [label="taskserv:kubernetes:1.28.0\nNotReady", style=dashed];
  "cluster:buildkit:0.12.0" -> "taskserv:kubernetes:1.28.0" [label=">=1.27 <1.30\nCycle", style=dashed];
  "taskserv:etcd:3.5.9" -> "cluster:buildkit:0.12.0";
  "taskserv:kubernetes:1.28.0" -> "taskserv:containerd" [label="Missing", style=dashed];
  "taskserv:kubernetes:1.28.0" -> "taskserv:etcd:3.5.9" [label="^3.5"];
}
`

const smallMermaid = `flowchart LR
  classDef stated stroke-dasharray: 4
  n_cluster_3abuildkit_3a0_2e12_2e0["cluster:buildkit:0.12.0"]
  n_taskserv_3acontainerd["taskserv:containerd"]
  n_taskserv_3aetcd_3a3_2e5_2e9["taskserv:etcd:3.5.9"]
  n_taskserv_3akubernetes_3a1_2e28_2e0["taskserv:kubernetes:1.28.0<br/>NotReady"]:::stated
  n_cluster_3abuildkit_3a0_2e12_2e0 -.->|"#gt;=1.27 #lt;1.30<br/>Cycle"| n_taskserv_3akubernetes_3a1_2e28_2e0
  n_taskserv_3aetcd_3a3_2e5_2e9 --> n_cluster_3abuildkit_3a0_2e12_2e0
  n_taskserv_3akubernetes_3a1_2e28_2e0 -.->|"Missing"| n_taskserv_3acontainerd
  n_taskserv_3akubernetes_3a1_2e28_2e0 -->|"^3.5"| n_taskserv_3aetcd_3a3_2e5_2e9
`

func render(g Gomega, d graph.Drawing, f graph.Format) string {
	var text strings.Builder
	g.Expect(d.Render(&text, f)).To(Succeed())
	return text.String()
}

func TestRender(t *testing.T) {
	for f, want := range map[graph.Format]string{graph.JSON: smallJSON, graph.DOT: smallDOT, graph.Mermaid: smallMermaid} {
		t.Run(string(f), func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(graph.Formats()).To(ContainElement(f))
			g.Expect(render(g, small, f)).To(Equal(want))
		})
	}
}

func TestRenderNothing(t *testing.T) {
	g := NewWithT(t)
	for f, want := range map[graph.Format]string{
		graph.JSON:    "{\n  \"nodes\": [],\n  \"edges\": []\n}\n",
		graph.DOT:     "digraph extensions {\n  rankdir=LR;\n  node [shape=box];\n}\n",
		graph.Mermaid: "flowchart LR\n  classDef stated stroke-dasharray: 4\n",
	} {
		g.Expect(render(g, graph.Drawing{}, f)).To(Equal(want))
	}
}

func TestRenderLeavesTheDrawingAlone(t *testing.T) {
	g := NewWithT(t)
	before := graph.Drawing{Nodes: slices.Clone(small.Nodes), Edges: slices.Clone(small.Edges)}
	for _, f := range graph.Formats() {
		render(g, small, f)
	}
	g.Expect(small).To(Equal(before))
}

func TestRenderRefusesAnUnknownFormat(t *testing.T) {
	g := NewWithT(t)
	for _, f := range []graph.Format{"", "svg", "JSON"} {
		var text bytes.Buffer
		g.Expect(small.Render(&text, f)).To(MatchError(`a graph cannot be written as "` + string(f) + `"; choose one of json, dot, mermaid`))
		g.Expect(text.Bytes()).To(BeEmpty())
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestRenderToAFailingWriter(t *testing.T) {
	g := NewWithT(t)
	for _, f := range graph.Formats() {
		err := small.Render(full{}, f)
		g.Expect(err).To(MatchError(errFull))
		g.Expect(err).To(MatchError("write the graph as " + string(f) + ": no space left"))
	}
}

// hostile IDs and labels, with the lines that show them.
var hostile = map[string]struct{ dot, mermaid string }{
	"":                 {`""`, `n_[" "]`},
	"end":              {`"end"`, `n_end["end"]`},
	"x_5f":             {`"x_5f"`, `n_x_5f5f["x#95;5f"]`},
	"x_":               {`"x_"`, `n_x_5f["x#95;"]`},
	`say "hi"`:         {`"say \"hi\""`, `n_say_20_22hi_22["say #quot;hi#quot;"]`},
	`C:\N\`:            {`"C:\\N\\"`, `n_C_3a_5cN_5c["C#58;#92;N#92;"]`},
	"a\nb":             {`"a\nb"`, `n_a_0ab["a<br/>b"]`},
	`a\nb`:             {`"a\\nb"`, `n_a_5cnb["a#92;nb"]`},
	"a]|[b":            {`"a]|[b"`, `n_a_5d_7c_5bb["a#93;#124;#91;b"]`},
	"a-->b;":           {`"a-->b;"`, `n_a_2d_2d_3eb_3b["a--#gt;b#59;"]`},
	"<b>&amp;#35;":     {`"<b>&amp;amp;#35;"`, `n__3cb_3e_26amp_3b_2335_3b["#lt;b#gt;#amp;amp#59;#35;35#59;"]`},
	"style:#1":         {`"style:#1"`, `n_style_3a_231["style#58;#35;1"]`},
	"%%{init: {}}%%":   {`"&#37;&#37;{init: {}}&#37;&#37;"`, `n__25_25_7binit_3a_20_7b_7d_7d_25_25["#37;#37;#123;init#58; #123;#125;#125;#37;#37;"]`},
	"~1||~2 *":         {`"~1||~2 *"`, `n__7e1_7c_7c_7e2_20_2a["#126;1#124;#124;#126;2 #42;"]`},
	"größe:☃":          {`"größe:☃"`, `n_gr_c3_b6_c3_9fe_3a_e2_98_83["größe#58;#9731;"]`},
	"größe:1":          {`"größe:1"`, `n_gr_c3_b6_c3_9fe_3a1["größe:1"]`},
	"bell\a, \xff, \r": {`"bell�, �, �"`, `n_bell_ef_bf_bd_2c_20_ef_bf_bd_2c_20_ef_bf_bd["bell#65533;, #65533;, #65533;"]`},
}

func TestRenderHostileIDs(t *testing.T) {
	g := NewWithT(t)
	for id, want := range hostile {
		d := graph.Drawing{Nodes: []graph.Node{{ID: id}}}
		g.Expect(render(g, d, graph.DOT)).To(ContainSubstring("\n  "+want.dot+";\n"), "%q", id)
		g.Expect(render(g, d, graph.Mermaid)).To(HaveSuffix("\n  "+want.mermaid+"\n"), "%q", id)
	}
}

func TestRenderHostileLabels(t *testing.T) {
	g := NewWithT(t)
	for text, want := range hostile {
		if text == "" {
			continue // says nothing
		}
		d := graph.Drawing{Edges: []graph.Edge{{From: "a", To: "b", Constraint: text}}}
		quoted := want.mermaid[strings.Index(want.mermaid, `"`) : len(want.mermaid)-1]
		g.Expect(render(g, d, graph.DOT)).To(ContainSubstring("\n  \"a\" -> \"b\" [label="+want.dot+"];\n"), "%q", text)
		g.Expect(render(g, d, graph.Mermaid)).To(HaveSuffix("\n  n_a -->|"+quoted+"| n_b\n"), "%q", text)
	}
}

func drawings() *rapid.Generator[graph.Drawing] {
	text := rapid.OneOf(
		rapid.SampledFrom([]string{"", "a", "a:b", "a\nb", `a\nb`, `"`, `\`, "a_3ab", "&amp;", "%", "\xff", "\x00", ">=1.27 <1.30", "Missing"}),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) graph.Drawing {
		node := rapid.Custom(func(t *rapid.T) graph.Node { return graph.Node{ID: text.Draw(t, "id"), State: text.Draw(t, "state")} })
		edge := rapid.Custom(func(t *rapid.T) graph.Edge {
			return graph.Edge{
				From: text.Draw(t, "from"), To: text.Draw(t, "to"), Constraint: text.Draw(t, "constraint"), State: text.Draw(t, "state"),
			}
		})
		return graph.Drawing{Nodes: rapid.SliceOfN(node, 0, 5).Draw(t, "nodes"), Edges: rapid.SliceOfN(edge, 0, 5).Draw(t, "edges")}
	})
}

// shown is what a drawing shows, as its JSON has it.
func shown(g Gomega, d graph.Drawing) graph.Drawing {
	var read graph.Drawing
	g.Expect(json.Unmarshal([]byte(render(g, d, graph.JSON)), &read)).To(Succeed())
	return read
}

func TestRenderingsAreStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := drawings().Draw(t, "drawing")
		again := graph.Drawing{
			Nodes: rapid.Permutation(append(d.Nodes, d.Nodes...)).Draw(t, "nodes"),
			Edges: rapid.Permutation(append(d.Edges, d.Edges...)).Draw(t, "edges"),
		}
		for _, f := range graph.Formats() {
			text := render(g, d, f)
			g.Expect(utf8.ValidString(text)).To(BeTrue())
			g.Expect(render(g, again, f)).To(Equal(text))
			g.Expect(render(g, shown(g, d), f)).To(Equal(text), "a drawing read again is the same")
		}
	})
}

// linesOf are the lines for nodes and edges of a rendering.
func linesOf(text string, f graph.Format) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if f == graph.DOT {
		return lines[3 : len(lines)-1]
	}
	return lines[2:]
}

func TestEachNodeAndEdgeIsALine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := drawings().Draw(t, "drawing")
		clean := shown(g, d)
		for _, f := range []graph.Format{graph.DOT, graph.Mermaid} {
			g.Expect(linesOf(render(g, d, f), f)).To(HaveLen(len(clean.Nodes) + len(clean.Edges)))
		}
	})
}

func TestMoreInADrawingIsOnlyMoreLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d, more := drawings().Draw(t, "drawing"), drawings().Draw(t, "more")
		ids := map[string]bool{}
		for _, n := range shown(g, d).Nodes {
			ids[n.ID] = true
		}
		// A node that is there already could get another state.
		more = shown(g, more)
		more.Nodes = slices.DeleteFunc(more.Nodes, func(n graph.Node) bool { return ids[n.ID] })
		grown := graph.Drawing{Nodes: append(more.Nodes, d.Nodes...), Edges: append(more.Edges, d.Edges...)}

		for _, f := range []graph.Format{graph.DOT, graph.Mermaid} {
			rest := strings.Split(render(g, grown, f), "\n")
			for line := range strings.SplitSeq(render(g, d, f), "\n") {
				at := slices.Index(rest, line)
				g.Expect(at).To(BeNumerically(">=", 0), "%q is still there, in its order", line)
				rest = rest[at+1:]
			}
		}
	})
}

func TestMermaidTellsNodesApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := graph.Drawing{}
		for _, id := range rapid.SliceOf(rapid.StringMatching(`[ab_:3é]{0,4}`)).Draw(t, "ids") {
			d.Nodes = append(d.Nodes, graph.Node{ID: id})
		}
		ids := map[string]bool{}
		for _, line := range linesOf(render(g, d, graph.Mermaid), graph.Mermaid) {
			id, _, _ := strings.Cut(line, "[")
			g.Expect(id).To(MatchRegexp(`^  n_[0-9A-Za-z_]*$`))
			ids[id] = true
		}
		g.Expect(ids).To(HaveLen(len(shown(g, d).Nodes)))
	})
}

// unquote reads an ID of DOT as Graphviz shows it.
func unquote(s string) string {
	s = strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`)
	return html.UnescapeString(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(s))
}

func TestDOTIsReadByAParser(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		d := shown(g, drawings().Draw(t, "drawing"))
		// Graphviz takes U+FFFD, gonum's parser does not.
		parsable := func(s string) string { return strings.ReplaceAll(s, "\uFFFD", "?") }
		file, err := dot.ParseString(parsable(render(g, d, graph.DOT)))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(file.Graphs).To(HaveLen(1))
		var nodes []string
		var edges [][2]string
		for _, stmt := range file.Graphs[0].Stmts {
			switch stmt := stmt.(type) {
			case *ast.NodeStmt:
				nodes = append(nodes, unquote(stmt.Node.ID))
			case *ast.EdgeStmt:
				edges = append(edges, [2]string{unquote(stmt.From.(*ast.Node).ID), unquote(stmt.To.Vertex.(*ast.Node).ID)})
			}
		}
		g.Expect(nodes).To(HaveLen(len(d.Nodes)))
		for i, n := range d.Nodes {
			g.Expect(nodes[i]).To(Equal(parsable(n.ID)))
		}
		g.Expect(edges).To(HaveLen(len(d.Edges)))
		for i, e := range d.Edges {
			g.Expect(edges[i]).To(Equal([2]string{parsable(e.From), parsable(e.To)}))
		}
	})
}

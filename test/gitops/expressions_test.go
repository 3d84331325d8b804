// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/cel-go/cel"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// expressions of one kind, as Flux's healthCheckExprs have them.
type expressions struct{ InProgress, Failed, Current string }

// documented is the spec that docs/gitops.md has healthCheckExprs of.
func documented(g Gomega) map[string]any {
	text, err := os.ReadFile("../../docs/gitops.md")
	g.Expect(err).NotTo(HaveOccurred())
	_, rest, found := strings.Cut(string(text), "```yaml\n  healthCheckExprs:")
	g.Expect(found).To(BeTrue())
	block, _, _ := strings.Cut(rest, "```")
	spec := map[string]any{}
	g.Expect(yaml.UnmarshalStrict([]byte("  healthCheckExprs:"+block), &spec)).To(Succeed())
	return spec
}

// evaluate says of an object what an expression says, as Flux does: its fields are the variables.
func evaluate(g Gomega, expression string, object map[string]any) bool {
	env, err := cel.NewEnv(cel.Variable("metadata", cel.DynType), cel.Variable("status", cel.DynType))
	g.Expect(err).NotTo(HaveOccurred())
	ast, issues := env.Compile(expression)
	g.Expect(issues.Err()).NotTo(HaveOccurred())
	program, err := env.Program(ast)
	g.Expect(err).NotTo(HaveOccurred())
	result, _, err := program.Eval(object)
	g.Expect(err).NotTo(HaveOccurred(), expression)
	verdict, is := result.Value().(bool)
	g.Expect(is).To(BeTrue(), expression)
	return verdict
}

func TestTheDocumentedExpressionsTakeAnApprovalForDone(t *testing.T) {
	condition := func(name, is, reason string) any { return map[string]any{"type": name, "status": is, "reason": reason} }
	for name, c := range map[string]struct {
		observed   int64
		conditions []any
		want       string
	}{
		"never seen":      {-1, nil, "inProgress"},
		"an older spec":   {1, []any{condition("Ready", "True", "Installed")}, "inProgress"},
		"installed":       {2, []any{condition("Ready", "True", "Installed"), condition("Installed", "True", "Installed")}, "current"},
		"waits for it":    {2, []any{condition("Installed", "False", "NotInstalled"), condition("Ready", "False", "AwaitingApproval")}, "current"},
		"under way":       {2, []any{condition("Ready", "False", "Installing"), condition("Reconciling", "True", "Installing")}, "inProgress"},
		"waits for other": {2, []any{condition("Ready", "False", "Queued")}, "inProgress"},
		"failed":          {2, []any{condition("Ready", "False", "InstallFailed"), condition("Stalled", "True", "InstallFailed")}, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			text, err := json.Marshal(documented(g)["healthCheckExprs"])
			g.Expect(err).NotTo(HaveOccurred())
			var checks []expressions
			g.Expect(json.Unmarshal(text, &checks)).To(Succeed())
			g.Expect(checks).To(HaveLen(1))
			status := map[string]any{"observedGeneration": c.observed}
			if c.conditions != nil {
				status["conditions"] = c.conditions
			}
			object := map[string]any{"metadata": map[string]any{"generation": int64(2)}, "status": status}
			got := "inProgress" // where none is true
			switch {
			case evaluate(g, checks[0].InProgress, object):
			case evaluate(g, checks[0].Failed, object):
				got = "failed"
			case evaluate(g, checks[0].Current, object):
				got = "current"
			}
			g.Expect(got).To(Equal(c.want))
		})
	}
}

func TestTheDocumentedExpressionsAreWhatFluxTakes(t *testing.T) {
	g := NewWithT(t)
	k := read(g, "flux/installation.yaml")
	for name, value := range documented(g) {
		g.Expect(unstructured.SetNestedField(k.Object, value, "spec", name)).To(Succeed())
	}
	g.Expect(try(t, k)).To(Succeed())
}

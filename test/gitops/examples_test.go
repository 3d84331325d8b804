// SPDX-License-Identifier: Apache-2.0

// Package gitops has tests of what is shipped for Argo CD and Flux besides health checks.
package gitops

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/google/cel-go/cel"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/internal/config"
)

// build is what kustomize makes of a folder of config/samples/gitops.
func build(g Gomega, folder string) []*unstructured.Unstructured {
	cmd := exec.Command("go", "tool", "-modfile=hack/tools/kustomize.mod", "kustomize", "build", filepath.Join("config", "samples", "gitops", folder))
	cmd.Dir = filepath.Join("..", "..")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	g.Expect(err).NotTo(HaveOccurred(), problems.String())
	var objects []*unstructured.Unstructured
	documents := k8syaml.NewYAMLOrJSONDecoder(bytes.NewReader(out), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := documents.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		g.Expect(err).NotTo(HaveOccurred())
		objects = append(objects, object)
	}
}

// The types are those that Flux makes its CRD of.
func TestTheExampleForFluxIsWhatFluxReads(t *testing.T) {
	g := NewWithT(t)
	read := map[string]kustomizev1.Kustomization{}
	for _, object := range build(g, "flux") {
		g.Expect(object.GroupVersionKind()).To(Equal(kustomizev1.GroupVersion.WithKind("Kustomization")))
		text, err := yaml.Marshal(object)
		g.Expect(err).NotTo(HaveOccurred())
		var k kustomizev1.Kustomization
		g.Expect(yaml.UnmarshalStrict(text, &k)).To(Succeed(), object.GetName())
		read[k.Name] = k
	}
	g.Expect(read).To(HaveLen(4))
	for name, k := range read {
		g.Expect(k.Spec.Wait || len(k.Spec.HealthChecks) > 0).To(BeTrue(), "%s waits for nothing", name)
		g.Expect(k.Spec.Timeout).NotTo(BeNil(), name)
		for _, d := range k.Spec.DependsOn {
			g.Expect(read).To(HaveKey(d.Name), "%s depends on it", name)
		}
		for _, check := range k.Spec.HealthChecks {
			g.Expect(check.APIVersion+" "+check.Kind).To(Equal("extensions.provisioning.dev/v1alpha1 Installation"), name)
		}
	}
	g.Expect(read["extensions"].Spec.Timeout.Duration).To(BeNumerically(">", config.Default().NotFoundGrace+config.Default().LibraryInterval+time.Minute),
		"what is missing for good is told before Flux gives up")
	g.Expect(read["hello"].Spec.DeletionPolicy).To(Equal(kustomizev1.DeletionPolicyWaitForTermination))
}

// application has the fields of Argo CD's Application that the example uses, by their names
// in its CRD. Argo CD's own types would bring all of Argo CD with them.
type application struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name       string   `json:"name"`
		Namespace  string   `json:"namespace"`
		Finalizers []string `json:"finalizers"`
	} `json:"metadata"`
	Spec struct {
		Project string `json:"project"`
		Source  struct {
			RepoURL        string `json:"repoURL"`
			TargetRevision string `json:"targetRevision"`
			Path           string `json:"path"`
		} `json:"source"`
		Destination struct {
			Server    string `json:"server"`
			Namespace string `json:"namespace"`
		} `json:"destination"`
		SyncPolicy struct {
			Automated struct {
				Prune    bool `json:"prune"`
				SelfHeal bool `json:"selfHeal"`
			} `json:"automated"`
			SyncOptions []string `json:"syncOptions"`
			Retry       struct {
				Limit   int64 `json:"limit"`
				Backoff struct {
					Duration    string `json:"duration"`
					Factor      int64  `json:"factor"`
					MaxDuration string `json:"maxDuration"`
				} `json:"backoff"`
			} `json:"retry"`
		} `json:"syncPolicy"`
	} `json:"spec"`
}

func TestTheExampleForArgoCDHasFieldsThatArgoCDKnows(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile("../../config/samples/gitops/argocd/application.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var app application
	g.Expect(yaml.UnmarshalStrict(text, &app)).To(Succeed())
	g.Expect(app.APIVersion + " " + app.Kind).To(Equal("argoproj.io/v1alpha1 Application"))
	g.Expect(app.Metadata.Finalizers).To(ConsistOf("resources-finalizer.argocd.argoproj.io"))
	folder, is := strings.CutPrefix(app.Spec.Source.Path, "config/samples/gitops/")
	g.Expect(is).To(BeTrue())
	g.Expect(build(g, folder)).NotTo(BeEmpty())
}

// An account outlives the Installation, whose hooks take away what they made.
func TestWavesComeInTheOrderThatDeletionNeeds(t *testing.T) {
	g := NewWithT(t)
	want := map[string]int{"ServiceAccount": -1, "Role": -1, "RoleBinding": -1, "Extension": 0, "Installation": 1}
	got := map[string]int{}
	for _, object := range build(g, "app") {
		wave := 0
		if text, has := object.GetAnnotations()["argocd.argoproj.io/sync-wave"]; has {
			var err error
			wave, err = strconv.Atoi(text)
			g.Expect(err).NotTo(HaveOccurred())
		}
		got[object.GetKind()] = wave
	}
	g.Expect(got).To(Equal(want))
}

// documented are the healthCheckExprs of docs/gitops.md.
func documented(g Gomega) []kustomize.CustomHealthCheck {
	text, err := os.ReadFile("../../docs/gitops.md")
	g.Expect(err).NotTo(HaveOccurred())
	_, rest, found := strings.Cut(string(text), "```yaml\n  healthCheckExprs:")
	g.Expect(found).To(BeTrue())
	block, _, _ := strings.Cut(rest, "```")
	var spec kustomizev1.KustomizationSpec
	g.Expect(yaml.UnmarshalStrict([]byte("  healthCheckExprs:"+block), &spec)).To(Succeed())
	return spec.HealthCheckExprs
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
			checks := documented(g)
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

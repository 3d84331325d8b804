// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
)

// table has one row for each code and way to come by it: the class, and what Argo CD shows.
var table = []struct {
	code      extension.Code
	transient bool
	unsynced  bool
	class     extension.Class
	health    string
}{
	{code: "InvalidVersion", class: extension.Terminal, health: "Degraded"},
	{code: "InvalidMetadata", class: extension.Terminal, health: "Degraded"},
	{code: "LoadFailed", class: extension.Terminal, health: "Degraded"},
	{code: "LoadFailed", transient: true, class: extension.Retryable, health: "Progressing"},
	{code: "LimitExceeded", class: extension.Terminal, health: "Degraded"},
	{code: "DependencyCycle", class: extension.Terminal, health: "Degraded"},
	{code: "DependencyConflict", class: extension.Terminal, health: "Degraded"},
	{code: "DependencyConflict", unsynced: true, class: extension.Waiting, health: "Progressing"},
	{code: "ExtensionNotFound", class: extension.Terminal, health: "Degraded"},
	{code: "ExtensionNotFound", unsynced: true, class: extension.Waiting, health: "Progressing"},
	{code: "VersionNotFound", class: extension.Terminal, health: "Degraded"},
	{code: "VersionNotFound", unsynced: true, class: extension.Waiting, health: "Progressing"},
	{code: "DependencyMissing", class: extension.Terminal, health: "Degraded"},
	{code: "DependencyMissing", unsynced: true, class: extension.Waiting, health: "Progressing"},
	{code: "DependencyNotReady", class: extension.Waiting, health: "Progressing"},
	{code: "AwaitingRequest", class: extension.Waiting, health: "Suspended"},
	{code: "LoadTimeout", class: extension.Retryable, health: "Progressing"},
	{code: "NushellUnavailable", class: extension.Retryable, health: "Progressing"},
	{code: "SandboxUnavailable", class: extension.Retryable, health: "Progressing"},
	{code: "CatalogUnavailable", class: extension.Retryable, health: "Progressing"},
	{code: "CatalogUnavailable", transient: true, class: extension.Retryable, health: "Progressing"},
	{code: "InternalError", class: extension.Retryable, health: "Progressing"},
}

// what a class adds to the conditions, and what kstatus makes of it.
var (
	abnormal = map[extension.Class]string{extension.Terminal: "Stalled", extension.Retryable: "Reconciling"}
	verdicts = map[extension.Class]status.Status{
		extension.Terminal: status.FailedStatus, extension.Waiting: status.InProgressStatus, extension.Retryable: status.InProgressStatus,
	}
)

func TestEveryFailureHasItsRow(t *testing.T) {
	g := NewWithT(t)
	var codes []extension.Code
	for _, row := range table {
		codes = append(codes, row.code)
	}
	g.Expect(codes).To(ContainElements(extension.Codes()))

	for _, row := range table {
		name := fmt.Sprintf("%s transient=%t synced=%t", row.code, row.transient, !row.unsynced)
		fault := &extension.Fault{Code: row.code, Message: "what is wrong and what to do", Transient: row.transient}
		o := failure(fault)
		o.Synced, o.Token = !row.unsynced, "token-1"
		reason := string(row.code)

		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(o.Class()).To(Equal(row.class))
		})
		t.Run(name+" before anything was found", func(t *testing.T) {
			g := NewWithT(t)
			got := after(g, newExtension(), o)
			want := []string{"Ready=False/" + reason, "Resolved=False/" + reason, "Loaded=False/" + reason, "DependenciesReady=Unknown/" + reason}
			if strings.HasPrefix(reason, "Dependency") {
				want[3] = "DependenciesReady=False/" + reason
			}
			g.Expect(summary(got)).To(ConsistOf(withAbnormal(want, row.class, reason)))
			for _, c := range got.Status.Conditions {
				if c.Status != metav1.ConditionUnknown {
					g.Expect(c.Message).To(Equal("what is wrong and what to do"))
				}
			}
			g.Expect(verdict(g, got)).To(Equal(verdicts[row.class]))
			g.Expect(health(g, got)).To(Equal(row.health))
			g.Expect(got.Status.LastHandledReloadAt == "token-1").To(Equal(row.class == extension.Terminal), "only for good is a token answered")
		})
		t.Run(name+" of a version that was found, after a good one", func(t *testing.T) {
			g := NewWithT(t)
			was := after(g, newExtension(), good("1.28.0", "a", noon))
			o.Resolution = resolution("1.29.0", "b")
			got := after(g, was, o)
			want := []string{"Ready=False/" + reason, "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=Unknown/" + reason}
			switch {
			case strings.HasPrefix(reason, "Dependency"):
				want[3] = "DependenciesReady=False/" + reason
			case row.class == extension.Terminal:
				want[3] = "DependenciesReady=True/DependenciesReady"
			}
			g.Expect(summary(got)).To(ConsistOf(withAbnormal(want, row.class, reason)))
			g.Expect(condition(got, "Resolved").Message).To(Equal("found taskserv:kubernetes:1.29.0"))
			g.Expect(condition(got, "Loaded").Message).To(Equal("loaded taskserv:kubernetes:1.28.0"))
			g.Expect(verdict(g, got)).To(Equal(verdicts[row.class]))
			g.Expect(health(g, got)).To(Equal(row.health))
			expectLastGoodUnchanged(g, was, got)
		})
	}
}

func withAbnormal(conditions []string, class extension.Class, reason string) []string {
	if abnormal[class] != "" {
		conditions = append(conditions, abnormal[class]+"=True/"+reason)
	}
	return conditions
}

func TestAnUnseenExtensionIsInProgress(t *testing.T) {
	g := NewWithT(t)
	g.Expect(verdict(g, newExtension())).To(Equal(status.InProgressStatus))
	g.Expect(health(g, newExtension())).To(Equal("Progressing"))
}

func TestGood(t *testing.T) {
	g := NewWithT(t)
	want := []string{"Ready=True/Loaded", "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=True/DependenciesReady"}
	loaded := after(g, newExtension(), good("1.28.0", "a", noon))
	g.Expect(summary(loaded)).To(ConsistOf(want))
	g.Expect(condition(loaded, "Ready").Message).To(Equal("loaded taskserv:kubernetes:1.28.0"))
	g.Expect(verdict(g, loaded)).To(Equal(status.CurrentStatus))
	g.Expect(health(g, loaded)).To(Equal("Healthy"))

	// A new spec that wants what is loaded already.
	loaded.Generation = 2
	current := after(g, loaded, ours.Outcome{Current: true, Resolution: resolution("1.28.0", "a"), InputDigest: digest("a"), Now: noon})
	g.Expect(summary(current)).To(ConsistOf(want))
	g.Expect(verdict(g, current)).To(Equal(status.CurrentStatus))
	expectLastGoodUnchanged(g, loaded, current)
}

func TestGoodEndsEveryFailure(t *testing.T) {
	for _, row := range table {
		g := NewWithT(t)
		o := failure(&extension.Fault{Code: row.code, Message: "no", Transient: row.transient})
		o.Synced = !row.unsynced
		failed := after(g, newExtension(), o)
		recovered := after(g, failed, good("1.28.0", "a", noon))
		g.Expect(summary(recovered)).To(ConsistOf("Ready=True/Loaded", "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=True/DependenciesReady"))
		g.Expect(verdict(g, recovered)).To(Equal(status.CurrentStatus))
	}
}

func TestLoading(t *testing.T) {
	g := NewWithT(t)
	loading := ours.Outcome{Loading: true, Resolution: resolution("1.29.0", "b"), InputDigest: digest("b"), Token: "token-1", Now: noon}

	first := after(g, newExtension(), loading)
	g.Expect(summary(first)).To(ConsistOf(
		"Ready=False/Loading", "Reconciling=True/Loading", "Resolved=True/Resolved", "Loaded=False/Loading", "DependenciesReady=Unknown/Loading"))
	g.Expect(condition(first, "Ready").Message).To(Equal("loading taskserv:kubernetes:1.29.0"))
	g.Expect(first.Status.LastHandledReloadAt).To(BeEmpty())
	g.Expect(verdict(g, first)).To(Equal(status.InProgressStatus))
	g.Expect(health(g, first)).To(Equal("Progressing"))

	was := after(g, newExtension(), good("1.28.0", "a", noon))
	next := after(g, was, loading)
	g.Expect(summary(next)).To(ConsistOf(
		"Ready=False/Loading", "Reconciling=True/Loading", "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=Unknown/Loading"))
	g.Expect(verdict(g, next)).To(Equal(status.InProgressStatus))
	expectLastGoodUnchanged(g, was, next)

	stalled := after(g, newExtension(), failure(extension.NewFault(extension.LoadFailed, "no")))
	g.Expect(condition(after(g, stalled, loading), "Stalled")).To(BeNil())
}

func TestSuspended(t *testing.T) {
	suspended := ours.Outcome{Suspended: true, Now: noon}
	fault := func(code extension.Code) ours.Outcome { return failure(extension.NewFault(code, "no")) }
	loading := ours.Outcome{Loading: true, Resolution: resolution("1.29.0", "b"), Now: noon}
	for name, c := range map[string]struct {
		before  []ours.Outcome
		want    []string
		verdict status.Status
	}{
		"before anything": {nil, []string{"Ready=False/Suspended"}, status.InProgressStatus},
		"after a terminal failure, never loaded": {[]ours.Outcome{fault(extension.LoadFailed)},
			[]string{"Ready=False/Suspended", "Resolved=False/LoadFailed", "Loaded=False/LoadFailed", "DependenciesReady=Unknown/LoadFailed"}, status.InProgressStatus},
		"while the first load is under way": {[]ours.Outcome{loading},
			[]string{"Ready=False/Suspended", "Resolved=True/Resolved", "Loaded=False/Loading", "DependenciesReady=Unknown/Loading"}, status.InProgressStatus},
		"after a good one": {[]ours.Outcome{good("1.28.0", "a", noon)},
			[]string{"Ready=True/Loaded", "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=True/DependenciesReady"}, status.CurrentStatus},
		"after a good one and a terminal failure": {[]ours.Outcome{good("1.28.0", "a", noon), fault(extension.VersionNotFound)},
			[]string{"Ready=False/VersionNotFound", "Stalled=True/VersionNotFound", "Resolved=False/VersionNotFound", "Loaded=True/Loaded", "DependenciesReady=Unknown/VersionNotFound"},
			status.FailedStatus},
		"after a good one, while it is tried again": {[]ours.Outcome{good("1.28.0", "a", noon), fault(extension.CatalogUnavailable)},
			[]string{"Ready=False/CatalogUnavailable", "Resolved=False/CatalogUnavailable", "Loaded=True/Loaded", "DependenciesReady=Unknown/CatalogUnavailable"}, status.InProgressStatus},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			ext := newExtension()
			for _, o := range c.before {
				ext = after(g, ext, o)
			}
			ext.Generation++
			ext.Spec.Suspend = true
			got := after(g, ext, suspended)
			g.Expect(health(g, got)).To(Equal("Suspended"))
			g.Expect(summary(got)).To(ConsistOf(c.want))
			g.Expect(verdict(g, got)).To(Equal(c.verdict))
			g.Expect(got.Status.LastAttempted).To(Equal(ext.Status.LastAttempted), "nothing was attempted")
			g.Expect(got.Status.LastHandledReloadAt).To(Equal(ext.Status.LastHandledReloadAt), "tokens wait")
			expectLastGoodUnchanged(g, ext, got)
		})
	}
}

// The codes and the API's reasons are one set, which nobody can extend on one
// side alone.
func TestCodesAreTheReasonsOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	reasons := constants(g, "../../api/v1alpha1/reasons.go", "Reason")
	var want []string
	for _, code := range extension.Codes() {
		g.Expect(reasons).To(HaveKeyWithValue(string(code)+"Reason", ours.Reason(code)))
		want = append(want, string(code))
	}
	want = append(want, "Loaded", "Resolved", "DependenciesReady", "DependenciesIgnored", "Loading", "Suspended")
	var got []string
	for _, value := range reasons {
		got = append(got, value)
	}
	g.Expect(got).To(ConsistOf(want))
}

func TestConditionTypesAreThoseOfTheDesign(t *testing.T) {
	g := NewWithT(t)
	var got []string
	for name, value := range constants(g, "../../api/v1alpha1/reasons.go", "Condition") {
		g.Expect(name).To(Equal(value + "Condition"))
		got = append(got, value)
	}
	g.Expect(got).To(ConsistOf(ourTypes))
}

// constants reads the string constants of a file whose names have a suffix.
func constants(g Gomega, file, suffix string) map[string]string {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasSuffix(spec.Names[0].Name, suffix) {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			g.Expect(err).NotTo(HaveOccurred())
			found[spec.Names[0].Name] = value
		}
		return true
	})
	return found
}

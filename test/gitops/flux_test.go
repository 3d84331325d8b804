// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"provisioning.dev/extension-operator/internal/config"
)

// kustomizations of the example, by name.
func kustomizations(g Gomega) map[string]*unstructured.Unstructured {
	all := map[string]*unstructured.Unstructured{}
	for _, object := range build(g, "flux") {
		all[object.GetName()] = object
	}
	return all
}

// applied is what Flux makes of the folder of a Kustomization.
func applied(g Gomega, kustomization *unstructured.Unstructured) []*unstructured.Unstructured {
	folder, here := strings.CutPrefix(field[string](g, kustomization, "spec", "path"), "./config/samples/gitops/")
	g.Expect(here).To(BeTrue(), kustomization.GetName())
	return build(g, folder)
}

// before are the names of all Kustomizations that must be Ready before one of that name is looked at.
func before(g Gomega, all map[string]*unstructured.Unstructured, name string) (names []string) {
	g.Expect(all).To(HaveKey(name))
	for _, d := range field[[]any](g, all[name], "spec", "dependsOn") {
		other := d.(map[string]any)["name"].(string)
		names = append(append(names, other), before(g, all, other)...)
	}
	return names
}

func TestFluxWaitsForWhatIsNeeded(t *testing.T) {
	g := NewWithT(t)
	all := kustomizations(g)
	g.Expect(before(g, all, "hello")).To(ConsistOf("extensions", "extension-operator", "hello-access"))
	g.Expect(before(g, all, "extensions")).To(ConsistOf("extension-operator"))
	for name, k := range all {
		g.Expect(field[bool](g, k, "spec", "wait") || len(field[[]any](g, k, "spec", "healthChecks")) > 0).To(BeTrue(), "%s waits for nothing", name)
		g.Expect(field[string](g, k, "spec", "timeout")).NotTo(BeEmpty(), name)
	}

	here := map[string]bool{}
	for _, object := range applied(g, all["hello"]) {
		here[object.GetKind()+" "+object.GetName()] = true
	}
	for _, check := range field[[]any](g, all["hello"], "spec", "healthChecks") {
		g.Expect(here).To(HaveKey(check.(map[string]any)["kind"].(string) + " " + check.(map[string]any)["name"].(string)))
	}

	patience, err := time.ParseDuration(field[string](g, all["extensions"], "spec", "timeout"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(patience).To(BeNumerically(">", config.Default().NotFoundGrace+config.Default().LibraryInterval+time.Minute),
		"what is missing for good is told before Flux gives up")
}

// Installations go before what they need to be uninstalled: their account, and the operator above all.
func TestFluxLeavesTheOperatorToInstallations(t *testing.T) {
	g := NewWithT(t)
	all := kustomizations(g)
	g.Expect(field[bool](g, all["extension-operator"], "spec", "prune")).To(BeFalse())
	g.Expect(field[string](g, all["hello"], "spec", "deletionPolicy")).To(Equal("WaitForTermination"))
	for name, k := range all {
		for _, object := range applied(g, k) {
			alone := map[string]string{"HelmRelease": "extension-operator", "Installation": "hello", "Extension": "extensions", "ServiceAccount": "hello-access"}
			if of, is := alone[object.GetKind()]; is {
				g.Expect(name).To(Equal(of), object.GetKind())
			}
		}
	}
}

func TestTheReleaseForFluxHasASource(t *testing.T) {
	g := NewWithT(t)
	release, source := read(g, "flux/operator/release.yaml"), read(g, "flux/operator/source.yaml")
	ref := field[map[string]any](g, release, "spec", "chart", "spec", "sourceRef")
	g.Expect(ref).To(Equal(map[string]any{"kind": source.GetKind(), "name": source.GetName()}))
	g.Expect(release.GetNamespace()).To(Equal(source.GetNamespace()))
	g.Expect(read(g, "flux/operator/namespace.yaml").GetName()).To(Equal(release.GetNamespace()))
	// The chart of a tag names no version of its own: without this a new tag would be the old chart.
	g.Expect(field[string](g, release, "spec", "chart", "spec", "reconcileStrategy")).To(Equal("Revision"))
}

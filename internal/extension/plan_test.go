// SPDX-License-Identifier: Apache-2.0

package extension_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

// planOf reads "name: dependency dependency; …" in load order.
func planOf(text string) extension.Plan {
	var plan extension.Plan
	for one := range strings.SplitSeq(text, "; ") {
		name, on, _ := strings.Cut(one, ":")
		m := extension.Metadata{Type: extension.Taskserv, Name: name, Version: "1.0.0"}
		for _, dependency := range strings.Fields(on) {
			m.Dependencies = append(m.Dependencies, extension.Dependency{Type: extension.Taskserv, Name: dependency})
		}
		plan.Members = append(plan.Members, extension.Member{Key: m.Key(), Metadata: m})
	}
	return plan
}

func TestPartsHoldEachMemberAndWhatItDependsOn(t *testing.T) {
	for text, want := range map[string]string{
		"a:":                                "a",
		"a:; b: a":                          "a|a b",
		"a:; b: a; c: b":                    "a|a b|a b c",
		"base:; l: base; r: base; top: l r": "base|base l|base r|base l r top",
		"a:; b:; c: a absent; d: c b":       "a|b|a c|a b c d",
	} {
		var got []string
		for _, part := range planOf(text).Parts() {
			var names []string
			for _, m := range part.Members {
				names = append(names, m.Key.Name)
			}
			got = append(got, strings.Join(names, " "))
		}
		NewWithT(t).Expect(strings.Join(got, "|")).To(Equal(want), text)
	}
}

func TestPartsTellTypesApart(t *testing.T) {
	g := NewWithT(t)
	plan := planOf("a:; b: a")
	plan.Members[1].Metadata.Dependencies[0].Type = extension.Provider
	g.Expect(plan.Parts()[1].Members).To(HaveLen(1), "a provider of that name is another")
}

func TestADependencyReadsAsManifestsHaveIt(t *testing.T) {
	g := NewWithT(t)
	g.Expect(extension.Dependency{Type: extension.Taskserv, Name: "etcd", Constraint: "^3.5"}.String()).To(Equal("etcd@^3.5"))
	g.Expect(extension.Dependency{Type: extension.Provider, Name: "local"}.String()).To(Equal("provider/local"))
}

func TestFailingStates(t *testing.T) {
	g := NewWithT(t)
	for state, failing := range map[extension.DependencyState]bool{
		"": false, "Loaded": false, "Ready": false, "Missing": true, "NotReady": true, "Conflict": true, "Cycle": true,
	} {
		g.Expect(state.Failing()).To(Equal(failing), string(state))
	}
}

func TestParseRef(t *testing.T) {
	g := NewWithT(t)
	for text, want := range map[string]extension.Ref{
		"taskserv/etcd":           {Type: extension.Taskserv, Name: "etcd"},
		"cluster/cicd@^1.0":       {Type: extension.Cluster, Name: "cicd", Constraint: "^1.0"},
		"provider/aws@ >=1 <2 ":   {Type: extension.Provider, Name: "aws", Constraint: ">=1 <2"},
		"taskserv/etcd@3.5.0-rc1": {Type: extension.Taskserv, Name: "etcd", Constraint: "3.5.0-rc1"},
	} {
		g.Expect(extension.ParseRef(text)).To(Equal(want), text)
	}
	for _, text := range []string{"", "etcd", "etcd@1", "taskservs/etcd", "taskserv/", "taskserv/a/b", "taskserv/Etcd", "taskserv/etcd@", "taskserv:etcd:1.0.0"} {
		_, err := extension.ParseRef(text)
		g.Expect(err).To(MatchError(ContainSubstring("write it as taskserv/kubernetes or cluster/cicd@^1.0")), "%q", text)
	}
	_, err := extension.ParseRef("taskserv/etcd@latest")
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.InvalidVersion))
}

func TestAFaultThatWaitsIsWaitingWhateverItsCode(t *testing.T) {
	g := NewWithT(t)
	fault := extension.NewFault(extension.DependencyMissing, "no Extension")
	g.Expect(fault.Class()).To(Equal(extension.TerminalOnceSynced))
	fault.Waits = true
	g.Expect(fault.Class()).To(Equal(extension.Waiting))
	fault.Transient = true
	g.Expect(fault.Class()).To(Equal(extension.Retryable))
}

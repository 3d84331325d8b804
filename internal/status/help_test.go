// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"slices"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
	"provisioning.dev/extension-operator/test/argocd"
)

// noon is when the first outcome of every test is had.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func digest(hex string) extension.Digest {
	return extension.Digest("sha256:" + strings.Repeat(hex, 64))
}

// newExtension is an Extension that the operator has not seen.
func newExtension() *api.Extension {
	return &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "k8s", Generation: 1},
		Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: "kubernetes"},
		Status:     api.ExtensionStatus{ObservedGeneration: -1},
	}
}

// resolution of taskserv kubernetes to one version, whose content has a digest of
// one repeated hexadecimal digit.
func resolution(version, hex string) extension.Resolution {
	key := extension.Key{Type: extension.Taskserv, Name: "kubernetes", Version: version}
	on := extension.Dependency{Type: extension.Taskserv, Name: "etcd", Constraint: "^3.5"}
	root := extension.Member{
		Key: key, Catalog: "builtin", Path: "extensions/taskservs/kubernetes/" + version, Digest: digest(hex),
		Metadata: extension.Metadata{
			Type: key.Type, Name: key.Name, Version: version, Description: "Orchestrator " + version, Author: "team",
			Repository:   "https://example.com/kubernetes",
			Dependencies: []extension.Dependency{on},
		},
	}
	etcd := extension.Member{Key: extension.Key{Type: on.Type, Name: on.Name, Version: "3.5.9"}, Digest: digest("e")}
	return extension.Resolution{
		Plan: extension.Plan{Members: []extension.Member{etcd, root}}, Root: root,
		Candidates: []extension.Candidate{{Version: version}},
		Dependencies: []extension.Requirement{{
			Demand: extension.Demand{By: key, Dependency: on}, Version: "3.5.9", Digest: digest("e"),
		}},
	}
}

// good is the outcome of a load of that version at a time.
func good(version, hex string, at time.Time) ours.Outcome {
	r := resolution(version, hex)
	return ours.Outcome{
		Loaded: &extension.Loaded{
			Key: r.Plan.Root().Key, InputDigest: digest(hex), Hooks: []string{"configure"}, At: at,
			Enforcement: extension.Enforcement{Level: "Partial", Missing: []string{"landlock", "seccomp"}},
		},
		Resolution: r, InputDigest: digest(hex), Synced: true, Now: at,
	}
}

// failure is the outcome of a Fault at noon, before a version was found.
func failure(fault *extension.Fault) ours.Outcome {
	return ours.Outcome{Fault: fault, Synced: true, Now: noon}
}

// after returns ext as it is once outcome is written, and checks what holds for
// every status.
func after(g Gomega, ext *api.Extension, o ours.Outcome) *api.Extension {
	before := ext.DeepCopy()
	next := ext.DeepCopy()
	next.Status = ours.Compute(ext, o)
	g.Expect(ext).To(Equal(before), "Compute changes nothing that it is given")
	expectInvariants(g, before, next, o)

	again := ours.Compute(next, o)
	g.Expect(equality.Semantic.DeepEqual(next.Status, again)).To(BeTrue(), "the same outcome gives the same status")
	o.Now = o.Now.Add(time.Hour)
	later := ours.Compute(next, o)
	g.Expect(equality.Semantic.DeepEqual(next.Status, later)).To(BeTrue(), "the time alone changes nothing")
	return next
}

var ourTypes = []string{
	api.ReadyCondition, api.ResolvedCondition, api.DependenciesReadyCondition, api.LoadedCondition,
	api.ReconcilingCondition, api.StalledCondition,
}

func expectInvariants(g Gomega, before, next *api.Extension, o ours.Outcome) {
	g.Expect(next.Status.ObservedGeneration).To(Equal(next.Generation))
	g.Expect(condition(next, api.ReadyCondition)).NotTo(BeNil(), "Ready is always there")
	for _, c := range next.Status.Conditions {
		was := condition(before, c.Type)
		if !slices.Contains(ourTypes, c.Type) {
			g.Expect(was).To(HaveValue(Equal(c)), "conditions of others are carried over")
			continue
		}
		g.Expect(c.ObservedGeneration).To(Equal(next.Generation), c.Type)
		g.Expect(c.Reason).NotTo(BeEmpty(), c.Type)
		g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
		g.Expect(len(c.Message)).To(BeNumerically("<=", api.MaxMessageLength), c.Type)
		if was != nil && was.Status == c.Status {
			g.Expect(c.LastTransitionTime).To(Equal(was.LastTransitionTime), "%s has not flipped", c.Type)
		} else {
			g.Expect(c.LastTransitionTime.UTC()).To(Equal(o.Now.Truncate(time.Second).UTC()), "%s has flipped", c.Type)
		}
	}
	reconciling, stalled := condition(next, api.ReconcilingCondition), condition(next, api.StalledCondition)
	for _, c := range []*metav1.Condition{reconciling, stalled} {
		g.Expect(c == nil || c.Status == metav1.ConditionTrue).To(BeTrue(), "abnormal conditions are there only while True")
	}
	g.Expect(reconciling == nil || stalled == nil).To(BeTrue(), "Reconciling and Stalled exclude each other")
}

func condition(ext *api.Extension, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(ext.Status.Conditions, conditionType)
}

// summary is the conditions that are ours as Type=Status/Reason.
func summary(ext *api.Extension) []string {
	var list []string
	for _, c := range ext.Status.Conditions {
		if slices.Contains(ourTypes, c.Type) {
			list = append(list, c.Type+"="+string(c.Status)+"/"+c.Reason)
		}
	}
	return list
}

// verdict is what kstatus, and so every tool that uses it, thinks of ext.
func verdict(g Gomega, ext *api.Extension) status.Status { return judge(g, ext).Kstatus }

// health is what Argo CD thinks of ext.
func health(g Gomega, ext *api.Extension) string { return judge(g, ext).Status }

// judge gives both, which go together and say what Ready says.
func judge(g Gomega, ext *api.Extension) argocd.Verdict {
	shipped, err := argocd.Shipped()
	g.Expect(err).NotTo(HaveOccurred())
	v, err := shipped.Judge(ext)
	g.Expect(err).NotTo(HaveOccurred())
	if ready := condition(ext, api.ReadyCondition); ready != nil {
		g.Expect(v.Message).To(Equal(ready.Message))
	}
	return v
}

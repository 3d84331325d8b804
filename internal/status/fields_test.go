// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
)

// lastGood is the part of a status that changes together, and only by success.
func lastGood(s api.ExtensionStatus) api.ExtensionStatus {
	return api.ExtensionStatus{
		Metadata: s.Metadata, Version: s.Version, Catalog: s.Catalog, Digest: s.Digest, InputDigest: s.InputDigest,
		Key: s.Key, Path: s.Path, Hooks: s.Hooks, LoadedAt: s.LoadedAt, Sandbox: s.Sandbox, History: s.History,
	}
}

func expectLastGoodUnchanged(g Gomega, before, after *api.Extension) {
	g.Expect(lastGood(after.Status)).To(Equal(lastGood(before.Status)))
}

func TestAGoodLoadReplacesTheLastOneWhole(t *testing.T) {
	g := NewWithT(t)
	before := after(g, newExtension(), good("1.28.0", "a", noon))
	later := noon.Add(90*time.Minute + 300*time.Millisecond)
	o := good("1.29.0", "b", later)
	o.Loaded.Hooks = []string{"configure", "verify"}
	o.Loaded.Enforcement = extension.Enforcement{Level: "Enforced"}
	got := after(g, before, o).Status

	at := metav1.NewTime(noon.Add(90 * time.Minute))
	g.Expect(got.LoadedAt.Equal(&at)).To(BeTrue(), "in whole seconds, as the API server keeps it")
	got.LoadedAt = nil
	history := got.History
	g.Expect(lastGood(got)).To(Equal(api.ExtensionStatus{
		Metadata: &api.ExtensionMetadata{
			Description: "Orchestrator 1.29.0", Author: "team", Repository: "https://example.com/kubernetes",
			Dependencies: []string{"taskserv/etcd@^3.5"},
		},
		Version: "1.29.0", Catalog: "builtin", Digest: string(digest("b")), InputDigest: string(digest("b")),
		Key: "taskserv:kubernetes:1.29.0", Path: "extensions/taskservs/kubernetes/1.29.0",
		Hooks: []string{"configure", "verify"}, Sandbox: &api.SandboxStatus{Level: "Enforced"}, History: history,
	}))
}

func TestLastAttempted(t *testing.T) {
	g := NewWithT(t)
	ext := newExtension()
	ext.Generation = 3
	o := failure(extension.NewFault(extension.LoadFailed, "no"))
	o.Resolution, o.InputDigest = resolution("1.29.0", "b"), digest("c")
	full := &api.Attempt{
		Version: "1.29.0", Catalog: "builtin", Digest: string(digest("b")), InputDigest: string(digest("c")), Generation: 3,
	}
	g.Expect(after(g, ext, o).Status.LastAttempted).To(Equal(full), "Nushell was not run")
	o.Fault.Enforcement = &extension.Enforcement{Level: "Partial", Missing: []string{"landlock_scope"}}
	full.Sandbox = &api.SandboxStatus{Level: "Partial", Missing: []string{"landlock_scope"}}
	got := after(g, ext, o)
	g.Expect(got.Status.LastAttempted).To(Equal(full))

	for _, none := range []ours.Outcome{
		failure(extension.NewFault(extension.ExtensionNotFound, "nothing was found")),
		{Fault: extension.NewTransientFault(extension.LoadTimeout, nil, "may pass"), Resolution: resolution("1.30.0", "d"), InputDigest: digest("e"), Now: noon},
		{Loading: true, Resolution: resolution("1.30.0", "d"), InputDigest: digest("e"), Now: noon},
	} {
		got.Generation++
		g.Expect(after(g, got, none).Status.LastAttempted).To(Equal(full))
	}
	g.Expect(after(g, got, good("1.29.0", "b", noon)).Status.LastAttempted.Sandbox).To(BeNil(), "status.sandbox tells of a good load")
}

// Nushell may be away when the operator finds that what is loaded is current;
// the status stays what it was.
func TestCurrentWithoutAnInputDigestChangesNothing(t *testing.T) {
	g := NewWithT(t)
	before := after(g, newExtension(), good("1.28.0", "a", noon))
	got := after(g, before, ours.Outcome{Current: true, Resolution: resolution("1.28.0", "a"), Now: noon.Add(time.Hour)})
	g.Expect(got.Status).To(Equal(before.Status))
}

func TestHistoryHoldsTheLastFiveDistinct(t *testing.T) {
	g := NewWithT(t)
	ext := newExtension()
	names := func() (list []string) {
		for _, h := range ext.Status.History {
			list = append(list, h.Version+"@"+h.Digest[len(h.Digest)-1:])
		}
		return list
	}
	for i, hex := range []string{"a", "b", "a", "a"} {
		ext = after(g, ext, good("1.0.0", hex, noon.Add(time.Duration(i)*time.Minute)))
	}
	g.Expect(names()).To(Equal([]string{"1.0.0@a", "1.0.0@b"}), "the same content again moves to the front")
	g.Expect(ext.Status.History[0].LoadedAt.UTC()).To(Equal(noon.Add(3*time.Minute)), "at its newest time")
	for i := range 5 {
		ext = after(g, ext, good(fmt.Sprintf("2.%d.0", i), "a", noon))
	}
	g.Expect(names()).To(Equal([]string{"2.4.0@a", "2.3.0@a", "2.2.0@a", "2.1.0@a", "2.0.0@a"}))
}

func TestAvailableVersionsAreThoseOfTheNewestAttempt(t *testing.T) {
	g := NewWithT(t)
	fault := extension.NewFault(extension.VersionNotFound, "no")
	for i := range 30 {
		fault.Available = append(fault.Available, fmt.Sprintf("1.%d.0", 30-i))
	}
	got := after(g, newExtension(), failure(fault))
	g.Expect(got.Status.AvailableVersions).To(Equal(fault.Available[:20]))
	g.Expect(after(g, got, good("1.28.0", "a", noon)).Status.AvailableVersions).To(BeEmpty())
}

func TestResolutionSaysWhyAndKeepsTheChosen(t *testing.T) {
	g := NewWithT(t)
	o := good("1.0.0", "a", noon)
	o.Resolution.Candidates = nil
	for i := range 40 {
		o.Resolution.Candidates = append(o.Resolution.Candidates,
			extension.Candidate{Version: fmt.Sprintf("2.%d.0", 40-i), Refused: `does not fit "1"`})
	}
	o.Resolution.Candidates = append(o.Resolution.Candidates, extension.Candidate{Version: "1.0.0"})
	got := after(g, newExtension(), o).Status.Resolution
	g.Expect(got).To(HaveLen(api.MaxCandidates))
	g.Expect(got[0]).To(Equal(api.Candidate{Version: "2.40.0", Refused: `does not fit "1"`}))
	g.Expect(got[18].Version).To(Equal("2.22.0"))
	g.Expect(got[19]).To(Equal(api.Candidate{Version: "1.0.0"}))
}

func TestTokens(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	loaded := after(g, newExtension(), o)
	g.Expect(loaded.Status.LastHandledReloadAt).To(BeEmpty(), "none was asked")

	o.Token = "token-1"
	answered := after(g, loaded, o)
	g.Expect(answered.Status.LastHandledReloadAt).To(Equal("token-1"))

	current := ours.Outcome{Current: true, Resolution: resolution("1.28.0", "a"), InputDigest: digest("a"), Now: noon}
	g.Expect(after(g, answered, current).Status.LastHandledReloadAt).To(Equal("token-1"), "it stays")
	current.Token = "token-2"
	g.Expect(after(g, answered, current).Status.LastHandledReloadAt).To(Equal("token-2"))

	suspended := ours.Outcome{Suspended: true, Token: "token-3", Now: noon}
	g.Expect(after(g, answered, suspended).Status.LastHandledReloadAt).To(Equal("token-1"))
}

func TestConditionsOfOthersAreCarriedOver(t *testing.T) {
	g := NewWithT(t)
	foreign := metav1.Condition{
		Type: "example.com/Approved", Status: metav1.ConditionFalse, Reason: "Waiting", Message: "ask",
		ObservedGeneration: 7, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour)),
	}
	ext := newExtension()
	ext.Status.Conditions = []metav1.Condition{foreign}
	for _, o := range []ours.Outcome{
		good("1.28.0", "a", noon), {Suspended: true, Now: noon}, failure(extension.NewFault(extension.LoadFailed, "no")),
		{Loading: true, Resolution: resolution("1.29.0", "b"), Now: noon},
	} {
		ext = after(g, ext, o)
		g.Expect(ext.Status.Conditions).To(ContainElement(foreign))
	}
}

func TestATransitionTimeIsThatOfTheFlip(t *testing.T) {
	g := NewWithT(t)
	ready := func(ext *api.Extension) time.Time { return condition(ext, api.ReadyCondition).LastTransitionTime.UTC() }
	o := failure(extension.NewFault(extension.LoadFailed, "no"))
	failed := after(g, newExtension(), o)
	g.Expect(ready(failed)).To(Equal(noon))

	o.Fault, o.Now = extension.NewFault(extension.LimitExceeded, "too large"), noon.Add(time.Minute)
	g.Expect(ready(after(g, failed, o))).To(Equal(noon), "another reason is no flip")
	g.Expect(ready(after(g, failed, good("1.28.0", "a", noon.Add(time.Hour))))).To(Equal(noon.Add(time.Hour)))
}

// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
)

var allGood = []string{"Ready=True/Loaded", "Resolved=True/Resolved", "Loaded=True/Loaded", "DependenciesReady=True/DependenciesReady"}

func TestWhatIsKeptStaysReadyAndSaysWhatWaits(t *testing.T) {
	for name, c := range map[string]struct {
		outcome ours.Outcome
		message string
	}{
		"a newer version": {ours.Outcome{Resolution: resolution("1.29.0", "b")}, "loaded taskserv:kubernetes:1.28.0; taskserv:kubernetes:1.29.0 waits for a reload token"},
		"other content": {ours.Outcome{Resolution: resolution("1.28.0", "b")},
			"loaded taskserv:kubernetes:1.28.0; changed content of it or of a dependency, or another Nushell, waits for a reload token"},
		"a version that is gone": {failure(extension.NewFault(extension.VersionNotFound, "version 1.28.0 is gone")),
			"loaded taskserv:kubernetes:1.28.0; a reload would end in VersionNotFound: version 1.28.0 is gone"},
		"a catalog that is away": {failure(extension.NewTransientFault(extension.CatalogUnavailable, nil, "away")), "loaded taskserv:kubernetes:1.28.0"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			was := after(g, newExtension(), good("1.28.0", "a", noon))
			was.Generation = 2
			o := c.outcome
			o.Kept, o.Synced, o.Now = true, true, noon
			kept := after(g, was, o)
			g.Expect(summary(kept)).To(ConsistOf(allGood))
			g.Expect(condition(kept, "Ready").Message).To(Equal(c.message))
			g.Expect(verdict(g, kept)).To(Equal(status.CurrentStatus))
			g.Expect(kept.Status.LastAttempted).To(Equal(was.Status.LastAttempted), "nothing was attempted")
			expectLastGoodUnchanged(g, was, kept)
			_, worth := ours.Transition(was.Status, kept.Status)
			g.Expect(worth).To(BeFalse(), "nothing has happened to it")
			g.Expect(condition(after(g, kept, good("1.29.0", "b", noon)), "Ready").Message).To(Equal("loaded taskserv:kubernetes:1.29.0"))
		})
	}
}

func TestWhatMayPassByItselfLeavesWhatWaits(t *testing.T) {
	unread := failure(extension.NewFault(extension.VersionNotFound, "version 1.28.0 is gone"))
	unread.Synced = false
	for name, o := range map[string]ours.Outcome{
		"a catalog that is away":         failure(extension.NewTransientFault(extension.CatalogUnavailable, nil, "away")),
		"catalogs that are not read yet": unread,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			newer := ours.Outcome{Kept: true, Resolution: resolution("1.29.0", "b"), Synced: true, Now: noon}
			was := after(g, after(g, newExtension(), good("1.28.0", "a", noon)), newer)
			o.Kept = true
			g.Expect(after(g, was, o).Status).To(Equal(was.Status), "nothing to write")

			was.Generation = 2
			seen := after(g, was, o)
			g.Expect(seen.Status.ObservedGeneration).To(BeEquivalentTo(2))
			g.Expect(verdict(g, seen)).To(Equal(status.CurrentStatus))
			g.Expect(condition(seen, "Ready").Message).To(Equal(condition(was, "Ready").Message))
		})
	}
}

func TestAFailureThatStandsIsSeen(t *testing.T) {
	g := NewWithT(t)
	failed := failure(extension.NewFault(extension.LoadFailed, "it does not parse"))
	failed.Resolution = resolution("1.29.0", "b")
	was := after(g, after(g, newExtension(), good("1.28.0", "a", noon)), failed)
	was.Generation = 2
	stands := after(g, was, ours.Outcome{Stands: true, Resolution: resolution("1.29.0", "b"), Synced: true, Now: noon})
	g.Expect(summary(stands)).To(Equal(summary(was)))
	g.Expect(verdict(g, stands)).To(Equal(status.FailedStatus))
	g.Expect(condition(stands, "Ready").Message).To(Equal("it does not parse"))
	g.Expect(stands.Status.LastAttempted).To(Equal(was.Status.LastAttempted), "nothing was attempted")
	expectLastGoodUnchanged(g, was, stands)
	_, worth := ours.Transition(was.Status, stands.Status)
	g.Expect(worth).To(BeFalse())
}

func TestWhatIsKeptListsTheDependenciesThatThereAreNow(t *testing.T) {
	for policy, want := range map[api.DependencyPolicy][]string{
		"":                      {"etcd 3.5.9 Loaded", "new 1.0.0"},
		api.RequireDependencies: {"etcd 3.5.9 Ready", "new 1.0.0 Ready"},
		api.IgnoreDependencies:  {"etcd 3.5.9", "new 1.0.0"},
	} {
		g := NewWithT(t)
		was := after(g, wanting(policy), good("1.28.0", "a", noon))
		notReady := failure(&extension.Fault{Code: extension.DependencyNotReady, Message: "new is not Ready"})
		notReady.Resolution = resolution("1.29.0", "b")
		notReady.Resolution.Dependencies = append(notReady.Resolution.Dependencies, demand("new", "", extension.DependencyIsNotReady))
		waits := after(g, was, notReady)
		g.Expect(summary(waits)).To(ContainElement("DependenciesReady=False/DependencyNotReady"))

		o := ours.Outcome{Kept: true, Resolution: resolution("1.29.0", "b"), Synced: true, Now: noon}
		o.Resolution.Dependencies = append(o.Resolution.Dependencies, demand("new", "1.0.0", ""))
		kept := after(g, waits, o)
		g.Expect(states(kept)).To(Equal(want), string(policy))
		g.Expect(condition(kept, "DependenciesReady").Reason).NotTo(Equal("DependencyNotReady"))
		g.Expect(kept.Status.LoadedDependencies).To(Equal(was.Status.LoadedDependencies))
	}
}

func TestAwaitingARequestIsNoWarning(t *testing.T) {
	g := NewWithT(t)
	o := failure(extension.NewFault(extension.AwaitingRequest, "was found and is not loaded"))
	o.Resolution = resolution("1.28.0", "a")
	waits := after(g, newExtension(), o)
	event, worth := ours.Transition(newExtension().Status, waits.Status)
	g.Expect(worth).To(BeTrue())
	g.Expect(event.Type).To(Equal("Normal"))
	g.Expect(waits.Status.LastAttempted).To(BeNil())
}

// SPDX-License-Identifier: Apache-2.0

package status_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	ours "provisioning.dev/extension-operator/internal/status"
)

// demand of kubernetes 1.28.0 on a taskserv at ^1, for which version was chosen.
func demand(name, version string, state extension.DependencyState) extension.Requirement {
	r := extension.Requirement{
		Demand: extension.Demand{
			By:         extension.Key{Type: extension.Taskserv, Name: "kubernetes", Version: "1.28.0"},
			Dependency: extension.Dependency{Type: extension.Taskserv, Name: name, Constraint: "^1"},
		},
		Version: version, State: state,
	}
	if version != "" {
		r.Digest = digest("d")
	}
	if state != "" {
		r.Message = "is " + string(state)
	}
	return r
}

// states are the dependencies of a status as "name version state".
func states(ext *api.Extension) []string {
	var list []string
	for _, d := range ext.Status.Dependencies {
		list = append(list, strings.TrimSpace(d.Name+" "+d.Version+" "+d.State))
	}
	return list
}

func wanting(policy api.DependencyPolicy) *api.Extension {
	ext := newExtension()
	ext.Spec.DependencyPolicy = policy
	return ext
}

func TestDependenciesOfAGoodLoad(t *testing.T) {
	for policy, want := range map[api.DependencyPolicy]struct {
		states    []string
		condition string
	}{
		"":                      {[]string{"a 1.0.0 Loaded", "b 1.1.0 Loaded"}, "DependenciesReady=True/DependenciesReady"},
		api.LoadDependencies:    {[]string{"a 1.0.0 Loaded", "b 1.1.0 Loaded"}, "DependenciesReady=True/DependenciesReady"},
		api.RequireDependencies: {[]string{"a 1.0.0 Ready", "b 1.1.0 Ready"}, "DependenciesReady=True/DependenciesReady"},
		api.IgnoreDependencies:  {[]string{"a 1.0.0", "b 1.1.0"}, "DependenciesReady=Unknown/DependenciesIgnored"},
	} {
		g := NewWithT(t)
		o := good("1.28.0", "a", noon)
		o.Resolution.Dependencies = []extension.Requirement{demand("b", "1.1.0", ""), demand("a", "1.0.0", "")}
		got := after(g, wanting(policy), o)
		g.Expect(states(got)).To(Equal(want.states), string(policy))
		g.Expect(summary(got)).To(ContainElement(want.condition))
		first := got.Status.Dependencies[0]
		g.Expect(first).To(Equal(api.DependencyStatus{
			Type: "taskserv", Name: "a", Constraint: "^1", RequiredBy: "taskserv:kubernetes:1.28.0", Version: "1.0.0",
			Digest: string(digest("d")), State: first.State,
		}))
	}
}

func TestNoDependenciesAreReadyUnderEveryPolicy(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	o.Resolution.Dependencies = nil
	for _, policy := range []api.DependencyPolicy{api.LoadDependencies, api.RequireDependencies, api.IgnoreDependencies} {
		got := after(g, wanting(policy), o)
		g.Expect(summary(got)).To(ContainElement("DependenciesReady=True/DependenciesReady"))
		g.Expect(got.Status.Dependencies).To(BeNil())
	}
}

func TestFailingDependenciesComeFirstAndKeepWhatIsLoaded(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	o.Resolution.Dependencies = []extension.Requirement{demand("a", "1.0.0", ""), demand("z", "1.5.0", "")}
	o.Resolution.Plan.Members[0].Key = extension.Key{Type: extension.Taskserv, Name: "z", Version: "1.5.0"}
	before := after(g, newExtension(), o)
	fault := failure(extension.NewFault(extension.DependencyMissing, "a dependency is missing: z"))
	fault.Resolution = resolution("1.28.0", "a")
	fault.Resolution.Plan = extension.Plan{}
	fault.Resolution.Dependencies = []extension.Requirement{demand("a", "1.2.0", ""), demand("new", "", "Missing"), demand("z", "", "Missing")}
	got := after(g, before, fault)
	g.Expect(states(got)).To(Equal([]string{"new  Missing", "z 1.5.0 Missing", "a 1.2.0"}))
	g.Expect(got.Status.Dependencies[0].Message).To(Equal("is Missing"))
	g.Expect(summary(got)).To(ContainElements("DependenciesReady=False/DependencyMissing", "Resolved=True/Resolved", "Loaded=True/Loaded"))
	expectLastGoodUnchanged(g, before, got)

	vanished := after(g, got, failure(extension.NewFault(extension.VersionNotFound, "gone")))
	g.Expect(vanished.Status.Dependencies).To(Equal(got.Status.Dependencies), "nothing is known of them now")
	g.Expect(summary(vanished)).To(ContainElement("DependenciesReady=Unknown/VersionNotFound"))
}

func TestADependencyThatDoesNotLoadIsMarked(t *testing.T) {
	g := NewWithT(t)
	fault := extension.NewFault(extension.LoadFailed, "a dependency failed: taskserv b 1.1.0 does not load")
	fault.Dependencies = map[extension.Key]string{{Type: extension.Taskserv, Name: "b", Version: "1.1.0"}: "taskserv b 1.1.0 does not load"}
	o := failure(fault)
	o.Resolution, o.InputDigest = resolution("1.28.0", "a"), digest("c")
	o.Resolution.Dependencies = []extension.Requirement{demand("a", "1.0.0", ""), demand("b", "1.1.0", "")}
	got := after(g, newExtension(), o)
	g.Expect(states(got)).To(Equal([]string{"b 1.1.0 NotReady", "a 1.0.0"}))
	g.Expect(got.Status.Dependencies[0].Message).To(Equal("taskserv b 1.1.0 does not load"))
	g.Expect(summary(got)).To(ContainElement("DependenciesReady=False/LoadFailed"))
}

func TestAnExtensionThatIsRefusedHadItsDependenciesLoaded(t *testing.T) {
	g := NewWithT(t)
	o := failure(extension.NewFault(extension.LoadFailed, "does not parse"))
	o.Resolution, o.InputDigest = resolution("1.28.0", "a"), digest("c")
	got := after(g, newExtension(), o)
	g.Expect(states(got)).To(Equal([]string{"etcd 3.5.9 Loaded"}))
	g.Expect(summary(got)).To(ContainElement("DependenciesReady=True/DependenciesReady"))
	o.Fault.Transient = true
	got = after(g, newExtension(), o)
	g.Expect(states(got)).To(Equal([]string{"etcd 3.5.9"}), "nothing is known of it")
}

func TestNothingIsSaidOfDependenciesThatWereNotLookedAt(t *testing.T) {
	g := NewWithT(t)
	before := after(g, newExtension(), good("1.28.0", "a", noon))
	away := failure(extension.NewTransientFault(extension.CatalogUnavailable, nil, "a library cannot be read"))
	away.Resolution = extension.Resolution{Root: resolution("1.28.0", "a").Root}
	got := after(g, before, away)
	g.Expect(summary(got)).To(ContainElement("DependenciesReady=Unknown/CatalogUnavailable"))
	g.Expect(got.Status.Dependencies).To(Equal(before.Status.Dependencies))
}

func TestWhatItWasLoadedWithIsKept(t *testing.T) {
	g := NewWithT(t)
	before := after(g, newExtension(), good("1.28.0", "a", noon))
	g.Expect(before.Status.LoadedDependencies).To(Equal([]string{"taskserv:etcd:3.5.9"}))
	g.Expect(ours.LoadedDependencies(before.Status)).To(Equal([]extension.Key{{Type: extension.Taskserv, Name: "etcd", Version: "3.5.9"}}))
	broken := failure(extension.NewFault(extension.InvalidMetadata, "dependency taskserv:etcd:4.0.0 is broken"))
	broken.Resolution = resolution("1.28.0", "a")
	broken.Resolution.Plan = extension.Plan{}
	r := &broken.Resolution.Dependencies[0]
	r.Version, r.State = "4.0.0", extension.DependencyIsNotReady
	after1 := after(g, before, broken)
	g.Expect(states(after1)).To(Equal([]string{"etcd 4.0.0 NotReady"}))
	r.Version, r.State = "", extension.DependencyIsMissing
	after2 := after(g, after1, broken)
	g.Expect(states(after2)).To(Equal([]string{"etcd 3.5.9 Missing"}), "what never loaded is nobody's version")
	expectLastGoodUnchanged(g, before, after2)
	g.Expect(after2.Status.LoadedDependencies).To(Equal(before.Status.LoadedDependencies))
}

func TestDependenciesBeyondTheRoomAreCounted(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	o.Resolution.Dependencies = nil
	for i := range 300 {
		o.Resolution.Dependencies = append(o.Resolution.Dependencies, demand(fmt.Sprintf("a-rather-long-name-of-a-service-%03d", i), "1.0.0", ""))
	}
	got := after(g, newExtension(), o)
	g.Expect(got.Status.Dependencies).To(HaveLen(api.MaxDependencies), "as many as people write are shown")
	g.Expect(got.Status.DependenciesOmitted).To(BeEquivalentTo(236))
	g.Expect(got.Status.Dependencies[0].Name).To(HaveSuffix("000"))

	for i := range o.Resolution.Dependencies {
		r := &o.Resolution.Dependencies[i]
		r.State, r.Message, r.Constraint = extension.DependencyIsMissing, strings.Repeat("<", 999), strings.Repeat("<1 ", 42)
	}
	got = after(g, newExtension(), o)
	g.Expect(jsonLength(g, got.Status)).To(BeNumerically("<=", 32<<10))
	g.Expect(len(got.Status.Dependencies)).To(BeNumerically(">", 5))
	g.Expect(int32(len(got.Status.Dependencies)) + got.Status.DependenciesOmitted).To(BeEquivalentTo(300))
}

func TestSameDependencies(t *testing.T) {
	g := NewWithT(t)
	o := good("1.28.0", "a", noon)
	o.Resolution.Dependencies = []extension.Requirement{demand("a", "1.0.0", ""), demand("b", "1.1.0", "")}
	s := after(g, newExtension(), o).Status
	same := func(policy api.DependencyPolicy, chosen ...extension.Requirement) bool {
		return ours.SameDependencies(s, policy, chosen)
	}
	a, b := o.Resolution.Dependencies[0], o.Resolution.Dependencies[1]
	g.Expect(same("", a, b)).To(BeTrue())
	g.Expect(same("", b, a)).To(BeTrue())
	g.Expect(same("", demand("a", "1.0.1", ""), b)).To(BeFalse())
	g.Expect(same("", a)).To(BeFalse())
	g.Expect(same("", a, b, demand("c", "1.0.0", ""))).To(BeFalse())
	s.DependenciesOmitted = 1
	g.Expect(same("", a, b, demand("c", "1.0.0", ""))).To(BeTrue(), "as far as it lists them")

	o.Resolution.Dependencies = []extension.Requirement{a, demand("absent", "", "Missing")}
	s = after(g, wanting(api.IgnoreDependencies), o).Status
	g.Expect(same(api.IgnoreDependencies, o.Resolution.Dependencies...)).To(BeTrue(), "nobody looks whether it is there")
	g.Expect(same(api.LoadDependencies, o.Resolution.Dependencies...)).To(BeFalse())
}

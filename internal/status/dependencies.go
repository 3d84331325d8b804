// SPDX-License-Identifier: Apache-2.0

package status

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// recordDependencies writes every demand of the attempt and how it fares, the
// failing ones first. One for which nothing could be chosen shows what is loaded.
func recordDependencies(s *api.ExtensionStatus, policy api.DependencyPolicy, o Outcome) {
	loaded := LoadedDependencies(*s)
	list := make([]api.DependencyStatus, 0, len(o.Resolution.Dependencies))
	for _, r := range o.Resolution.Dependencies {
		state, message := fate(r, policy, o, slices.Contains(loaded, r.Chosen()))
		d := api.DependencyStatus{
			Type: string(r.Type), Name: r.Name, Constraint: r.Constraint, RequiredBy: r.By.String(),
			Version: r.Version, Digest: string(r.Digest), State: string(state), Message: cut(message, api.MaxTextLength),
		}
		isIt := func(k extension.Key) bool { return k.Type == r.Type && k.Name == r.Name }
		if at := slices.IndexFunc(loaded, isIt); d.Version == "" && at >= 0 {
			d.Version = loaded[at].Version
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(a, b api.DependencyStatus) int {
		return cmp.Or(compareFailing(a, b), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.RequiredBy, b.RequiredBy), cmp.Compare(a.Constraint, b.Constraint))
	})
	s.Dependencies, s.DependenciesOmitted = list, 0
}

// loadedWith are the keys of what a plan's root depends on, sorted.
func loadedWith(plan extension.Plan) []string {
	others := plan.Members[:len(plan.Members)-1]
	keys := slices.Grow([]string(nil), len(others)) // nil where there are none, as the API server gives it back
	for _, m := range others {
		keys = append(keys, m.Key.String())
	}
	slices.Sort(keys)
	return cutList(keys, api.MaxDependencies, loadedRoom)
}

// LoadedDependencies reads the keys of what the last good load depends on.
func LoadedDependencies(s api.ExtensionStatus) []extension.Key {
	keys := make([]extension.Key, 0, len(s.LoadedDependencies))
	for _, text := range s.LoadedDependencies {
		if key, ok := extension.ParseKey(text); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// fate is the state of a demand after the outcome; before it, what was chosen now was
// loaded or not.
func fate(r extension.Requirement, policy api.DependencyPolicy, o Outcome, loaded bool) (extension.DependencyState, string) {
	if r.State != "" {
		return r.State, r.Message
	}
	if o.Fault != nil {
		if message, failed := o.Fault.Dependencies[r.Chosen()]; failed {
			return extension.DependencyIsNotReady, message
		}
	}
	switch {
	case policy == api.RequireDependencies:
		return extension.DependencyIsReady, ""
	case policy != api.IgnoreDependencies && (o.Loaded != nil || o.Current || o.refused() || o.Kept && loaded):
		return extension.DependencyIsLoaded, ""
	}
	return "", ""
}

// refused tells whether the root was looked at and refused, and so its dependencies
// had been loaded before.
func (o Outcome) refused() bool {
	return o.Fault != nil && len(o.Resolution.Plan.Members) > 0 && len(o.Fault.Dependencies) == 0 && o.Class() == extension.Terminal
}

func compareFailing(a, b api.DependencyStatus) int {
	failing := func(d api.DependencyStatus) bool { return extension.DependencyState(d.State).Failing() }
	switch {
	case failing(a) == failing(b):
		return 0
	case failing(a):
		return -1
	}
	return 1
}

// cutDependencies leaves as many as the API takes and as the rest of the status has
// room for.
func cutDependencies(s *api.ExtensionStatus) {
	list := s.Dependencies
	shown := min(len(list), api.MaxDependencies)
	if size(list[:shown]) > dependencyStatusRoom {
		s.Dependencies = nil
		room := max(dependencyStatusRoom, maxStatus-size(s))
		for shown > 0 && size(list[:shown]) > room {
			shown--
		}
	}
	s.DependenciesOmitted += int32(len(list) - shown)
	s.Dependencies = nil
	if shown > 0 {
		s.Dependencies = list[:shown:shown]
	}
}

// size is what a value takes as JSON, in bytes.
func size(value any) int {
	data, _ := json.Marshal(value) //nolint:errchkjson // texts, numbers and times have a form
	return len(data)
}

// SameDependencies tells whether the status lists, as dependencies of a good load,
// what was chosen now, as far as it lists them.
func SameDependencies(s api.ExtensionStatus, policy api.DependencyPolicy, requirements []extension.Requirement) bool {
	chosen := map[extension.Demand]extension.Requirement{}
	for _, r := range requirements {
		chosen[r.Demand] = r
	}
	for _, d := range s.Dependencies {
		r, same := chosen[demandOf(d)]
		failing := extension.DependencyState(d.State).Failing() && policy != api.IgnoreDependencies
		if !same || failing || r.Version != "" && (r.Version != d.Version || string(r.Digest) != d.Digest) {
			return false
		}
	}
	return len(s.Dependencies)+int(s.DependenciesOmitted) == len(requirements)
}

func demandOf(d api.DependencyStatus) extension.Demand {
	by, _ := extension.ParseKey(d.RequiredBy)
	return extension.Demand{By: by, Dependency: extension.Dependency{Type: extension.Type(d.Type), Name: d.Name, Constraint: d.Constraint}}
}

// dependencies says how the dependencies of the attempt fare.
func (c conditions) dependencies(policy api.DependencyPolicy, o Outcome) {
	n := len(o.Resolution.Dependencies)
	set := func(status metav1.ConditionStatus, reason, message string) {
		c.set(api.DependenciesReadyCondition, status, reason, message)
	}
	switch {
	case o.Fault != nil && o.aboutDependencies():
		set(metav1.ConditionFalse, Reason(o.Fault.Code), o.Fault.Message)
	case !o.Resolution.Found():
		set(metav1.ConditionUnknown, Reason(o.Fault.Code), "no version was found whose dependencies could be looked at")
	case n == 0 && o.Fault != nil && !o.refused() && len(o.Resolution.Root.Metadata.Dependencies) > 0:
		set(metav1.ConditionUnknown, Reason(o.Fault.Code), o.Fault.Message)
	case n == 0:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, "has no dependencies")
	case policy == api.IgnoreDependencies:
		set(metav1.ConditionUnknown, api.DependenciesIgnoredReason, "not looked at, as spec.dependencyPolicy says")
	case policy == api.RequireDependencies:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, fmt.Sprintf("%d of %d dependencies are Ready Extensions", n, n))
	case o.Kept:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, "those of what is loaded are loaded")
	case o.Loading:
		set(metav1.ConditionUnknown, api.LoadingReason, fmt.Sprintf("loading %d dependencies", n))
	case o.Fault != nil && !o.refused():
		set(metav1.ConditionUnknown, Reason(o.Fault.Code), o.Fault.Message)
	default:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, fmt.Sprintf("%d of %d dependencies are loaded", n, n))
	}
}

// aboutDependencies tells whether the Fault is theirs.
func (o Outcome) aboutDependencies() bool {
	switch o.Fault.Code {
	case extension.DependencyMissing, extension.DependencyNotReady, extension.DependencyConflict, extension.DependencyCycle:
		return true
	default:
		return len(o.Fault.Dependencies) > 0
	}
}

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
// failing ones first. One for which nothing could be chosen keeps what the last good
// load has.
func recordDependencies(s *api.ExtensionStatus, policy api.DependencyPolicy, o Outcome) {
	before := versions(s.Dependencies)
	list := make([]api.DependencyStatus, 0, len(o.Resolution.Dependencies))
	for _, r := range o.Resolution.Dependencies {
		last := before[name{string(r.Type), r.Name}]
		state, message := fate(r, policy, o)
		if state == "" && policy != api.IgnoreDependencies && last == (loaded{r.Version, string(r.Digest), true}) {
			state = extension.DependencyIsLoaded // and nothing says otherwise
		}
		d := api.DependencyStatus{
			Type: string(r.Type), Name: r.Name, Constraint: r.Constraint, RequiredBy: r.By.String(),
			Version: r.Version, Digest: string(r.Digest), State: string(state), Message: cut(message, api.MaxTextLength),
		}
		if d.Version == "" {
			d.Version, d.Digest = last.version, last.digest
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(a, b api.DependencyStatus) int {
		return cmp.Or(compareFailing(a, b), cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.RequiredBy, b.RequiredBy), cmp.Compare(a.Constraint, b.Constraint))
	})
	s.Dependencies, s.DependenciesOmitted = list, 0
}

// fate is the state of a demand after the outcome.
func fate(r extension.Requirement, policy api.DependencyPolicy, o Outcome) (extension.DependencyState, string) {
	switch {
	case r.State != "":
		return r.State, r.Message
	case o.Fault != nil && slices.Contains(o.Fault.Dependencies, r.Chosen()):
		return extension.DependencyIsNotReady, o.Fault.Message
	case policy == api.RequireDependencies:
		return extension.DependencyIsReady, ""
	case policy != api.IgnoreDependencies && (o.Loaded != nil || o.Current || o.refused()):
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

type name struct{ kind, name string }

// loaded is a version that was chosen, and whether it is known to be loaded.
type loaded struct {
	version, digest string
	is              bool
}

// versions are what a list tells of each name.
func versions(list []api.DependencyStatus) map[name]loaded {
	known := make(map[name]loaded, len(list))
	for _, d := range list {
		if d.Version != "" {
			known[name{d.Type, d.Name}] = loaded{d.Version, d.Digest, d.State == string(extension.DependencyIsLoaded)}
		}
	}
	return known
}

// SameDependencies tells whether the status has, as dependencies of a good load, what
// was chosen now.
func SameDependencies(s api.ExtensionStatus, requirements []extension.Requirement) bool {
	before := versions(s.Dependencies)
	for _, r := range requirements {
		was := before[name{string(r.Type), r.Name}]
		if r.Version != "" && (was.version != r.Version || was.digest != string(r.Digest)) {
			return false
		}
	}
	failing := slices.ContainsFunc(s.Dependencies, func(d api.DependencyStatus) bool { return extension.DependencyState(d.State).Failing() })
	return !failing && s.DependenciesOmitted == 0
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
	case n == 0:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, "has no dependencies")
	case policy == api.IgnoreDependencies:
		set(metav1.ConditionUnknown, api.DependenciesIgnoredReason, "not looked at, as spec.dependencyPolicy says")
	case policy == api.RequireDependencies:
		set(metav1.ConditionTrue, api.DependenciesReadyReason, fmt.Sprintf("%d of %d dependencies are Ready Extensions", n, n))
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

// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"slices"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// other stands for every value that is not in a label's closed set.
	other = "Other"
	// unseen stands for the reason of an Extension that has no Ready yet.
	unseen = "Unseen"
)

// How a load was answered.
const (
	howCold   = "cold"
	howWarm   = "warm"
	howCached = "cached"
)

// set is a label's closed set of values.
type set []string

// label is value, or other where the set has no such value.
func (s set) label(value string) string {
	if slices.Contains(s, value) {
		return value
	}
	return other
}

func typeNames() set {
	names := make(set, 0, len(extension.Types()))
	for _, t := range extension.Types() {
		names = append(names, string(t))
	}
	return names
}

// codeNames are the codes of Faults, sorted.
func codeNames() set {
	names := make(set, 0, len(extension.Codes()))
	for _, c := range extension.Codes() {
		names = append(names, string(c))
	}
	slices.Sort(names)
	return names
}

// outcomes of a load or of a reload: good, or the code of what went wrong.
func outcomes() set { return append(set{api.LoadedReason}, codeNames()...) }

// outcomeOf a load or of a reload.
func outcomeOf(fault *extension.Fault) string {
	if fault == nil {
		return api.LoadedReason
	}
	return string(fault.Code)
}

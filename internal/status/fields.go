// SPDX-License-Identifier: Apache-2.0

package status

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// explain writes why it is this version, or which there would be.
func explain(s *api.ExtensionStatus, o Outcome) {
	s.Resolution = candidates(o.Resolution.Candidates)
	s.AvailableVersions = nil
	if o.Fault != nil {
		s.AvailableVersions = cutList(o.Fault.Available, api.MaxAvailableVersions, availableRoom)
	}
}

// recordAttempt writes what the newest attempt on a version that came to an end
// was about. Where nothing was found, or all may still change, it is not called:
// the generation of the last that ended tells whether the spec has changed since,
// and so whether a version may go down.
func recordAttempt(s *api.ExtensionStatus, generation int64, o Outcome) {
	attempt := &api.Attempt{Generation: generation, InputDigest: string(o.InputDigest)}
	if o.Current {
		// It may not have been computed: what is loaded is still what it was.
		attempt.InputDigest = s.InputDigest
	}
	root := o.Resolution.Root
	attempt.Version, attempt.Catalog, attempt.Digest = root.Key.Version, root.Catalog, string(root.Digest)
	if o.Fault != nil && o.Fault.Enforcement != nil {
		attempt.Sandbox = sandbox(*o.Fault.Enforcement)
	}
	s.LastAttempted = attempt
}

// relocate writes where the loaded content is found now.
func relocate(s *api.ExtensionStatus, root extension.Member) {
	s.Catalog, s.Path = root.Catalog, cut(root.Path, maxPlaceLength)
}

// recordLoaded replaces the last good load, whole.
func recordLoaded(s *api.ExtensionStatus, o Outcome) {
	root, loaded := o.Resolution.Root, o.Loaded
	at := metav1.NewTime(loaded.At).Rfc3339Copy()
	s.Metadata = metadata(root.Metadata)
	s.Version, s.Catalog, s.Digest = root.Key.Version, root.Catalog, string(root.Digest)
	s.InputDigest, s.Key = string(loaded.InputDigest), root.Key.String()
	s.Path = cut(root.Path, maxPlaceLength)
	s.Hooks = loaded.Hooks
	s.LoadedDependencies = loadedWith(o.Resolution.Plan)
	s.LoadedAt = &at
	s.Sandbox = sandbox(loaded.Enforcement)
	s.History = history(s.History, api.HistoryEntry{Version: s.Version, Digest: s.Digest, LoadedAt: at})
}

func sandbox(e extension.Enforcement) *api.SandboxStatus {
	return &api.SandboxStatus{Level: e.Level, Missing: e.Missing}
}

func metadata(m extension.Metadata) *api.ExtensionMetadata {
	dependencies := slices.Grow([]string(nil), len(m.Dependencies)) // nil where there are none, as the API server gives it back
	for _, d := range m.Dependencies {
		dependencies = append(dependencies, extension.Ref{Type: d.Type, Name: d.Name, Constraint: d.Constraint}.String())
	}
	return &api.ExtensionMetadata{
		Description:  cut(m.Description, api.MaxMessageLength),
		Author:       cut(m.Author, api.MaxTextLength),
		Repository:   cut(m.Repository, maxPlaceLength),
		Dependencies: cutList(dependencies, api.MaxDependencies, dependencyRoom),
	}
}

// history puts entry first and drops the same version and digest further down.
func history(old []api.HistoryEntry, entry api.HistoryEntry) []api.HistoryEntry {
	out := []api.HistoryEntry{entry}
	for _, e := range old {
		if e.Version != entry.Version || e.Digest != entry.Digest {
			out = append(out, e)
		}
	}
	return out[:min(len(out), api.MaxHistory)]
}

// candidates keeps the last one, which is the chosen one where there is one, and
// of those before it as many of the newest as there is room for.
func candidates(in []extension.Candidate) []api.Candidate {
	var out []api.Candidate
	room := candidateRoom
	for i, c := range in {
		shown := api.Candidate{Version: c.Version, Refused: cut(c.Refused, api.MaxTextLength)}
		room -= jsonSize(shown.Version) + jsonSize(shown.Refused)
		if i < len(in)-1 && (len(out) == api.MaxCandidates-1 || room < 0) {
			continue
		}
		out = append(out, shown)
	}
	return out
}

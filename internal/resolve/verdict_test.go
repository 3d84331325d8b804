// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// verdict is what trying everything says of a universe.
type verdict struct {
	code extension.Code
	// chosen is what was chosen for the root that the answer is about.
	chosen []extension.Key
	root   extension.Key
}

// verdict takes the newest root that can be had; where none can, that of the newest
// that fits.
func (u universe) verdict() verdict {
	newest := verdict{code: extension.VersionNotFound}
	for _, offer := range u.offers[root] {
		key := extension.Key{Type: root.Type, Name: root.Name, Version: offer.Version}
		if offer.Incomplete != "" || !accepts(u.req.Ref.Constraint, offer.Version) {
			continue
		}
		v := u.fate(key)
		switch {
		case v.code != extension.DependencyMissing && v.code != extension.DependencyConflict:
			return v
		case newest.root.Version == "":
			newest = v
		}
	}
	return newest
}

func (u universe) fate(key extension.Key) verdict {
	counts := everyDemand
	if u.req.Policy == resolve.Ignore {
		counts = u.alone
	}
	v := verdict{root: key, chosen: u.best(key, counts)}
	switch {
	case v.chosen == nil:
		v.code = extension.DependencyMissing
		if v.chosen = u.best(key, u.alone); v.chosen == nil {
			v.code = extension.DependencyConflict
		}
	case len(u.failing(v.chosen)) > 0 && u.req.Policy != resolve.Ignore:
		v.code = extension.InvalidMetadata
	case u.ringed(v.chosen):
		v.code = extension.DependencyCycle
	}
	return v
}

// requirements are the demands of what was chosen, and what meets them.
func (u universe) requirements(chosen []extension.Key) []extension.Requirement {
	var list []extension.Requirement
	for _, by := range chosen {
		demands := u.demands(by)
		slices.SortFunc(demands, func(a, b extension.Demand) int { return compareNames(a.Dependency, b.Dependency) })
		for _, d := range demands {
			r := extension.Requirement{Demand: d}
			for _, key := range chosen {
				if nameOf(key) == targetOf(d.Dependency) && accepts(d.Constraint, key.Version) {
					r.Version, r.Digest = key.Version, digestOf("builtin", key)
				}
			}
			list = append(list, r)
		}
	}
	return list
}

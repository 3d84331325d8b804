// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"cmp"
	"maps"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// What follows solves a universe by trying everything, and shares nothing with the
// solver but the meaning of a constraint.

func compareNames(a, b name) int {
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
}

func accepts(constraint, version string) bool {
	c, err := extension.ParseConstraint(constraint)
	return err == nil && c.Accepts(version)
}

// choosable lists the versions of a dependency: the complete ones, and where a
// loaded one is gone no older one.
func (u universe) choosable(who name) []string {
	var versions []string
	for _, offer := range u.offers[who] {
		if offer.Incomplete == "" {
			versions = append(versions, offer.Version)
		}
	}
	for _, floor := range u.req.Floors {
		if nameOf(floor) == who && !slices.Contains(versions, floor.Version) {
			versions = slices.DeleteFunc(versions, func(v string) bool { return extension.CompareVersions(v, floor.Version) < 0 })
		}
	}
	return versions
}

// demands of a version; a broken one tells of none.
func (u universe) demands(key extension.Key) []extension.Demand {
	var list []extension.Demand
	if !u.broken[key] {
		for _, d := range u.needs[key] {
			list = append(list, extension.Demand{By: key, Dependency: d})
		}
	}
	return list
}

// alone tells whether some version meets a demand, others aside.
func (u universe) alone(d extension.Demand) bool {
	return slices.ContainsFunc(u.choosable(targetOf(d.Dependency)), func(v string) bool { return accepts(d.Constraint, v) })
}

// best is the best of all solutions for a root, of the demands that count, breadth
// first.
func (u universe) best(root extension.Key, counts func(extension.Demand) bool) []extension.Key {
	others := slices.SortedFunc(maps.Keys(u.offers), compareNames)
	others = slices.DeleteFunc(others, func(n name) bool { return n == nameOf(root) })
	assigned := map[name]string{nameOf(root): root.Version}
	var best []extension.Key
	var assign func(rest []name)
	assign = func(rest []name) {
		if len(rest) == 0 {
			if found := u.closure(root, assigned, counts); found != nil && better(found, best) {
				best = found
			}
			return
		}
		versions := u.choosable(rest[0])
		if len(versions) == 0 {
			assign(rest[1:])
		}
		for _, v := range versions {
			assigned[rest[0]] = v
			assign(rest[1:])
			delete(assigned, rest[0])
		}
	}
	assign(others)
	return best
}

// closure is what root needs of an assignment, breadth first, each distance by type
// and name; nil where a demand is not met.
func (u universe) closure(root extension.Key, assigned map[name]string, counts func(extension.Demand) bool) []extension.Key {
	var found []extension.Key
	seen := map[name]bool{nameOf(root): true}
	for layer := []name{nameOf(root)}; len(layer) > 0; {
		var next []name
		for _, who := range layer {
			key := extension.Key{Type: who.Type, Name: who.Name, Version: assigned[who]}
			found = append(found, key)
			for _, d := range u.demands(key) {
				on := targetOf(d.Dependency)
				switch v, has := assigned[on]; {
				case !counts(d):
				case !has || !accepts(d.Constraint, v):
					return nil
				case !seen[on]:
					seen[on] = true
					next = append(next, on)
				}
			}
		}
		slices.SortFunc(next, compareNames)
		layer = next
	}
	return found
}

// better compares package by package. Up to the first difference in version both
// solutions have the same names.
func better(a, b []extension.Key) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return extension.CompareVersions(a[i].Version, b[i].Version) > 0
		}
	}
	return b == nil
}

func everyDemand(extension.Demand) bool { return true }

// ringed tells whether a solution has a cycle: whether taking out whoever needs
// nobody, again and again, leaves somebody.
func (u universe) ringed(chosen []extension.Key) bool {
	left := slices.Clone(chosen)
	for {
		needed := map[name]bool{}
		for _, key := range left {
			needed[nameOf(key)] = true
		}
		rest := slices.DeleteFunc(slices.Clone(left), func(key extension.Key) bool {
			return !slices.ContainsFunc(u.demands(key), func(d extension.Demand) bool {
				return needed[targetOf(d.Dependency)] && u.met(chosen, d)
			})
		})
		if len(rest) == len(left) {
			return len(left) > 0
		}
		left = rest
	}
}

// met tells whether what was chosen meets a demand.
func (u universe) met(chosen []extension.Key, d extension.Demand) bool {
	return slices.ContainsFunc(chosen, func(key extension.Key) bool {
		return nameOf(key) == targetOf(d.Dependency) && accepts(d.Constraint, key.Version)
	})
}

// failing lists the broken ones of a solution.
func (u universe) failing(chosen []extension.Key) []extension.Key {
	return slices.DeleteFunc(slices.Clone(chosen), func(key extension.Key) bool { return !u.broken[key] })
}

// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"context"
	"slices"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Dependents lists who in namespaces depends on an extension, directly or by way of
// others, in any version: every demand that a status tells of, also where it could not
// be met, and what was loaded with it. Sorted by Extension.
func (i *Inventory) Dependents(ctx context.Context, namespaces []string, t extension.Type, name string) ([]extension.Dependent, error) {
	s, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	var all []extension.Dependent
	for _, ext := range s.in(namespaces) {
		all = append(all, demandsOf(ext, t, name)...)
	}
	slices.SortFunc(all, func(a, b extension.Dependent) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), CompareKeys(a.On, b.On),
			CompareKeys(a.Demand.By, b.Demand.By), cmp.Compare(a.Demand.Constraint, b.Demand.Constraint))
	})
	return all, nil
}

func demandsOf(ext *api.Extension, t extension.Type, name string) []extension.Dependent {
	var all []extension.Dependent
	told := map[string]bool{}
	for _, d := range ext.Status.Dependencies {
		if d.Type != string(t) || d.Name != name {
			continue
		}
		by, _ := extension.ParseKey(d.RequiredBy)
		told[d.Version] = true
		all = append(all, extension.Dependent{
			Namespace: ext.Namespace, Name: ext.Name, Loaded: keyOf(ext), On: extension.Key{Type: t, Name: name, Version: d.Version},
			Demand: extension.Demand{By: by, Dependency: extension.Dependency{Type: t, Name: name, Constraint: d.Constraint}},
		})
	}
	for _, key := range loadedWith(ext) {
		if key.Type == t && key.Name == name && !told[key.Version] {
			all = append(all, extension.Dependent{Namespace: ext.Namespace, Name: ext.Name, Loaded: keyOf(ext), On: key})
		}
	}
	return all
}

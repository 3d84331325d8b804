// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"slices"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/graph"
	"provisioning.dev/extension-operator/internal/status"
)

// Catalogs have the content of what was loaded.
type Catalogs interface {
	// Recall gives an exact version as it was when it had that digest; without one, as it
	// is. It is not found where neither a copy nor a catalog has it so any more.
	Recall(ctx context.Context, key extension.Key, digest extension.Digest) (member extension.Member, found bool, err error)
}

// Loads know what a load has found.
type Loads interface {
	// Hooks are those of the root of a plan. Whoever asks is told in the record.
	Hooks(ctx context.Context, asker extension.Asker, plan extension.Plan) ([]string, error)
}

// Offers find what Extensions have loaded: which versions, their statuses say; what is in
// them, the catalogs.
type Offers struct {
	Catalogs Catalogs
	Loads    Loads
}

var _ Extensions = Offers{}

// Offered is what an Extension that is Ready has loaded. Errors are Faults or the context's.
func (o Offers) Offered(ctx context.Context, ext *api.Extension) (Offered, error) {
	members, err := o.recall(ctx, ext)
	if err != nil {
		return Offered{}, err
	}
	offered := Offered{Members: members, Hooks: ext.Status.Hooks}
	if ext.Spec.DependencyPolicy == api.IgnoreDependencies {
		return offered, nil
	}
	for _, part := range (extension.Plan{Members: members}).Parts() {
		root := part.Root()
		demands := demandsOn(root, members)
		if len(demands) == 0 {
			continue
		}
		hooks, err := o.Loads.Hooks(ctx, extension.Asker{Namespace: ext.Namespace, Name: ext.Name, Dependent: demands[0].By}, part)
		if err != nil {
			return Offered{}, err
		}
		if slices.Contains(hooks, containerOf(api.InstallStep)) {
			offered.Needs = append(offered.Needs, demands...)
		}
	}
	return offered, nil
}

// recall gets every member of the last good load, in load order, the root last.
func (o Offers) recall(ctx context.Context, ext *api.Extension) ([]extension.Member, error) {
	s := ext.Status
	keys := append(status.LoadedDependencies(s), extension.Key{Type: extension.Type(ext.Spec.Type), Name: ext.Spec.Name, Version: s.Version})
	members := make([]extension.Member, 0, len(keys))
	for i, key := range keys {
		digest := extension.Digest(s.Digest)
		if i < len(keys)-1 {
			digest = loadedDigest(s, key)
		}
		member, found, err := o.Catalogs.Recall(ctx, key, digest)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, extension.NewFault(extension.VersionNotFound,
				"%s, as it was loaded, is in no library and no copy of it is left; put it back, or ask for a reload of the Extension", key)
		}
		members = append(members, member)
	}
	if err := complete(members, ext.Spec.DependencyPolicy); err != nil {
		return nil, err
	}
	last := len(members) - 1
	ordered, err := loadOrder(members[:last])
	return append(ordered, members[last]), err
}

// loadedDigest is that of a dependency's content, where the status tells it.
func loadedDigest(s api.ExtensionStatus, key extension.Key) extension.Digest {
	for _, d := range s.Dependencies {
		if (extension.Key{Type: extension.Type(d.Type), Name: d.Name, Version: d.Version}) == key {
			return extension.Digest(d.Digest)
		}
	}
	return ""
}

// complete tells of a plan that the status had no room for.
func complete(members []extension.Member, policy api.DependencyPolicy) error {
	if policy == api.IgnoreDependencies {
		return nil
	}
	for _, m := range members {
		for _, d := range m.Metadata.Dependencies {
			if !slices.ContainsFunc(members, func(on extension.Member) bool { return isOf(d, on) }) {
				return extension.NewFault(extension.LimitExceeded,
					"%s needs %s, which the Extension's status does not list: an Installation runs with at most %d dependencies; depend on less",
					m.Key, d, api.MaxDependencies)
			}
		}
	}
	return nil
}

// demandsOn are those of other members on this one.
func demandsOn(on extension.Member, members []extension.Member) []extension.Demand {
	var demands []extension.Demand
	for _, m := range members {
		for _, d := range m.Metadata.Dependencies {
			if isOf(d, on) {
				demands = append(demands, extension.Demand{By: m.Key, Dependency: d})
			}
		}
	}
	return demands
}

func isOf(d extension.Dependency, m extension.Member) bool {
	return d.Type == m.Key.Type && d.Name == m.Key.Name
}

// loadOrder has each member after all that it depends on. Any two lists of the same
// members come out the same.
func loadOrder(members []extension.Member) ([]extension.Member, error) {
	order, byKey := graph.New[string](), map[string]extension.Member{}
	for _, m := range members {
		order.AddNode(m.Key.String())
		byKey[m.Key.String()] = m
		for _, on := range members {
			if len(demandsOn(on, []extension.Member{m})) > 0 {
				order.AddEdge(m.Key.String(), on.Key.String())
			}
		}
	}
	keys, err := order.Order()
	if err != nil {
		return nil, extension.NewFault(extension.DependencyCycle, "the loaded versions depend on each other in a ring: %s", err)
	}
	ordered := make([]extension.Member, 0, len(keys))
	for _, key := range keys {
		ordered = append(ordered, byKey[key])
	}
	return ordered, nil
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// dependencies reads the list of the manifest whose other fields are m.
func (d document) dependencies(m extension.Metadata) ([]extension.Dependency, error) {
	const key = "dependencies"
	value, present := d.values[key]
	if !present {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, d.fault(key, `dependencies is %s, not a list; write ["containerd", "etcd@^3.5"]`, kindOf(value))
	}
	if len(list) > MaxDependencies {
		return nil, extension.NewFault(extension.LimitExceeded,
			"line %d: it has %d dependencies, over the limit of %d; name only what the module itself uses", d.lines[key], len(list), MaxDependencies)
	}
	var deps []extension.Dependency
	seen := map[extension.Dependency]bool{}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil, d.fault(key, "a dependency is %s, not a string; write it in quotes", kindOf(item))
		}
		dep, err := d.dependency(text)
		if err != nil {
			return nil, err
		}
		who := extension.Dependency{Type: dep.Type, Name: dep.Name}
		switch {
		case dep.Type == m.Type && dep.Name == m.Name:
			return nil, d.fault(key, "dependency %q is the extension itself; remove it", text)
		case seen[who]:
			return nil, d.fault(key, "dependency %s/%s is there twice; write it once, with one range", dep.Type, dep.Name)
		}
		seen[who] = true
		deps = append(deps, dep)
	}
	return deps, nil
}

// dependency reads [type/]name[@constraint].
func (d document) dependency(text string) (extension.Dependency, error) {
	const key = "dependencies"
	who, constraint, constrained := strings.Cut(text, "@")
	kind, name, typed := strings.Cut(who, "/")
	if !typed {
		kind, name = string(extension.Taskserv), who
	}
	dep := extension.Dependency{Type: extension.Type(kind), Name: name, Constraint: strings.TrimSpace(constraint)}
	switch {
	case !dep.Type.Valid():
		return dep, d.fault(key, "dependency %q has the unknown type %q; write provider/, taskserv/ or cluster/, or none for a taskserv", text, kind)
	case !extension.ValidName(name):
		return dep, d.fault(key, "dependency %q is not of the form [type/]name[@range]; write it as containerd, etcd@^3.5 or provider/local", text)
	case constrained && dep.Constraint == "":
		return dep, d.fault(key, "dependency %q has no range after @; add one or remove the @", text)
	}
	if _, err := extension.ParseConstraint(dep.Constraint); err != nil {
		return dep, d.fault(key, "dependency %q: %s", text, err)
	}
	return dep, nil
}

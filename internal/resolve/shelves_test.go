// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// shelves makes a catalog of lines such as
//
//	kubernetes 1.29.0 1.28.0: containerd, etcd@^3.5, provider/local
//
// where each of the versions has those dependencies; a version that ends with ! is
// incomplete.
func shelves(name string, lines ...string) *troubled {
	c := &fakeCatalog{name: name, offers: map[string][]extension.Offer{}, members: map[string]extension.Member{}}
	for _, line := range lines {
		what, needs, _ := strings.Cut(line, ":")
		fields := strings.Fields(what)
		var dependencies []extension.Dependency
		for need := range strings.SplitSeq(needs, ",") {
			if need = strings.TrimSpace(need); need != "" {
				dependencies = append(dependencies, dependency(need))
			}
		}
		who := dependency(fields[0])
		for _, v := range fields[1:] {
			offer := extension.Offer{Version: strings.TrimSuffix(v, "!")}
			if offer.Version != v {
				offer.Incomplete = "it has no mod.nu yet"
			}
			c.put(extension.Key{Type: who.Type, Name: who.Name, Version: offer.Version}, offer, dependencies)
		}
	}
	return &troubled{fakeCatalog: c, find: map[string]error{}, fetch: map[string]error{}}
}

func (c *fakeCatalog) put(key extension.Key, offer extension.Offer, dependencies []extension.Dependency) {
	folder := string(key.Type) + "/" + key.Name
	c.offers[folder] = append(c.offers[folder], offer)
	slices.SortFunc(c.offers[folder], func(a, b extension.Offer) int { return extension.CompareVersions(b.Version, a.Version) })
	c.members[key.String()] = extension.Member{
		Key: key, Catalog: c.name, Path: "library/" + folder + "/" + key.Version, Digest: digestOf(c.name, key),
		Metadata: extension.Metadata{Type: key.Type, Name: key.Name, Version: key.Version, Dependencies: dependencies},
	}
}

func digestOf(catalog string, key extension.Key) extension.Digest {
	return extension.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(catalog+" "+key.String()))))
}

// dependency reads [type/]name[@constraint].
func dependency(text string) extension.Dependency {
	who, constraint, _ := strings.Cut(text, "@")
	kind, name, typed := strings.Cut(who, "/")
	if !typed {
		kind, name = string(extension.Taskserv), who
	}
	return extension.Dependency{Type: extension.Type(kind), Name: name, Constraint: constraint}
}

// keyOf reads [type/]name@version.
func keyOf(text string) extension.Key {
	d := dependency(text)
	return extension.Key{Type: d.Type, Name: d.Name, Version: d.Constraint}
}

// keys reads several, with blanks between them.
func keys(text string) []extension.Key {
	var list []extension.Key
	for one := range strings.FieldsSeq(text) {
		list = append(list, keyOf(one))
	}
	return list
}

func planned(p extension.Plan) []extension.Key {
	list := make([]extension.Key, 0, len(p.Members))
	for _, m := range p.Members {
		list = append(list, m.Key)
	}
	return list
}

// wish asks for [type/]name[@constraint] in the namespace team-a.
func wish(text string) resolve.Request {
	d := dependency(text)
	return resolve.Request{Ref: extension.Ref{Type: d.Type, Name: d.Name, Constraint: d.Constraint}, Namespace: "team-a"}
}

// told shows requirements as text, one each:
//
//	kubernetes 1.28.0 needs etcd@^3.5: 3.5.9
//	kubernetes 1.28.0 needs runc: Missing
func told(list []extension.Requirement) []string {
	lines := make([]string, 0, len(list))
	for _, r := range list {
		line := fmt.Sprintf("%s %s needs %s: %s %s", extension.Label(r.By.Type, r.By.Name), r.By.Version, r.Dependency, r.Version, r.State)
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// troubled is a catalog that fails for some names (find) and versions (fetch).
type troubled struct {
	*fakeCatalog
	find, fetch map[string]error
}

func (c *troubled) Find(ctx context.Context, namespace string, t extension.Type, name string) ([]extension.Offer, bool, error) {
	offers, found, err := c.fakeCatalog.Find(ctx, namespace, t, name)
	if trouble := c.find[extension.Label(t, name)]; trouble != nil {
		return nil, !extension.AsFault(trouble).Transient, trouble
	}
	return offers, found, err
}

func (c *troubled) Fetch(ctx context.Context, key extension.Key) (extension.Member, error) {
	m, err := c.fakeCatalog.Fetch(ctx, key)
	if trouble := c.fetch[key.String()]; trouble != nil {
		return extension.Member{}, trouble
	}
	return m, err
}

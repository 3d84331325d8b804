// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// catalogs are the source of dependencies that are loaded with their dependent.
// Each question is asked once.
type catalogs struct {
	*inquiry
	owners  map[id]*owner
	members map[extension.Key]found
	// names of each type and hints, once they were asked for.
	names map[extension.Type][]string
	hints map[id]string
}

// owner is what the catalogs say of a name.
type owner struct {
	// catalog has the name; nil where none has.
	catalog Catalog
	// asked are the names of the catalogs that were asked.
	asked []string
	// offers, newest first; fault is what is wrong with the name as a whole.
	offers []extension.Offer
	fault  *extension.Fault
}

// found is a version, and what is wrong with it.
type found struct {
	member extension.Member
	fault  *extension.Fault
}

func newCatalogs(q *inquiry) *catalogs {
	return &catalogs{inquiry: q, owners: map[id]*owner{}, members: map[extension.Key]found{}, names: map[extension.Type][]string{}, hints: map[id]string{}}
}

// owner finds the first catalog that has a name, of all or of the one that is
// named. Versions of two catalogs are never merged: otherwise whoever can add to a
// later catalog could take over a name of an earlier one with a higher version.
func (c *catalogs) owner(ctx context.Context, who id, only string) (*owner, error) {
	o := &owner{}
	for _, catalog := range c.Resolver.catalogs {
		if only != "" && catalog.Name() != only {
			continue
		}
		o.asked = append(o.asked, catalog.Name())
		c.consult(extension.Consulted{Catalog: catalog.Name(), Type: who.kind, Name: who.name})
		if c.req.Refresh {
			if err := catalog.Refresh(ctx, who.kind, who.name); err != nil {
				return nil, err
			}
		}
		offers, has, err := catalog.Find(ctx, c.req.Namespace, who.kind, who.name)
		var fault *extension.Fault
		if err != nil && (!has || !errors.As(err, &fault) || fault.Transient) {
			return nil, err
		}
		if has {
			o.catalog, o.offers, o.fault = catalog, offers, fault
			break
		}
	}
	return o, nil
}

func (c *catalogs) dependencyOwner(ctx context.Context, who id) (*owner, error) {
	if o, known := c.owners[who]; known {
		return o, nil
	}
	o, err := c.owner(ctx, who, "")
	if err != nil {
		return nil, err
	}
	c.owners[who] = o
	return o, nil
}

// versions are the complete ones. Where a loaded one is gone, only newer ones are
// among them: a version does not go down by itself.
func (c *catalogs) versions(ctx context.Context, who id) ([]string, error) {
	o, err := c.dependencyOwner(ctx, who)
	if err != nil {
		return nil, err
	}
	versions := o.complete()
	if floor := c.lostFloor(who, versions); floor != "" {
		versions = slices.DeleteFunc(versions, func(v string) bool { return extension.CompareVersions(v, floor) < 0 })
	}
	return versions, nil
}

// complete lists the versions that can be had, newest first.
func (o *owner) complete() []string {
	versions := make([]string, 0, len(o.offers))
	for _, offer := range o.offers {
		if offer.Incomplete == "" {
			versions = append(versions, offer.Version)
		}
	}
	return versions
}

// lostFloor is the loaded version of a name where it is none of versions.
func (c *catalogs) lostFloor(who id, versions []string) string {
	for _, floor := range c.req.Floors {
		if idOf(floor) == who && !slices.Contains(versions, floor.Version) {
			return floor.Version
		}
	}
	return ""
}

func (c *catalogs) member(ctx context.Context, key extension.Key) (extension.Member, *extension.Fault, error) {
	if m, known := c.members[key]; known {
		return m.member, m.fault, nil
	}
	o, err := c.dependencyOwner(ctx, idOf(key))
	if err != nil {
		return extension.Member{}, nil, err
	}
	m, err := o.catalog.Fetch(ctx, key)
	var fault *extension.Fault
	switch {
	case err == nil:
	case !errors.As(err, &fault) || fault.Transient:
		return extension.Member{}, nil, err
	case fault.Code == extension.VersionNotFound || fault.Code == extension.ExtensionNotFound:
		return extension.Member{}, nil, extension.NewTransientFault(extension.CatalogUnavailable, err,
			"%s was removed from its catalog just now; it is looked at again", key)
	default:
		m = extension.Member{Key: key, Catalog: o.catalog.Name()}
	}
	c.members[key] = found{m, fault}
	return m, fault, nil
}

func (c *catalogs) unmet(ctx context.Context, demand extension.Demand) (refusal, error) {
	who := wanted(demand.Dependency)
	o, err := c.dependencyOwner(ctx, who)
	if err != nil {
		return refusal{}, err
	}
	versions := o.complete()
	text := fmt.Sprintf("%s, required by %s, ", demand.Dependency, demand.By)
	switch floor := c.lostFloor(who, versions); {
	case o.catalog == nil && len(o.asked) == 0:
		text += "is in no catalog: the operator has none; start it with --library"
	case o.catalog == nil:
		text += "is in no catalog" + c.hint(ctx, who)
	case o.fault != nil:
		text += "is broken: " + o.fault.Message
	case floor != "":
		text += fmt.Sprintf("is gone at version %s, which is loaded, or incomplete; available: %s; put it back, or request a reload to take an older one",
			floor, listed(versions))
	case demand.Constraint == "":
		text += "has no stable version; available: " + listed(versions)
	default:
		text += "fits no version; available: " + listed(versions)
	}
	return refusal{state: extension.DependencyIsMissing, message: text}, nil
}

// hint names what may have been meant by a name that is not there. It is empty for one
// that is.
func (c *catalogs) hint(ctx context.Context, who id) string {
	if known, is := c.hints[who]; is {
		return known
	}
	c.hints[who] = c.findHint(ctx, who)
	return c.hints[who]
}

func (c *catalogs) findHint(ctx context.Context, who id) string {
	if slices.Contains(c.namesOf(ctx, who.kind), who.name) {
		return ""
	}
	for _, other := range extension.Types() {
		if other != who.kind && slices.Contains(c.namesOf(ctx, other), who.name) {
			return fmt.Sprintf("; there is a %s of that name, written %s/%s", other, other, who.name)
		}
	}
	if near := nearest(who.name, c.namesOf(ctx, who.kind)); near != "" {
		return fmt.Sprintf("; did you mean %s?", extension.Label(who.kind, near))
	}
	return ""
}

// namesOf a type, sorted, as far as the catalogs can tell: a hint needs no more.
func (c *catalogs) namesOf(ctx context.Context, kind extension.Type) []string {
	if known, is := c.names[kind]; is {
		return known
	}
	var names []string
	for _, catalog := range c.Resolver.catalogs {
		if more, err := catalog.Names(ctx, c.req.Namespace, kind); err == nil {
			names = append(names, more...)
		}
	}
	slices.Sort(names)
	c.names[kind] = names
	return names
}

// listed names versions, newest first.
func listed(versions []string) string {
	if len(versions) == 0 {
		return "none"
	}
	return extension.FormatVersions(versions, maxAvailable)
}

// notFound says that no catalog has the root.
func (c *catalogs) notFound(ctx context.Context, ref extension.Ref, asked []string) error {
	if len(asked) > 0 {
		return extension.NewFault(extension.ExtensionNotFound,
			"%s %s is in no catalog (looked in: %s); check spec.type and spec.name, or add it to a catalog%s",
			ref.Type, ref.Name, strings.Join(asked, ", "), c.hint(ctx, id{ref.Type, ref.Name}))
	}
	if ref.Catalog == "" {
		return extension.NewFault(extension.ExtensionNotFound,
			"%s %s is in no catalog: the operator has none; start it with --library", ref.Type, ref.Name)
	}
	names := make([]string, 0, len(c.Resolver.catalogs))
	for _, catalog := range c.Resolver.catalogs {
		names = append(names, catalog.Name())
	}
	return extension.NewFault(extension.ExtensionNotFound,
		"there is no catalog %q; catalogs: %s; correct spec.catalogRef.name or leave it out", ref.Catalog, strings.Join(names, ", "))
}

// SPDX-License-Identifier: Apache-2.0

// Package resolve turns what is asked for (a Ref) into what will be loaded (a
// Plan), and remembers what it asked about on the way.
package resolve

import (
	"context"
	"fmt"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// Catalog is a source of extensions, as resolving needs it.
type Catalog interface {
	// Name of the catalog, unique among all.
	Name() string
	// Find lists the versions of a name, newest first, as namespace may see them.
	// It is not found when the catalog has no such name or is closed to namespace.
	Find(ctx context.Context, namespace string, t extension.Type, name string) (offers []extension.Offer, found bool, err error)
	// Fetch copies a version that was found into the store.
	Fetch(ctx context.Context, key extension.Key) (extension.Member, error)
	// Refresh reads a name again from its source.
	Refresh(ctx context.Context, t extension.Type, name string) error
}

// Request is one question to the Resolver.
type Request struct {
	Ref       extension.Ref
	Namespace string
	// Floor, where it is not empty, is a version below which nothing is chosen.
	Floor string
	// Refresh reads the catalogs again first.
	Refresh bool
}

// Resolver asks catalogs in their order.
type Resolver struct {
	catalogs []Catalog
}

// New makes a Resolver; of two catalogs with a name, the earlier owns it.
func New(catalogs ...Catalog) *Resolver { return &Resolver{catalogs: catalogs} }

// Resolve finds the newest version that fits and has it copied into the store.
// Every failure is a Fault (InvalidVersion, ExtensionNotFound, VersionNotFound,
// InvalidMetadata, LimitExceeded, CatalogUnavailable …) or the context's error.
// The Resolution is filled as far as resolving came.
func (r *Resolver) Resolve(ctx context.Context, req Request) (extension.Resolution, error) {
	var res extension.Resolution
	constraint, err := extension.ParseConstraint(req.Ref.Constraint)
	if err != nil {
		return res, err
	}
	catalog, offers, err := r.owner(ctx, req, &res)
	if err != nil {
		return res, err
	}
	version, err := choose(req, constraint, offers, &res)
	if err != nil {
		return res, err
	}
	member, err := catalog.Fetch(ctx, extension.Key{Type: req.Ref.Type, Name: req.Ref.Name, Version: version})
	if err != nil {
		return res, err
	}
	res.Plan = extension.Plan{Members: []extension.Member{member}}
	return res, nil
}

// owner finds the first catalog that has the name. Versions of two catalogs are
// never merged: otherwise whoever can add to a later catalog could take over a
// name of an earlier one with a higher version.
func (r *Resolver) owner(ctx context.Context, req Request, res *extension.Resolution) (Catalog, []extension.Offer, error) {
	asked := []string{}
	for _, c := range r.catalogs {
		if req.Ref.Catalog != "" && c.Name() != req.Ref.Catalog {
			continue
		}
		asked = append(asked, c.Name())
		res.Consulted = append(res.Consulted, extension.Consulted{Catalog: c.Name(), Type: req.Ref.Type, Name: req.Ref.Name})
		if req.Refresh {
			if err := c.Refresh(ctx, req.Ref.Type, req.Ref.Name); err != nil {
				return nil, nil, err
			}
		}
		offers, found, err := c.Find(ctx, req.Namespace, req.Ref.Type, req.Ref.Name)
		if err != nil {
			return nil, nil, err
		}
		if found {
			return c, offers, nil
		}
	}
	return nil, nil, r.notFound(req.Ref, asked)
}

func (r *Resolver) notFound(ref extension.Ref, asked []string) error {
	if len(asked) > 0 {
		return extension.NewFault(extension.ExtensionNotFound,
			"%s %s is in no catalog (looked in: %s); check spec.type and spec.name, or add it to a catalog",
			ref.Type, ref.Name, strings.Join(asked, ", "))
	}
	if ref.Catalog == "" {
		return extension.NewFault(extension.ExtensionNotFound,
			"%s %s is in no catalog: the operator has none; start it with --library", ref.Type, ref.Name)
	}
	names := make([]string, 0, len(r.catalogs))
	for _, c := range r.catalogs {
		names = append(names, c.Name())
	}
	return extension.NewFault(extension.ExtensionNotFound,
		"there is no catalog %q; catalogs: %s; correct spec.catalogRef.name or leave it out", ref.Catalog, strings.Join(names, ", "))
}

// choose takes the newest offer that fits, and notes why the newer ones did not.
func choose(req Request, constraint extension.Constraint, offers []extension.Offer, res *extension.Resolution) (string, error) {
	for _, offer := range offers {
		rule := refusal(offer, constraint, req.Floor)
		res.Candidates = append(res.Candidates, extension.Candidate{Version: offer.Version, Refused: rule})
		if rule == "" {
			return offer.Version, nil
		}
		if v, exact := constraint.Exact(); exact && offer.Version == v {
			return "", extension.NewFault(extension.InvalidMetadata, "version %s of %s %s is incomplete: %s; add what it lacks",
				v, req.Ref.Type, req.Ref.Name, offer.Incomplete)
		}
	}
	return "", versionNotFound(req, constraint, offers)
}

// refusal names the rule that an offer breaks; empty when it fits.
func refusal(offer extension.Offer, constraint extension.Constraint, floor string) string {
	_, exact := constraint.Exact()
	switch {
	case !constraint.Accepts(offer.Version) && constraint.String() == "":
		return "is a pre-release, and no version was asked for"
	case !constraint.Accepts(offer.Version):
		return fmt.Sprintf("does not fit %q", constraint)
	case offer.Incomplete != "":
		return "is incomplete: " + offer.Incomplete
	case !exact && floor != "" && extension.CompareVersions(offer.Version, floor) < 0:
		return fmt.Sprintf("is older than %s, which is loaded", floor)
	}
	return ""
}

// maxAvailable is how many versions a message and the status list.
const maxAvailable = 20

// versionNotFound says what there is instead: complete versions only, because no
// other can be had.
func versionNotFound(req Request, constraint extension.Constraint, offers []extension.Offer) error {
	available := make([]string, 0, len(offers))
	for _, offer := range offers {
		if offer.Incomplete == "" {
			available = append(available, offer.Version)
		}
	}
	list := "none"
	if len(available) > 0 {
		list = extension.FormatVersions(available, maxAvailable)
	}
	subject := fmt.Sprintf("%s %s", req.Ref.Type, req.Ref.Name)
	_, exact := constraint.Exact()
	var fault *extension.Fault
	switch {
	case req.Floor != "" && !exact:
		fault = extension.NewFault(extension.VersionNotFound,
			"version %s of %s, which is loaded, is gone from its catalog or incomplete there; available: %s; put it back, or change spec.version or request a reload to take an older one",
			req.Floor, subject, list)
	case constraint.String() == "":
		fault = extension.NewFault(extension.VersionNotFound,
			"no stable version of %s found; available: %s; name a pre-release in spec.version to take one", subject, list)
	default:
		fault = extension.NewFault(extension.VersionNotFound,
			"version %s of %s not found; available: %s", constraint, subject, list)
	}
	fault.Available = available[:min(len(available), maxAvailable)]
	return fault
}

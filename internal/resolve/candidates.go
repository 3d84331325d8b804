// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// choose takes the newest version that fits and whose dependencies can be had, and
// notes why the newer ones did not. Where none can be had, the answer is about the
// newest that fits.
func (q *inquiry) choose(ctx context.Context, constraint extension.Constraint) error {
	ref := q.req.Ref
	o, err := q.catalogs.owner(ctx, id{ref.Type, ref.Name}, ref.Catalog)
	switch {
	case err != nil:
		return err
	case o.catalog == nil:
		return q.catalogs.notFound(ctx, ref, o.asked)
	case o.fault != nil:
		return o.fault
	}
	var newest *failure
	for _, offer := range o.offers {
		rule, err := q.consider(ctx, constraint, o, offer)
		var failed *failure
		if errors.As(err, &failed) {
			newest = cmp.Or(newest, failed)
			rule, err = failed.fault.Message, nil
		}
		q.res.Candidates = append(q.res.Candidates, extension.Candidate{Version: offer.Version, Refused: rule})
		if err != nil || rule == "" {
			return err
		}
		if failed != nil && (*q.steps == 0 || failed.passing && q.req.Floor == "") {
			break // an older one first, and this one in a moment, is not what anybody wants
		}
	}
	if newest != nil {
		q.res.Root, q.res.Dependencies = newest.root, newest.dependencies
		return newest.fault
	}
	return versionNotFound(q.req, constraint, o)
}

// consider names the rule that an offer breaks; empty when it is taken, or would be
// but for the error. A failure is that of its dependencies.
func (q *inquiry) consider(ctx context.Context, constraint extension.Constraint, o *owner, offer extension.Offer) (rule string, err error) {
	if rule := refuses(offer, constraint, q.req.Floor); rule != "" {
		if v, exact := constraint.Exact(); exact && offer.Version == v {
			return rule, extension.NewFault(extension.InvalidMetadata, "version %s of %s %s is incomplete: %s; add what it lacks",
				v, q.req.Ref.Type, q.req.Ref.Name, offer.Incomplete)
		}
		return rule, nil
	}
	root, err := o.catalog.Fetch(ctx, extension.Key{Type: q.req.Ref.Type, Name: q.req.Ref.Name, Version: offer.Version})
	if err != nil {
		q.res.Root, q.res.Dependencies = extension.Member{}, nil // of a newer one
		return "", err
	}
	return "", q.plan(ctx, root)
}

// refuses names the rule that an offer breaks by itself; empty when it fits.
func refuses(offer extension.Offer, constraint extension.Constraint, floor string) string {
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
func versionNotFound(req Request, constraint extension.Constraint, o *owner) error {
	available := o.complete()
	list := listed(available)
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
	fault.Available = slices.Clip(available[:min(len(available), maxAvailable)])
	return fault
}

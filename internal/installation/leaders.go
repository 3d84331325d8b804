// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"fmt"
	"strconv"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Leases by which processes of this operator agree who reconciles.
const (
	// LoaderLease is of those that load Extensions, and may handle Installations too.
	LoaderLease = "extension-operator.provisioning.dev"
	// InstallerLease is of those that handle Installations alone.
	InstallerLease = "extension-installer.provisioning.dev"

	handlesLabel = group + "handles-installations"
)

// deployments have these Leases, as they are shipped.
var deployments = map[string]string{LoaderLease: "extension-manager", InstallerLease: "extension-installer"}

// LeaseLabels are what a leader writes on its Lease: whether it handles Installations.
func LeaseLabels(handles bool) map[string]string {
	return map[string]string{handlesLabel: strconv.FormatBool(handles)}
}

// lookAgain is how often a Lease is looked at. A leader renews it every 2 s.
const lookAgain = 500 * time.Millisecond

// Leader handles Installations.
type Leader struct {
	Lease types.NamespacedName
	// Name is that of its pod, and a word of its process.
	Name string
}

// LivingError says that a controller of Installations runs.
type LivingError struct{ Leader }

func (e LivingError) Error() string {
	return fmt.Sprintf("a controller of Installations is running: %s holds the Lease %s and renews it. It would put finalizers on again, and not end "+
		"what it uninstalls. Stop it first: give --stop=%s/%s (the namespace and name of its Deployment), or scale that to 0 or delete it", e.Name, e.Lease, e.Lease.Namespace, deployments[e.Lease.Name])
}

// AwaitNoLeader returns when no process of the cluster leads that handles Installations: at once, or when the Lease of one
// that has died has run out. A Lease that is renewed meanwhile is a LivingError. As in the election itself no clock but the own
// counts, so that it is looked at whether the Lease changes, and not what time it tells. waits is told for whom it waits.
func AwaitNoLeader(ctx context.Context, c client.Client, waits func(Leader, time.Duration)) error {
	first, err := leaders(ctx, c)
	if err != nil {
		return err
	}
	var longest time.Duration
	for leader, lease := range first {
		term := time.Duration(ptr.Deref(lease.LeaseDurationSeconds, 0)) * time.Second
		waits(leader, term)
		longest = max(longest, term)
	}
	over, again := time.After(longest), time.NewTicker(lookAgain)
	defer again.Stop()
	for now := first; len(now) > 0; {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until nobody handles Installations: %w", ctx.Err())
		case <-over:
			return nil
		case <-again.C:
		}
		if now, err = leaders(ctx, c); err != nil {
			return err
		}
		for leader, lease := range now {
			if !equality.Semantic.DeepEqual(lease, first[leader]) {
				return LivingError{leader}
			}
		}
	}
	return nil
}

// leaders are those that hold a Lease, whether or not they live, in all namespaces: nobody needs to know where the operator runs.
func leaders(ctx context.Context, c client.Client) (map[Leader]coordinationv1.LeaseSpec, error) {
	found := map[Leader]coordinationv1.LeaseSpec{}
	for _, name := range []string{InstallerLease, LoaderLease} {
		list := &coordinationv1.LeaseList{}
		only := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)}
		if err := c.List(ctx, list, only); err != nil {
			return nil, fmt.Errorf("look in all namespaces for the Lease %s, to see whether a controller of Installations is running, which takes the right to list it: %w", name, err)
		}
		for i := range list.Items {
			lease := &list.Items[i]
			holder := ptr.Deref(lease.Spec.HolderIdentity, "")
			if holder != "" && lease.Labels[handlesLabel] == strconv.FormatBool(true) {
				found[Leader{Lease: client.ObjectKeyFromObject(lease), Name: holder}] = lease.Spec
			}
		}
	}
	return found, nil
}

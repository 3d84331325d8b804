// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// gate tells what an attempt has to wait for before it begins: what it depends on, or a
// place to run; nil for nothing.
func (r *Reconciler) gate(ctx context.Context, inst *api.Installation, offered Offered) (*Fault, error) {
	fault, err := r.validateDependencies(ctx, inst, offered.Needs)
	if fault != nil || err != nil {
		return fault, err
	}
	return r.queue(ctx, inst)
}

// validateDependencies tells which dependencies have no Installation yet that is Ready
// with a version that fits.
func (r *Reconciler) validateDependencies(ctx context.Context, inst *api.Installation, needs []extension.Demand) (*Fault, error) {
	if len(needs) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to wait for
	}
	installations, extensions := &api.InstallationList{}, &api.ExtensionList{}
	for _, list := range []client.ObjectList{installations, extensions} {
		if err := r.Client.List(ctx, list, client.InNamespace(inst.Namespace)); err != nil {
			return nil, err
		}
	}
	var missing []string
	for _, need := range needs {
		if why := unmet(need, installations.Items, extensions.Items); why != "" {
			missing = append(missing, why)
		}
	}
	if len(missing) == 0 {
		return nil, nil //nolint:nilnil // there is nothing to wait for
	}
	slices.Sort(missing)
	return &Fault{Reason: api.DependencyNotReadyReason, Message: "waits for what it depends on: " + strings.Join(slices.Compact(missing), "; ")}, nil
}

// unmet is why no Installation satisfies a demand; empty where one does.
func unmet(need extension.Demand, installations []api.Installation, extensions []api.Extension) string {
	constraint, err := extension.ParseConstraint(need.Constraint)
	if err != nil {
		return need.Dependency.String() + ": " + err.Error()
	}
	why := need.Dependency.String() + " has no Installation in the namespace; create one"
	for i := range installations {
		other := &installations[i]
		if !runs(other, need, extensions) {
			continue
		}
		switch {
		case !readyNow(other):
			why = need.Dependency.String() + ": Installation " + other.Name + " is not Ready"
		case !constraint.Accepts(other.Status.Installed.Version):
			why = need.Dependency.String() + ": Installation " + other.Name + " has version " + other.Status.Installed.Version + ", which does not fit"
		default:
			return ""
		}
	}
	return why
}

// runs tells whether an Installation is of the extension that is demanded.
func runs(inst *api.Installation, need extension.Demand, extensions []api.Extension) bool {
	return slices.ContainsFunc(extensions, func(ext api.Extension) bool {
		return ext.Name == inst.Spec.ExtensionRef.Name && ext.Spec.Name == need.Name && extension.Type(ext.Spec.Type) == need.Type
	})
}

// readyNow tells whether what an Installation wants now is installed.
func readyNow(inst *api.Installation) bool {
	return inst.Status.Installed != nil && inst.Status.ObservedGeneration == inst.Generation && inst.DeletionTimestamp.IsZero() &&
		meta.IsStatusConditionPresentAndEqual(inst.Status.Conditions, api.ReadyCondition, metav1.ConditionTrue)
}

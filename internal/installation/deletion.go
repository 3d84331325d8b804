// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"
	"slices"
	"time"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Target is what an uninstall takes away: found in the ConfigMaps of that plan.
type Target struct {
	Version string
	Content extension.Digest
	Spec    extension.Digest
}

// TargetOf is what was installed last or, where nothing was, what an attempt that came
// past Configure may have left; nil where nothing can be there.
func TargetOf(inst *api.Installation) *Target {
	if done := inst.Status.Installed; done != nil {
		return &Target{done.Version, extension.Digest(done.ContentDigest), extension.Digest(done.SpecDigest)}
	}
	began := func(s api.InstallationStep) bool { return s.Name == api.InstallStep && s.State != api.StepPending }
	if last := Recorded(inst); last != nil && slices.ContainsFunc(last.Steps, began) {
		return &Target{last.Plan.Version, extension.Digest(last.Plan.ContentDigest), extension.Digest(last.Plan.SpecDigest)}
	}
	return nil
}

// Obstacles are what an uninstall cannot overcome.
type Obstacles struct {
	// NamespaceTerminating: nothing can be made in the namespace any more.
	NamespaceTerminating bool
	// Why nothing can be run: the payload or the account is gone, or the Job is refused;
	// empty where nothing is known to stand in the way.
	Why string
}

// Farewell is what an Installation that is being deleted needs next.
type Farewell struct {
	// Release: our finalizers go, from the payload too.
	Release bool
	// Left says what stays behind that should not, and why; empty for nothing.
	Left string
	// Observe: an attempt is under way; its Job says how far it is.
	Observe bool
	// Run is the uninstall to begin.
	Run *Target
	// Token is the retry token that it handles; empty for none.
	Token string
	// Again is when to look again without an event; 0 for never.
	Again time.Duration
}

// Leave says what an Installation that is being deleted needs next.
func Leave(inst *api.Installation, o Obstacles, now time.Time) Farewell {
	target, last := TargetOf(inst), Recorded(inst)
	uninstalls := last != nil && last.Purpose == api.UninstallPurpose
	left := uninstallDeadline(inst).Sub(now)
	switch {
	case inst.Spec.DeletionPolicy != api.UninstallOnDeletion || target == nil, uninstalls && last.EndedWell():
		return Farewell{Release: true}
	case o.NamespaceTerminating:
		return leaveBehind(inst, target, "its namespace is being deleted, and no Job can run there any more")
	case o.Why != "":
		return leaveBehind(inst, target, o.Why)
	case inst.Spec.Suspend && !uninstalls:
		return leaveBehind(inst, target, "it is suspended")
	case left <= 0:
		return leaveBehind(inst, target, "it was not uninstalled in time")
	case last != nil && !last.Ended():
		return Farewell{Observe: true, Again: left}
	case uninstalls && retryToken(inst) == "":
		return Farewell{Again: left}
	}
	return Farewell{Run: target, Token: retryToken(inst), Again: left}
}

// uninstallDeadline counts from the deletion, and not from the first try: what is deleted
// is gone some day.
func uninstallDeadline(inst *api.Installation) time.Time {
	return inst.DeletionTimestamp.Add(deadlineOf(inst.Spec, api.UninstallPurpose))
}

func leaveBehind(inst *api.Installation, t *Target, why string) Farewell {
	return Farewell{Release: true, Left: fmt.Sprintf(
		"what %s %s installed is left behind, because %s; it has the label %s=%s", inst.Spec.ExtensionRef.Name, t.Version, why, UIDLabel, inst.UID)}
}

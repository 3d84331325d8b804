// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"
	"slices"
	"time"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/status"
)

// Target is what an uninstall takes away: found in the ConfigMaps of that plan.
type Target struct {
	Version string
	Content extension.Digest
	Spec    extension.Digest
}

// TargetOf is what was installed last or, where nothing was, what an attempt may have left;
// nil where nothing can be there.
func TargetOf(inst *api.Installation) *Target {
	if done := inst.Status.Installed; done != nil {
		return &Target{done.Version, extension.Digest(done.ContentDigest), extension.Digest(done.SpecDigest)}
	}
	if last := Recorded(inst); last != nil && mayHaveActed(*last) {
		return &Target{last.Plan.Version, extension.Digest(last.Plan.ContentDigest), extension.Digest(last.Plan.SpecDigest)}
	}
	return nil
}

// mayHaveActed tells whether an attempt, or the one that it takes away, can have come past
// Configure. Only a Configure that was seen to fail by itself is a proof that it has not:
// what was not seen to its end may have gone on.
func mayHaveActed(a Attempt) bool {
	return a.Purpose != api.PlanPurpose && !slices.ContainsFunc(a.Steps, func(s api.InstallationStep) bool {
		return a.Purpose == api.ApplyPurpose && s.Name == api.ConfigureStep && s.State == api.StepFailed && s.ExitCode != nil
	})
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
	case last != nil && !last.Ended() && left > 0:
		return Farewell{Observe: true, Again: left} // its pod has all that it needs
	case o.NamespaceTerminating:
		return leaveBehind(inst, target, "its namespace is being deleted, and no Job can run there any more")
	case o.Why != "":
		return leaveBehind(inst, target, o.Why)
	case inst.Spec.Suspend && !uninstalls:
		return leaveBehind(inst, target, "it is suspended")
	case left <= 0:
		return leaveBehind(inst, target, "it was not uninstalled in time")
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
	const room = 320 // for the words around
	return Farewell{Release: true, Left: status.Message(fmt.Sprintf("what %s %s installed is left behind, because %s; it has the label %s=%s",
		inst.Spec.ExtensionRef.Name, t.Version, status.Cut(why, api.MaxMessageLength-room-len(inst.Spec.ExtensionRef.Name)), UIDLabel, inst.UID))}
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/status"
)

// Outcome is what one look at an Installation has found.
type Outcome struct {
	// Fault is what keeps an attempt from being made; nil for nothing.
	Fault *Fault
	// Attempt is the newest one as it is now; nil where there was none.
	Attempt *Attempt
	// Upgrade is what the Extension has and upgradePolicy leaves alone; nil for nothing.
	// OfferUnknown: nobody knows what it has now, and what was told of it stays.
	Upgrade      *Upgrade
	OfferUnknown bool
	// Token is the retry token that the attempt handles; empty for none.
	Token string
	Now   time.Time
}

// Compute returns the status that inst should have after an outcome. Conditions of other
// owners are carried over. What is installed changes only by an attempt that ended well.
func Compute(inst *api.Installation, o Outcome) api.InstallationStatus {
	s := *inst.Status.DeepCopy()
	s.ObservedGeneration = inst.Generation
	if a := o.Attempt; a != nil {
		record(&s, *a, o.Now)
		if !a.Ended() {
			// A change of the spec waits for its end: until then nothing is said about it.
			s.ObservedGeneration = a.Generation
		}
	}
	if o.Token != "" {
		s.LastHandledRetryAt = o.Token
	}
	c := conditions{list: &s.Conditions, generation: s.ObservedGeneration, now: metav1.NewTime(o.Now).Rfc3339Copy()}
	c.installed(s.Installed)
	if !o.OfferUnknown {
		c.upgrade(o.Upgrade)
	}
	switch {
	case o.Fault != nil:
		c.fault(*o.Fault)
		waitAt(&s, *o.Fault)
	case o.Attempt != nil:
		c.attempt(inst, *o.Attempt)
	}
	return s
}

// record writes the attempt and, where it has ended well, what it leaves behind.
func record(s *api.InstallationStatus, a Attempt, now time.Time) {
	at := a.At()
	switch before := s.Attempt; {
	case before != nil && before.Number == a.Number && before.EndedAt != nil:
		a.EndedAt = before.EndedAt
	case a.Ended():
		a.EndedAt = moment(metav1.NewTime(now))
	}
	s.Attempt, s.Plan, s.Steps = &a.InstallationAttempt, &a.Plan, a.Steps
	s.Step = at.Name + "/" + at.State
	if a.Purpose != api.ApplyPurpose || !a.EndedWell() {
		return
	}
	done := api.InstalledPlan{
		Key: a.Plan.Key, Version: a.Plan.Version, Digest: a.Plan.Digest, ContentDigest: a.Plan.ContentDigest, SpecDigest: a.Plan.SpecDigest, ConfigDigest: a.Plan.ConfigDigest,
	}
	if at.FinishedAt != nil {
		done.At = *at.FinishedAt
	}
	s.Installed = &done
	s.History = history(s.History, done)
}

// waitAt shows the step that an attempt waits at before it begins. Where there was none
// yet, the steps are those before its Job.
func waitAt(s *api.InstallationStatus, f Fault) {
	step, before := api.LoadStep, []string(nil)
	switch f.Reason {
	case api.ExtensionNotFoundReason, api.ExtensionNotReadyReason, api.ExtensionReplacedReason:
	case api.DependencyNotReadyReason:
		step, before = api.ValidateDependenciesStep, []string{api.LoadStep}
	default:
		return
	}
	s.Step = step + "/" + api.StepWaiting
	if s.Attempt != nil {
		return
	}
	s.Steps = nil
	for _, name := range before {
		s.Steps = append(s.Steps, api.InstallationStep{Name: name, State: api.StepSucceeded})
	}
	s.Steps = append(s.Steps, api.InstallationStep{Name: step, State: api.StepWaiting, Reason: f.Reason, Message: status.Message(f.Message)})
}

// history puts entry first, once.
func history(old []api.InstalledPlan, entry api.InstalledPlan) []api.InstalledPlan {
	out := []api.InstalledPlan{entry}
	for _, e := range old {
		if e != entry {
			out = append(out, e)
		}
	}
	return out[:min(len(out), api.MaxHistory)]
}

// conditions sets the condition types that are ours in a list that others may share.
type conditions struct {
	list       *[]metav1.Condition
	generation int64
	now        metav1.Time
}

func (c conditions) set(conditionType string, is metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.list, metav1.Condition{
		Type: conditionType, Status: is, Reason: reason, Message: status.Message(message),
		ObservedGeneration: c.generation, LastTransitionTime: c.now,
	})
}

func (c conditions) remove(conditionTypes ...string) {
	for _, t := range conditionTypes {
		meta.RemoveStatusCondition(c.list, t)
	}
}

func (c conditions) installed(plan *api.InstalledPlan) {
	if plan == nil {
		c.set(api.InstalledCondition, metav1.ConditionFalse, api.NotInstalledReason, "nothing has been installed and verified yet")
		return
	}
	c.set(api.InstalledCondition, metav1.ConditionTrue, api.InstalledReason, "version "+plan.Version+" is installed")
}

func (c conditions) upgrade(u *Upgrade) {
	if u == nil {
		c.remove(api.UpgradeAvailableCondition)
		return
	}
	c.set(api.UpgradeAvailableCondition, metav1.ConditionTrue, u.Reason, u.Message)
}

// fault says what keeps the Installation from being Ready, and by its class what that
// waits for.
func (c conditions) fault(f Fault) {
	c.set(api.ReadyCondition, metav1.ConditionFalse, f.Reason, f.Message)
	// What stays True is set over, not removed first: it keeps its transition time.
	switch f.Class() {
	case extension.Terminal:
		c.remove(api.ReconcilingCondition)
		c.set(api.StalledCondition, metav1.ConditionTrue, f.Reason, f.Message)
	case extension.Retryable:
		c.remove(api.StalledCondition)
		c.set(api.ReconcilingCondition, metav1.ConditionTrue, f.Reason, f.Message)
	default:
		c.remove(api.ReconcilingCondition, api.StalledCondition)
	}
}

// attempt says how the newest attempt fares.
func (c conditions) attempt(inst *api.Installation, a Attempt) {
	switch {
	case !a.Ended():
		c.fault(underWayFault(a))
	case !a.EndedWell():
		at := a.At()
		c.fault(Fault{Reason: at.Reason, Message: fmt.Sprintf("attempt %d: %s%s", a.Number, at.Message, staysInstalled(inst.Status.Installed))})
	case a.Purpose == api.PlanPurpose:
		c.fault(*approval(inst, a.Plan))
	case a.Purpose == api.UninstallPurpose:
		c.fault(Fault{Reason: api.UninstallingReason, Message: inst.Spec.ExtensionRef.Name + " is uninstalled"})
	default:
		c.remove(api.ReconcilingCondition, api.StalledCondition)
		c.set(api.ReadyCondition, metav1.ConditionTrue, api.InstalledReason,
			fmt.Sprintf("%s %s is installed and verified", inst.Spec.ExtensionRef.Name, a.Plan.Version))
	}
}

// verbs are what an attempt does, by its purpose.
var verbs = map[string]string{
	api.PlanPurpose: api.PlanningReason, api.ApplyPurpose: api.InstallingReason, api.UninstallPurpose: api.UninstallingReason,
}

// underWayFault says which step an attempt is at, and what that waits for.
func underWayFault(a Attempt) Fault {
	at := a.At()
	where := fmt.Sprintf("attempt %d to %s: ", a.Number, map[string]string{
		api.PlanPurpose: "plan", api.ApplyPurpose: "install", api.UninstallPurpose: "uninstall",
	}[a.Purpose])
	switch at.State {
	case api.StepWaiting:
		return Fault{Reason: at.Reason, Message: where + at.Name + " waits in Job " + at.Job + ": " + at.Message}
	case api.StepRunning:
		return Fault{Reason: verbs[a.Purpose], Message: where + at.Name + " runs in Job " + at.Job}
	default:
		return Fault{Reason: verbs[a.Purpose], Message: where + at.Name + " is next in Job " + at.Job}
	}
}

func staysInstalled(plan *api.InstalledPlan) string {
	if plan == nil {
		return ""
	}
	return "; the last version that was verified is " + plan.Version
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"fmt"

	"github.com/Masterminds/semver/v3"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Offer is what an Extension has that is Ready: its last good load.
type Offer struct {
	// Key of the root.
	Key extension.Key
	// Content is the ContentDigest of it and all that it was loaded with.
	Content extension.Digest
}

// Upgrade is an Offer that nobody has asked to install.
type Upgrade struct {
	// Reason is NewVersion or NewContent.
	Reason string
	// Message says what there is and how to have it.
	Message string
}

// Question is what a Decision is made from, besides the Installation.
type Question struct {
	// Offer of the Extension; nil while it has none, and NotReady says why.
	Offer    *Offer
	NotReady *Fault
	// Image that the next attempt would run with.
	Image string
}

// Decision is what an Installation needs next. At most one of Fault and Run is set; none means that all is as it should be, or as somebody has to change it.
type Decision struct {
	// Fault is what the next attempt waits for.
	Fault *Fault
	// Run is an attempt to begin.
	Run *Run
	// Upgrade is what is there and left alone.
	Upgrade *Upgrade
}

// Run is an attempt to begin.
type Run struct {
	// Purpose is Plan or Apply.
	Purpose string
	// Kept: the payload is that of the plan in the status, which was approved, and not the
	// Extension's.
	Kept bool
	// Config, where it is set, is the only configuration that may be installed.
	Config extension.Digest
	// Token is the retry token that the attempt handles; empty for none.
	Token string
}

// Decide says what an Installation needs next that is not being deleted and has no attempt
// under way.
func Decide(inst *api.Installation, q Question) (Decision, error) {
	spec, err := SpecDigest(inst.Spec)
	if err != nil {
		return Decision{}, err
	}
	d := decider{inst: inst, q: q, last: Recorded(inst), spec: string(spec), token: retryToken(inst)}
	decision := d.decide()
	if decision.Run == nil {
		decision.Upgrade = d.upgrade()
	}
	return decision, nil
}

// retryToken is the token of a retry that was not handled yet, in the form in which it is
// recorded: itself, or its digest where it is longer than the status holds.
func retryToken(inst *api.Installation) string {
	token := api.RecordedToken(inst.Annotations[api.RetryAnnotation])
	if token == inst.Status.LastHandledRetryAt {
		return ""
	}
	return token
}

type decider struct {
	inst *api.Installation
	q    Question
	// last is the newest attempt; nil for none.
	last  *Attempt
	spec  string
	token string
}

func (d decider) decide() Decision {
	switch {
	case d.inst.Spec.Suspend:
		return Decision{Fault: d.suspended()}
	case d.asked():
		return d.begin()
	case d.last.Purpose == api.PlanPurpose && d.last.EndedWell():
		return d.planned()
	}
	return Decision{}
}

// suspended is why what is asked for does not begin; nil where nothing is.
func (d decider) suspended() *Fault {
	switch {
	case d.last == nil:
		return &Fault{Reason: api.SuspendedReason, Message: "suspended before the first attempt; set spec.suspend to false to install"}
	case d.asked():
		return &Fault{Reason: api.SuspendedReason, Message: "suspended, and a change or a retry waits; set spec.suspend to false to go on"}
	}
	return nil
}

// asked tells whether an attempt is asked for: the first one, a retry, a change of the
// spec, or one of the Extension that upgradePolicy lets through.
func (d decider) asked() bool {
	return d.last == nil || d.token != "" || d.last.Plan.SpecDigest != d.spec || d.changed() && d.lets()
}

// changed tells whether the Extension has something else than the newest plan.
func (d decider) changed() bool {
	return d.last != nil && d.q.Offer != nil && string(d.q.Offer.Content) != d.last.Plan.ContentDigest
}

// lets tells whether upgradePolicy installs a change of the Extension alone.
func (d decider) lets() bool {
	switch d.inst.Spec.UpgradePolicy {
	case api.AutoUpgrade:
		return true
	case api.SameVersionUpgrade:
		return d.q.Offer.Key.Version == d.last.Plan.Version
	default:
		return false
	}
}

// begin is an attempt with what the Extension has, or the wait for it.
func (d decider) begin() Decision {
	if d.q.Offer == nil {
		return Decision{Fault: d.q.NotReady}
	}
	if fault := d.replaced(); fault != nil {
		return Decision{Fault: fault}
	}
	run := &Run{Purpose: api.ApplyPurpose, Token: d.token}
	if d.gated(d.q.Offer.Key.Version) {
		run.Purpose = api.PlanPurpose
		if d.approvedBefore() {
			run.Purpose, run.Config = api.ApplyPurpose, extension.Digest(d.last.Plan.ConfigDigest)
		}
	}
	return Decision{Run: run}
}

// replaced is that the Extension is another extension now than the one that was run: what
// is installed belongs to that.
func (d decider) replaced() *Fault {
	if d.last == nil {
		return nil
	}
	was, known := extension.ParseKey(d.last.Plan.Key)
	is := d.q.Offer.Key
	if !known || was.Type == is.Type && was.Name == is.Name {
		return nil
	}
	return &Fault{Reason: api.ExtensionReplacedReason, Message: fmt.Sprintf(
		"Extension %s is %s/%s now, and what was run is %s/%s; create another Installation for it, or put the Extension back",
		d.inst.Spec.ExtensionRef.Name, is.Type, is.Name, was.Type, was.Name)}
}

// approvedBefore tells whether a retry is of the very plan that was approved, and whose
// configuration was not what stood in its way.
func (d decider) approvedBefore() bool {
	return d.last != nil && d.approved() && d.last.Plan.SpecDigest == d.spec && !d.changed() &&
		d.last.Plan.Image == d.q.Image && d.last.At().Reason != api.PayloadRefusedReason
}

// planned is what becomes of a plan that was made: it is installed when it may be, as it
// was made, whatever the Extension has by now.
func (d decider) planned() Decision {
	plan := d.last.Plan
	switch {
	case plan.Image != d.q.Image:
		return d.begin() // it is not what would run any more
	case !d.gated(plan.Version):
		return Decision{Run: &Run{Purpose: api.ApplyPurpose, Kept: true}}
	case d.approved():
		return Decision{Run: &Run{Purpose: api.ApplyPurpose, Kept: true, Config: extension.Digest(plan.ConfigDigest)}}
	}
	return Decision{Fault: approval(d.inst, plan)}
}

func (d decider) approved() bool {
	return d.last.Plan.Digest != "" && d.inst.Spec.ApprovedPlan == d.last.Plan.Digest
}

// gated tells whether installing the version needs an approval.
func (d decider) gated(version string) bool {
	spec, installed := d.inst.Spec, d.inst.Status.Installed
	return spec.Mode == api.PlanMode || spec.UpgradePolicy == api.AutoUpgrade && installed != nil && risky(installed.Version, version)
}

// risky tells whether the way from one version to another lowers it or changes its major,
// below 1.0 its minor. What cannot be read is risky.
func risky(from, to string) bool {
	f, errFrom := semver.StrictNewVersion(from)
	t, errTo := semver.StrictNewVersion(to)
	if errFrom != nil || errTo != nil || t.LessThan(f) {
		return true
	}
	return t.Major() != f.Major() || t.Major() == 0 && t.Minor() != f.Minor()
}

// approval is the wait for it.
func approval(inst *api.Installation, plan api.InstallationPlan) *Fault {
	what := fmt.Sprintf("%s %s is planned; set spec.approvedPlan to %s to install it", inst.Spec.ExtensionRef.Name, plan.Version, plan.Digest)
	if inst.Spec.ApprovedPlan != "" && inst.Spec.ApprovedPlan != plan.Digest {
		what += ": the one that is approved is another plan"
	}
	return &Fault{Reason: api.AwaitingApprovalReason, Message: what}
}

// upgrade is what the Extension has and nothing asks for.
func (d decider) upgrade() *Upgrade {
	if !d.changed() || d.asked() {
		return nil
	}
	name, offered, has := d.inst.Spec.ExtensionRef.Name, d.q.Offer.Key.Version, d.last.Plan.Version
	how := "; it is installed by the next change of the spec, by a new value of the annotation " + api.RetryAnnotation + ", or by another upgradePolicy"
	if offered == has {
		return &Upgrade{api.NewContentReason, fmt.Sprintf("%s %s has new content%s", name, offered, how)}
	}
	return &Upgrade{api.NewVersionReason, fmt.Sprintf("%s %s is there, after %s%s", name, offered, has, how)}
}

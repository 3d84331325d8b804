// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

func decide(g Gomega, inst *api.Installation, q installation.Question) installation.Decision {
	before := inst.DeepCopy()
	if q.Image == "" {
		q.Image = image
	}
	d, err := installation.Decide(inst, q)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(inst).To(Equal(before), "Decide changes nothing that it is given")
	count := 0
	for _, set := range []bool{d.Fault != nil, d.Run != nil} {
		if set {
			count++
		}
	}
	g.Expect(count).To(BeNumerically("<=", 1), "%+v", d)
	return d
}

// spelled is a decision in one line.
func spelled(d installation.Decision) string {
	var parts []string
	switch {
	case d.Fault != nil:
		parts = append(parts, "wait "+d.Fault.Reason)
	case d.Run != nil:
		parts = append(parts, "run "+d.Run.Purpose)
		if d.Run.Kept {
			parts = append(parts, "kept")
		}
		if d.Run.Config != "" {
			parts = append(parts, "pinned")
		}
		if d.Run.Token != "" {
			parts = append(parts, "token")
		}
	default:
		parts = append(parts, "rest")
	}
	if d.Upgrade != nil {
		parts = append(parts, d.Upgrade.Reason)
	}
	return strings.Join(parts, " ")
}

// how an Installation came to be as it is before the decision.
type past func(g Gomega) *api.Installation

func fresh(Gomega) *api.Installation { return newInstallation() }

func withPast(purpose, seen string) past {
	return func(g Gomega) *api.Installation { return ran(g, newInstallation(), purpose, seen) }
}

var (
	installed = withPast(api.ApplyPurpose, "all is well")
	broken    = withPast(api.ApplyPurpose, "install failed")
	underWay  = withPast(api.ApplyPurpose, "install runs")
	planned   = withPast(api.PlanPurpose, "all is well")
)

// withLost is one whose Job was deleted.
var withLost = withPast(api.ApplyPurpose, "a Job deleted by hand")

func set(change func(*api.InstallationSpec)) func(*api.Installation) {
	return func(i *api.Installation) {
		change(&i.Spec)
		i.Generation++
	}
}

func policy(p api.UpgradePolicy) func(*api.Installation) {
	return set(func(s *api.InstallationSpec) { s.UpgradePolicy = p })
}

var (
	otherValues = set(func(s *api.InstallationSpec) { s.Values = &runtime.RawExtension{Raw: []byte(`{"replicas":5}`)} })
	otherOnly   = set(func(s *api.InstallationSpec) { s.DeletionPolicy = api.UninstallOnDeletion })
	suspended   = set(func(s *api.InstallationSpec) { s.Suspend = true })
	planMode    = set(func(s *api.InstallationSpec) { s.Mode = api.PlanMode })
	auto        = policy(api.AutoUpgrade)
	sameVersion = policy(api.SameVersionUpgrade)
)

func retry(i *api.Installation) {
	metav1.SetMetaDataAnnotation(&i.ObjectMeta, api.RetryAnnotation, "token-1")
}

func approved(i *api.Installation) { i.Spec.ApprovedPlan = i.Status.Plan.Digest }

func approvedOther(i *api.Installation) { i.Spec.ApprovedPlan = string(digest("0")) }

func handled(i *api.Installation) { i.Status.LastHandledRetryAt = "token-1" }

func refused(i *api.Installation) {
	i.Status.Attempt.Purpose = api.ApplyPurpose
	i.Status.Steps[2].State, i.Status.Steps[2].Reason = api.StepFailed, api.PayloadRefusedReason
}

func failedApply(i *api.Installation) {
	i.Status.Attempt.Purpose = api.ApplyPurpose
	i.Status.Steps[2].State, i.Status.Steps[2].Reason = api.StepFailed, api.InstallFailedReason
}

var none = installation.Question{NotReady: &installation.Fault{Reason: api.ExtensionNotReadyReason, Message: "it is not Ready"}}

func has(version, hex string) installation.Question {
	return installation.Question{Offer: offer(version, hex)}
}

func TestWhatIsNeededNext(t *testing.T) {
	same, newContent, newer, major, lower := has("16.4.0", "a"), has("16.4.0", "b"), has("16.5.0", "b"), has("17.2.0", "b"), has("16.3.0", "b")
	otherImage := same
	otherImage.Image = "extension-operator:v2"
	for _, c := range []struct {
		name   string
		past   past
		change []func(*api.Installation)
		q      installation.Question
		want   string
	}{
		{"the first attempt", fresh, nil, same, "run Apply"},
		{"a token at the first attempt is handled by it", fresh, []func(*api.Installation){retry}, same, "run Apply token"},
		{"no Extension yet", fresh, nil, none, "wait ExtensionNotReady"},
		{"suspended before the first attempt", fresh, []func(*api.Installation){suspended}, same, "wait Suspended"},
		{"the first attempt in mode Plan", fresh, []func(*api.Installation){planMode}, same, "run Plan"},
		{"Auto needs no approval of the first", fresh, []func(*api.Installation){auto}, same, "run Apply"},

		{"all is as it should be", installed, nil, same, "rest"},
		{"a change of what no run depends on", installed, []func(*api.Installation){otherOnly}, same, "rest"},
		{"an Extension that is not Ready any more", installed, nil, none, "rest"},
		{"another image of the operator", installed, nil, otherImage, "rest"},
		{"another image, under Auto", installed, []func(*api.Installation){auto}, otherImage, "rest"},
		{"other values", installed, []func(*api.Installation){otherValues}, same, "run Apply"},
		{"other values without an Extension", installed, []func(*api.Installation){otherValues}, none, "wait ExtensionNotReady"},
		{"other values take what the Extension has", installed, []func(*api.Installation){otherValues}, major, "run Apply"},
		{"suspended, and nothing to do", installed, []func(*api.Installation){suspended}, same, "rest"},
		{"suspended, and an upgrade is there", installed, []func(*api.Installation){suspended}, newer, "rest NewVersion"},
		{"suspended, and other values", installed, []func(*api.Installation){otherValues, suspended}, same, "wait Suspended"},
		{"a retry of what is installed", installed, []func(*api.Installation){retry}, same, "run Apply token"},
		{"a token that was handled", installed, []func(*api.Installation){retry, handled}, same, "rest"},

		{"Manual, new content", installed, nil, newContent, "rest NewContent"},
		{"Manual, a new version", installed, nil, newer, "rest NewVersion"},
		{"Manual, a new version and a retry", installed, []func(*api.Installation){retry}, newer, "run Apply token"},
		{"SameVersion, new content", installed, []func(*api.Installation){sameVersion}, newContent, "run Apply"},
		{"SameVersion, a new version", installed, []func(*api.Installation){sameVersion}, newer, "rest NewVersion"},
		{"Auto, new content", installed, []func(*api.Installation){auto}, newContent, "run Apply"},
		{"Auto, a minor version", installed, []func(*api.Installation){auto}, newer, "run Apply"},
		{"Auto, a major version", installed, []func(*api.Installation){auto}, major, "run Plan"},
		{"Auto, a lower version", installed, []func(*api.Installation){auto}, lower, "run Plan"},
		{"Auto, suspended", installed, []func(*api.Installation){auto, suspended}, newer, "wait Suspended"},

		{"a failure stays", broken, nil, same, "rest"},
		{"a failure after a restart with another image", broken, nil, otherImage, "rest"},
		{"an outcome that is not known stays", withLost, nil, same, "rest"},
		{"an outcome that is not known, retried", withLost, []func(*api.Installation){retry}, same, "run Apply token"},
		{"a failure, and an author's repair under Manual", broken, nil, newContent, "rest NewContent"},
		{"a failure, and an author's repair under SameVersion", broken, []func(*api.Installation){sameVersion}, newContent, "run Apply"},
		{"a failure, and other values", broken, []func(*api.Installation){otherValues}, same, "run Apply"},

		{"a plan waits", planned, []func(*api.Installation){planMode}, same, "wait AwaitingApproval"},
		{"the approval of an old plan", planned, []func(*api.Installation){planMode, approvedOther}, same, "wait AwaitingApproval"},
		{"a plan that is approved", planned, []func(*api.Installation){planMode, approved}, same, "run Apply kept pinned"},
		{"a plan that is approved, suspended", planned, []func(*api.Installation){planMode, approved, suspended}, same, "rest"},
		{"a plan that is approved is what is installed, whatever came since", planned, []func(*api.Installation){planMode, approved}, major, "run Apply kept pinned"},
		{"a plan that is approved needs no Extension", planned, []func(*api.Installation){planMode, approved}, none, "run Apply kept pinned"},
		{"a plan that nothing holds back any more", planned, nil, same, "run Apply kept"},
		{"a plan, and other values", planned, []func(*api.Installation){planMode, approved, otherValues}, same, "run Plan"},
		{"a plan of another image", planned, []func(*api.Installation){planMode, approved}, otherImage, "run Plan"},
		{"a plan, and a change under Auto", planned, []func(*api.Installation){planMode, auto}, newContent, "run Plan"},
		{"an approved plan that failed", planned, []func(*api.Installation){planMode, approved, failedApply}, same, "rest"},
		{"an approved plan that failed, retried", planned, []func(*api.Installation){planMode, approved, failedApply, retry}, same, "run Apply pinned token"},
		{"an approved plan whose configuration came out otherwise, retried", planned, []func(*api.Installation){planMode, approved, refused, retry}, same, "run Plan token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			inst := c.past(g)
			for _, change := range c.change {
				change(inst)
			}
			g.Expect(spelled(decide(g, inst, c.q))).To(Equal(c.want))
		})
	}
}

func TestAPlanIsPinnedToWhatWasApproved(t *testing.T) {
	g := NewWithT(t)
	inst := planned(g)
	planMode(inst)
	approved(inst)
	d := decide(g, inst, has("16.4.0", "a"))
	g.Expect(d.Run.Config).To(Equal(digest("f")))
}

func TestTheWayToAnApprovalIsSaid(t *testing.T) {
	g := NewWithT(t)
	inst := planned(g)
	planMode(inst)
	g.Expect(decide(g, inst, none).Fault.Message).To(Equal("postgresql 16.4.0 is planned; set spec.approvedPlan to " + inst.Status.Plan.Digest + " to install it"))
	approvedOther(inst)
	g.Expect(decide(g, inst, none).Fault.Message).To(HaveSuffix("the one that is approved is another plan"))
}

func TestALongTokenIsRecordedAsItsDigest(t *testing.T) {
	g := NewWithT(t)
	inst := installed(g)
	metav1.SetMetaDataAnnotation(&inst.ObjectMeta, api.RetryAnnotation, strings.Repeat("t", 129))
	d := decide(g, inst, has("16.4.0", "a"))
	g.Expect(extension.Digest(d.Run.Token).Valid()).To(BeTrue())
	inst.Status.LastHandledRetryAt = d.Run.Token
	g.Expect(spelled(decide(g, inst, has("16.4.0", "a")))).To(Equal("rest"))
}

func TestVersionsThatNeedAnApproval(t *testing.T) {
	for _, c := range []struct {
		from, to string
		plan     bool
	}{
		{"1.2.3", "1.2.4", false}, {"1.2.3", "1.3.0", false}, {"1.2.3", "2.0.0", true}, {"1.2.3", "1.2.2", true}, {"1.2.3", "1.2.3-rc.1", true},
		{"1.2.3-rc.1", "1.2.3", false}, {"0.2.3", "0.2.4", false}, {"0.2.3", "0.3.0", true}, {"0.9.0", "1.0.0", true}, {"1.0.0", "0.9.0", true},
		{"forged", "1.0.0", true}, {"1.0.0", "1.0.0", false},
	} {
		g := NewWithT(t)
		inst := installed(g)
		auto(inst)
		inst.Status.Installed.Version = c.from
		d := decide(g, inst, has(c.to, "b"))
		g.Expect(d.Run.Purpose == api.PlanPurpose).To(Equal(c.plan), "%s to %s", c.from, c.to)
	}
}

// One changed library file and many that are installed: nothing runs.
func TestAChangedLibraryRunsNothingByItself(t *testing.T) {
	g := NewWithT(t)
	inst := installed(g)
	for _, hex := range []string{"b", "d", "e"} {
		d := decide(g, inst, has("16.4.0", hex))
		g.Expect(d.Run).To(BeNil())
		g.Expect(d.Upgrade.Message).To(ContainSubstring("postgresql 16.4.0 has new content; it is installed by the next change of the spec"))
	}
}

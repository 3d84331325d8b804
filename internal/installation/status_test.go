// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/test/argocd"
)

var ourTypes = []string{api.ReadyCondition, api.InstalledCondition, api.UpgradeAvailableCondition, api.ReconcilingCondition, api.StalledCondition}

// after is inst as it is once the outcome is written; it checks what holds for every status.
func after(g Gomega, inst *api.Installation, o installation.Outcome) *api.Installation {
	if o.Now.IsZero() {
		o.Now = noon
	}
	before, next := inst.DeepCopy(), inst.DeepCopy()
	next.Status = installation.Compute(inst, o)
	g.Expect(inst).To(Equal(before), "Compute changes nothing that it is given")
	g.Expect(condition(next, api.ReadyCondition)).NotTo(BeNil())
	for _, c := range next.Status.Conditions {
		g.Expect(c.ObservedGeneration).To(Equal(next.Status.ObservedGeneration), c.Type)
		g.Expect(c.Message).NotTo(BeEmpty(), c.Type)
		g.Expect(len(c.Message)).To(BeNumerically("<=", api.MaxMessageLength), c.Type)
	}
	g.Expect(condition(next, api.ReconcilingCondition) == nil || condition(next, api.StalledCondition) == nil).To(BeTrue())
	o.Now = o.Now.Add(time.Hour)
	g.Expect(equality.Semantic.DeepEqual(next.Status, installation.Compute(next, o))).To(BeTrue(), "the same outcome, later, gives the same status")
	return next
}

func condition(inst *api.Installation, conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(inst.Status.Conditions, conditionType)
}

// summary is the conditions as Type=Status/Reason.
func summary(inst *api.Installation) []string {
	var list []string
	for _, c := range inst.Status.Conditions {
		list = append(list, c.Type+"="+string(c.Status)+"/"+c.Reason)
	}
	return list
}

// verdict is what kstatus, and so every tool that uses it, thinks.
func verdict(g Gomega, inst *api.Installation) status.Status { return judge(g, inst).Kstatus }

// health is what Argo CD thinks.
func health(g Gomega, inst *api.Installation) string { return judge(g, inst).Status }

// judge gives both, which go together and, of the newest generation, say what Ready says.
func judge(g Gomega, inst *api.Installation) argocd.Verdict {
	shipped, err := argocd.Shipped()
	g.Expect(err).NotTo(HaveOccurred())
	v, err := shipped.Judge(inst)
	g.Expect(err).NotTo(HaveOccurred())
	if ready := condition(inst, api.ReadyCondition); ready != nil && ready.ObservedGeneration == inst.Generation {
		g.Expect(v.Message).To(Equal(ready.Message))
	}
	return v
}

// ran is inst after an attempt of which a row was seen.
func ran(g Gomega, inst *api.Installation, purpose, seen string) *api.Installation {
	a, job := begun(g, inst, purpose)
	a, _ = a.Observe(rows[seen].look(job))
	return after(g, inst, installation.Outcome{Attempt: &a})
}

// verdicts has one row for each reason for which an Installation is not Ready.
var verdicts = map[string]struct {
	class  extension.Class
	want   status.Status
	health string
}{
	api.SuspendedReason:          {extension.Waiting, status.InProgressStatus, "Suspended"},
	api.ExtensionNotFoundReason:  {extension.Waiting, status.InProgressStatus, "Progressing"},
	api.ExtensionNotReadyReason:  {extension.Waiting, status.InProgressStatus, "Progressing"},
	api.ExtensionReplacedReason:  {extension.Waiting, status.InProgressStatus, "Progressing"},
	api.DependencyNotReadyReason: {extension.Waiting, status.InProgressStatus, "Progressing"},
	api.AwaitingApprovalReason:   {extension.Waiting, status.InProgressStatus, "Suspended"},
	api.QueuedReason:             {extension.Waiting, status.InProgressStatus, "Progressing"},
	api.PlanningReason:           {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.InstallingReason:         {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.UninstallingReason:       {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.PodPendingReason:         {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.ImagePullFailedReason:    {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.CreateRefusedReason:      {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.InternalErrorReason:      {extension.Retryable, status.InProgressStatus, "Progressing"},
	api.NothingToInstallReason:   {extension.Terminal, status.FailedStatus, "Degraded"},
	api.LimitExceededReason:      {extension.Terminal, status.FailedStatus, "Degraded"},
	api.InvalidValuesReason:      {extension.Terminal, status.FailedStatus, "Degraded"},
	api.NotDeterministicReason:   {extension.Terminal, status.FailedStatus, "Degraded"},
	api.ConfigureFailedReason:    {extension.Terminal, status.FailedStatus, "Degraded"},
	api.InstallFailedReason:      {extension.Terminal, status.FailedStatus, "Degraded"},
	api.VerifyFailedReason:       {extension.Terminal, status.FailedStatus, "Degraded"},
	api.UninstallFailedReason:    {extension.Terminal, status.FailedStatus, "Degraded"},
	api.PayloadRefusedReason:     {extension.Terminal, status.FailedStatus, "Degraded"},
	api.RunnerFailedReason:       {extension.Terminal, status.FailedStatus, "Degraded"},
	api.DeadlineExceededReason:   {extension.Terminal, status.FailedStatus, "Degraded"},
	api.OutOfMemoryReason:        {extension.Terminal, status.FailedStatus, "Degraded"},
	api.DisruptedReason:          {extension.Terminal, status.FailedStatus, "Degraded"},
	api.OutcomeUnknownReason:     {extension.Terminal, status.FailedStatus, "Degraded"},
}

func TestEveryReasonHasItsClassAndVerdict(t *testing.T) {
	for reason, row := range verdicts {
		t.Run(reason, func(t *testing.T) {
			g := NewWithT(t)
			fault := installation.Fault{Reason: reason, Message: "what is wrong and what to do"}
			g.Expect(fault.Class()).To(Equal(row.class))
			want := []string{"Ready=False/" + reason}
			abnormal := map[extension.Class]string{extension.Terminal: "Stalled", extension.Retryable: "Reconciling"}[row.class]
			if abnormal != "" {
				want = append(want, abnormal+"=True/"+reason)
			}
			first := after(g, newInstallation(), installation.Outcome{Fault: &fault})
			g.Expect(summary(first)).To(ConsistOf(append(want, "Installed=False/NotInstalled")))
			g.Expect(verdict(g, first)).To(Equal(row.want))
			g.Expect(health(g, first)).To(Equal(row.health))

			was := ran(g, newInstallation(), api.ApplyPurpose, "all is well")
			was.Generation = 2
			later := after(g, was, installation.Outcome{Fault: &fault})
			g.Expect(summary(later)).To(ConsistOf(append(want, "Installed=True/Installed")))
			g.Expect(verdict(g, later)).To(Equal(row.want))
			g.Expect(health(g, later)).To(Equal(row.health))
			g.Expect(later.Status.Installed).To(Equal(was.Status.Installed), "what is installed stays visible")
		})
	}
}

// The reasons are a closed set: those of the file, and five of the Extension's.
func TestReasonsAreThoseOfTheAPI(t *testing.T) {
	g := NewWithT(t)
	want := []string{"Installed", "NotInstalled", "NewVersion", "NewContent"}
	for reason := range verdicts {
		want = append(want, reason)
	}
	got := []string{"ExtensionNotFound", "DependencyNotReady", "LimitExceeded", "Suspended", "InternalError"}
	for name, value := range constants(g, "../../api/v1alpha1/installation_reasons.go", "Reason") {
		g.Expect(name).To(Equal(value + "Reason"))
		got = append(got, value)
	}
	g.Expect(got).To(ConsistOf(want))
	docs, err := os.ReadFile("../../docs/installation.md")
	g.Expect(err).NotTo(HaveOccurred())
	for _, reason := range want {
		if reason != "NotInstalled" { // of the condition Installed alone, and plain
			g.Expect(string(docs)).To(ContainSubstring("`"+reason+"`"), "documented")
		}
	}
}

// constants reads the string constants of a file whose names have a suffix.
func constants(g Gomega, file, suffix string) map[string]string {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && strings.HasSuffix(spec.Names[0].Name, suffix) {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			g.Expect(err).NotTo(HaveOccurred())
			found[spec.Names[0].Name] = value
		}
		return true
	})
	return found
}

func TestAnUnseenInstallationIsInProgress(t *testing.T) {
	g := NewWithT(t)
	g.Expect(verdict(g, newInstallation())).To(Equal(status.InProgressStatus))
	g.Expect(health(g, newInstallation())).To(Equal("Progressing"))
}

func TestWhatIsSeenBecomesTheStatus(t *testing.T) {
	for name, c := range map[string]struct {
		purpose, seen string
		want          []string
		step, message string
		verdict       status.Status
	}{
		"under way": {api.ApplyPurpose, "install runs", []string{"Ready=False/Installing", "Reconciling=True/Installing", "Installed=False/NotInstalled"},
			"Install/Running", "attempt 1 to install: Install runs in Job db-", status.InProgressStatus},
		"begun": {api.ApplyPurpose, "no pod yet", []string{"Ready=False/Installing", "Reconciling=True/Installing", "Installed=False/NotInstalled"},
			"Configure/Pending", "attempt 1 to install: Configure is next in Job db-", status.InProgressStatus},
		"waiting": {api.ApplyPurpose, "an image that cannot be pulled", []string{"Ready=False/ImagePullFailed", "Reconciling=True/ImagePullFailed", "Installed=False/NotInstalled"},
			"Configure/Waiting", "Configure waits in Job db-", status.InProgressStatus},
		"well": {api.ApplyPurpose, "all is well", []string{"Ready=True/Installed", "Installed=True/Installed"},
			"Verify/Succeeded", "postgresql 16.4.0 is installed and verified", status.CurrentStatus},
		"failed": {api.ApplyPurpose, "install failed", []string{"Ready=False/InstallFailed", "Stalled=True/InstallFailed", "Installed=False/NotInstalled"},
			"Install/Failed", "attempt 1: Install failed with exit code 1", status.FailedStatus},
		"unknown": {api.ApplyPurpose, "a Job deleted by hand", []string{"Ready=False/OutcomeUnknown", "Stalled=True/OutcomeUnknown", "Installed=False/NotInstalled"},
			"Configure/Unknown", "it is not run again by itself", status.FailedStatus},
		"planned": {api.PlanPurpose, "all is well", []string{"Ready=False/AwaitingApproval", "Installed=False/NotInstalled"},
			"Configure/Succeeded", "postgresql 16.4.0 is planned; set spec.approvedPlan to sha256:", status.InProgressStatus},
		"planning": {api.PlanPurpose, "configure runs", []string{"Ready=False/Planning", "Reconciling=True/Planning", "Installed=False/NotInstalled"},
			"Configure/Running", "attempt 1 to plan: Configure runs", status.InProgressStatus},
		"uninstalling": {api.UninstallPurpose, "configure runs", []string{"Ready=False/Uninstalling", "Reconciling=True/Uninstalling", "Installed=False/NotInstalled"},
			"Configure/Running", "attempt 1 to uninstall: Configure runs", status.InProgressStatus},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got := ran(g, newInstallation(), c.purpose, c.seen)
			g.Expect(summary(got)).To(ConsistOf(c.want))
			g.Expect(got.Status.Step).To(Equal(c.step))
			g.Expect(condition(got, api.ReadyCondition).Message).To(ContainSubstring(c.message))
			g.Expect(verdict(g, got)).To(Equal(c.verdict))
		})
	}
}

func TestAFailedAttemptLeavesWhatIsInstalled(t *testing.T) {
	g := NewWithT(t)
	good := ran(g, newInstallation(), api.ApplyPurpose, "all is well")
	g.Expect(good.Status.Installed.Version).To(Equal("16.4.0"))
	g.Expect(good.Status.Installed.Digest).To(Equal(good.Status.Plan.Digest))
	failed := ran(g, good, api.ApplyPurpose, "install failed")
	g.Expect(failed.Status.Installed).To(Equal(good.Status.Installed))
	g.Expect(failed.Status.History).To(Equal(good.Status.History))
	g.Expect(condition(failed, api.ReadyCondition).Message).To(HaveSuffix("the last version that was verified is 16.4.0"))
	g.Expect(summary(failed)).To(ContainElement("Installed=True/Installed"))
	g.Expect(condition(failed, api.InstalledCondition).LastTransitionTime).To(Equal(condition(good, api.InstalledCondition).LastTransitionTime))
}

func TestHistoryHoldsTheLastFive(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	for i := range 7 {
		a, job := begun(g, inst, api.ApplyPurpose)
		a.Number, a.Plan.ContentDigest = int32(i+1), string(digest(strconv.Itoa(i)))
		a, _ = a.Observe(rows["all is well"].look(job))
		inst = after(g, inst, installation.Outcome{Attempt: &a})
	}
	g.Expect(inst.Status.History).To(HaveLen(5))
	g.Expect(inst.Status.History[0]).To(Equal(*inst.Status.Installed))
	g.Expect(inst.Status.History[4].ContentDigest).To(Equal(string(digest("2"))))
}

// While an attempt runs, nothing is said about a change of the spec.
func TestAChangeDuringAnAttemptIsNotYetObserved(t *testing.T) {
	g := NewWithT(t)
	inst := ran(g, newInstallation(), api.ApplyPurpose, "install runs")
	inst.Generation = 2
	a := installation.Recorded(inst)
	still := after(g, inst, installation.Outcome{Attempt: a})
	g.Expect(still.Status.ObservedGeneration).To(BeEquivalentTo(1))
	g.Expect(verdict(g, still)).To(Equal(status.InProgressStatus))
	g.Expect(health(g, still)).To(Equal("Progressing"))
}

func TestTheTokenAndTheUpgradeAreRecorded(t *testing.T) {
	g := NewWithT(t)
	inst := ran(g, newInstallation(), api.ApplyPurpose, "all is well")
	told := after(g, inst, installation.Outcome{
		Attempt: installation.Recorded(inst), Token: "token-1", Upgrade: &installation.Upgrade{Reason: api.NewVersionReason, Message: "17 is there"},
	})
	g.Expect(told.Status.LastHandledRetryAt).To(Equal("token-1"))
	g.Expect(summary(told)).To(ConsistOf("Ready=True/Installed", "Installed=True/Installed", "UpgradeAvailable=True/NewVersion"))
	g.Expect(verdict(g, told)).To(Equal(status.CurrentStatus), "an upgrade that waits is no failure")
	g.Expect(health(g, told)).To(Equal("Healthy"))
	gone := after(g, told, installation.Outcome{Attempt: installation.Recorded(told)})
	g.Expect(condition(gone, api.UpgradeAvailableCondition)).To(BeNil())
	g.Expect(gone.Status.LastHandledRetryAt).To(Equal("token-1"))
}

func TestConditionsOfOthersAreCarriedOver(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	foreign := metav1.Condition{Type: "example.com/Audited", Status: metav1.ConditionTrue, Reason: "Yes", Message: "seen", ObservedGeneration: 1}
	inst.Status.Conditions = []metav1.Condition{foreign}
	got := ran(g, inst, api.ApplyPurpose, "all is well")
	g.Expect(condition(got, foreign.Type)).To(HaveValue(Equal(foreign)))
	g.Expect(got.Status.Conditions).To(HaveLen(3))
	for _, c := range got.Status.Conditions {
		g.Expect(append(ourTypes, foreign.Type)).To(ContainElement(c.Type))
	}
}

// What is suspended stays as it is: Argo CD says so, and kstatus goes by what there is.
func TestSuspendedInstallations(t *testing.T) {
	for name, c := range map[string]struct {
		seen    string
		verdict status.Status
		health  string
	}{
		"installed": {"all is well", status.CurrentStatus, "Suspended"},
		"failed":    {"install failed", status.FailedStatus, "Suspended"},
		"under way": {"install runs", status.InProgressStatus, "Progressing"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			inst := ran(g, newInstallation(func(i *api.Installation) { i.Spec.Suspend = true }), api.ApplyPurpose, c.seen)
			g.Expect(verdict(g, inst)).To(Equal(c.verdict))
			g.Expect(health(g, inst)).To(Equal(c.health))
		})
	}
}

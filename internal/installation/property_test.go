// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/installation"
)

var ends = []string{api.StepSucceeded, api.StepSkipped, api.StepFailed, api.StepUnknown}

// anyState of a container, right or hostile.
func anyState(step string) *rapid.Generator[corev1.ContainerState] {
	return rapid.Custom(func(t *rapid.T) corev1.ContainerState {
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return waiting(rapid.SampledFrom([]string{"PodInitializing", "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", ""}).Draw(t, "reason"), rapid.String().Draw(t, "message"))
		case 1:
			return running()
		case 2:
			return corev1.ContainerState{}
		}
		message := rapid.OneOf(rapid.String(), rapid.Just(configured), rapid.Just(says(step, "Skipped", nil)), rapid.Just(says(step, "Failed", map[string]any{"code": "a::b"}))).Draw(t, "said")
		return terminated(rapid.Int32Range(-1, 143).Draw(t, "code")%5, message)
	})
}

// anySight of a Job: nothing holds its pod to what a kubelet would do.
func anySight(job *batchv1.Job) *rapid.Generator[installation.Sight] {
	return rapid.Custom(func(t *rapid.T) installation.Sight {
		sight := installation.Sight{Job: job, Now: noon.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)}
		if rapid.Bool().Draw(t, "pod") {
			pod := podOf(job)
			for _, step := range []string{"configure", "install", "verify"} {
				is(step, anyState(step).Draw(t, step))(&pod)
			}
			if rapid.Bool().Draw(t, "unscheduled") {
				pod.Status.Conditions = nil
			}
			if rapid.Bool().Draw(t, "deleted") {
				deleted(&pod)
			}
			sight.Pods = []corev1.Pod{pod}
		}
		switch rapid.IntRange(0, 5).Draw(t, "job") {
		case 0:
			sight.Job = nil
		case 1:
			sight.Job = complete(job)
		case 2:
			sight.Job = failed(job, rapid.SampledFrom([]string{"BackoffLimitExceeded", "DeadlineExceeded", "PodFailurePolicy", "Other"}).Draw(t, "why"))
		}
		return sight
	})
}

// Whatever is seen, in whatever order: what has ended stays, steps end in their order,
// the plan's digest stays, and a look that is repeated adds nothing.
func TestNoLookTakesBackWhatHasEnded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		inst := newInstallation()
		if rapid.Bool().Draw(t, "hidden") {
			withSecret(inst)
		}
		a, job := begun(g, inst, rapid.SampledFrom([]string{api.PlanPurpose, api.ApplyPurpose, api.UninstallPurpose}).Draw(t, "purpose"))
		for range rapid.IntRange(1, 6).Draw(t, "looks") {
			sight := anySight(job).Draw(t, "sight")
			next, _ := a.Observe(sight)
			again, _ := next.Observe(sight)
			g.Expect(again).To(Equal(next))
			expectForward(g, a, next)
			expectHolds(g, inst, next)
			a = next
		}
	})
}

func expectForward(g Gomega, before, after installation.Attempt) {
	g.Expect(after.Steps).To(HaveLen(len(before.Steps)))
	for i, was := range before.Steps {
		if slices.Contains(ends, was.State) {
			g.Expect(after.Steps[i]).To(Equal(was))
		}
		g.Expect(after.Steps[i].JobUID).To(Equal(was.JobUID))
	}
	if before.Plan.Digest != "" {
		g.Expect(after.Plan).To(Equal(before.Plan))
	}
}

func expectHolds(g Gomega, inst *api.Installation, a installation.Attempt) {
	open := false
	for _, s := range a.Steps {
		if open {
			g.Expect(s.State).To(Equal(api.StepPending), "%s begins after those before it have ended well", s.Name)
		}
		open = open || s.State != api.StepSucceeded && s.State != api.StepSkipped
		g.Expect(len(s.Message)).To(BeNumerically("<=", api.MaxMessageLength))
		bad := s.State == api.StepFailed || s.State == api.StepUnknown || s.State == api.StepWaiting
		g.Expect(s.Reason != "").To(Equal(bad), "%s is %s", s.Name, s.State)
	}
	status := installation.Compute(inst, installation.Outcome{Attempt: &a, Now: noon})
	g.Expect(status.Installed != nil).To(Equal(a.Purpose == api.ApplyPurpose && a.EndedWell()))
}

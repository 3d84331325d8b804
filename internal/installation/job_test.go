// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/step"
)

// containers of a Job in the order in which they run.
func containers(job *batchv1.Job) []corev1.Container {
	spec := job.Spec.Template.Spec
	return append(append([]corev1.Container(nil), spec.InitContainers...), spec.Containers...)
}

func TestTheJobNeverRunsTwice(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	job := installation.Job(inst, planOf(g, inst, api.ApplyPurpose), options)
	g.Expect(*job.Spec.Suspend).To(BeTrue())
	g.Expect(job.Finalizers).To(ConsistOf(installation.JobFinalizer))
	g.Expect(*job.Spec.BackoffLimit).To(BeZero())
	g.Expect(*job.Spec.Parallelism).To(BeEquivalentTo(1))
	g.Expect(*job.Spec.Completions).To(BeEquivalentTo(1))
	g.Expect(*job.Spec.PodReplacementPolicy).To(Equal(batchv1.Failed))
	g.Expect(job.Spec.PodFailurePolicy.Rules).To(ConsistOf(batchv1.PodFailurePolicyRule{
		Action:          batchv1.PodFailurePolicyActionFailJob,
		OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
	}))
	g.Expect(job.Spec.TTLSecondsAfterFinished).To(BeNil(), "nothing goes before it is read")
	g.Expect(job.Spec.Template.Spec.RestartPolicy).To(Equal(corev1.RestartPolicyNever))
	g.Expect(*job.Spec.ActiveDeadlineSeconds).To(BeEquivalentTo((10*time.Minute + 3*5*time.Minute).Seconds()))
	for _, c := range containers(job) {
		g.Expect(c.RestartPolicy).To(BeNil(), "no sidecar, which would be restarted")
	}
}

func TestEachPurposeHasItsSteps(t *testing.T) {
	for purpose, want := range map[string][]string{
		api.PlanPurpose:      {"configure"},
		api.ApplyPurpose:     {"configure", "install", "verify"},
		api.UninstallPurpose: {"configure", "uninstall"},
	} {
		g := NewWithT(t)
		inst := newInstallation()
		job := installation.Job(inst, planOf(g, inst, purpose), options)
		var names []string
		for _, c := range containers(job) {
			names = append(names, c.Name)
			g.Expect(c.Command).To(Equal([]string{options.Runner}))
			order, err := step.Parse(c.Args) // as the runner does
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(order.Step).To(Equal(step.Step(c.Name)))
			g.Expect(order.Members).To(Equal(members("16.4.0", "a")), "in load order")
			g.Expect([]string{order.Payload, order.Values, order.Work}).To(
				Equal([]string{"/run/extension/payload", "/run/extension/values", "/run/extension/work"}))
			g.Expect([]string{order.Namespace, order.Installation, order.UID, order.Image}).To(Equal([]string{"team-a", "db", string(inst.UID), image}))
			g.Expect(order.Timeout).To(Equal(5 * time.Minute))
			g.Expect(order.Sandbox).To(Equal("best-effort"))
			g.Expect(order.TerminationLog).To(Equal(c.TerminationMessagePath))
		}
		g.Expect(names).To(Equal(want))
		g.Expect(job.Spec.Template.Spec.Containers).To(HaveLen(1))
		g.Expect(job.Labels).To(HaveKeyWithValue(installation.PurposeLabel, purpose))
		g.Expect(job.Spec.Template.Labels).To(Equal(job.Labels))
	}
}

func TestNoValueIsInTheJob(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(withSecret)
	inst.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"password": "hunter2"}`)}
	job := installation.Job(inst, planOf(g, inst, api.ApplyPurpose), options)
	text, err := job.Marshal()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).NotTo(ContainSubstring("hunter2"))
	for _, c := range containers(job) {
		g.Expect(c.Env).To(BeEmpty())
		g.Expect(c.EnvFrom).To(BeEmpty())
		g.Expect(c.Args).To(ContainElement("--hide-output=true"))
		g.Expect(c.TerminationMessagePolicy).To(Equal(corev1.TerminationMessageReadFile), "never the log")
	}
}

func TestValuesAreFilesInOrderAndOnlyConfigureReadsThem(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(withSecret)
	inst.Spec.ValuesFrom[0].Optional = true
	p := planOf(g, inst, api.ApplyPurpose)
	job := installation.Job(inst, p, options)
	g.Expect(valueFiles(job)).To(Equal([]string{
		"000-configmap.yaml base/values.yaml true", "001-secret.yaml db.credentials/db.yaml false",
		"002-spec.yaml " + installation.ValuesName(inst, p.Spec) + "/values false",
	}))
	for _, c := range containers(job) {
		g.Expect(mounts(c, "values")).To(Equal(c.Name == "configure"), c.Name)
	}
	// What takes away runs also where the Secret went first.
	job = installation.Job(inst, planOf(g, inst, api.UninstallPurpose), options)
	g.Expect(valueFiles(job)[1]).To(Equal("001-secret.yaml db.credentials/db.yaml true"))
}

func valueFiles(job *batchv1.Job) []string {
	var files []string
	for _, v := range job.Spec.Template.Spec.Volumes {
		if v.Name != "values" {
			continue
		}
		for _, s := range v.Projected.Sources {
			name, items, optional := "", []corev1.KeyToPath(nil), (*bool)(nil)
			switch {
			case s.Secret != nil:
				name, items, optional = s.Secret.Name, s.Secret.Items, s.Secret.Optional
			case s.ConfigMap != nil:
				name, items, optional = s.ConfigMap.Name, s.ConfigMap.Items, s.ConfigMap.Optional
			}
			text := items[0].Path + " " + name + "/" + items[0].Key + " false"
			if ptr.Deref(optional, false) {
				text = strings.Replace(text, " false", " true", 1)
			}
			files = append(files, text)
		}
	}
	return files
}

func mounts(c corev1.Container, volume string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return true
		}
	}
	return false
}

func TestTheTokenIsWhereItIsNeededAndOnlyIfAnAccountIsNamed(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	for _, purpose := range []string{api.PlanPurpose, api.ApplyPurpose, api.UninstallPurpose} {
		job := installation.Job(inst, planOf(g, inst, purpose), options)
		g.Expect(job.Spec.Template.Spec.ServiceAccountName).To(Equal("installer"))
		g.Expect(*job.Spec.Template.Spec.AutomountServiceAccountToken).To(BeFalse())
		for _, c := range containers(job) {
			g.Expect(mounts(c, "account")).To(Equal(c.Name != "configure"), c.Name)
		}
	}
	inst.Spec.ServiceAccountName = ""
	job := installation.Job(inst, planOf(g, inst, api.ApplyPurpose), options)
	g.Expect(job.Spec.Template.Spec.ServiceAccountName).To(BeEmpty())
	g.Expect(*job.Spec.Template.Spec.AutomountServiceAccountToken).To(BeFalse())
	for _, v := range job.Spec.Template.Spec.Volumes {
		g.Expect(v.Name).NotTo(Equal("account"))
	}
}

func TestThePodIsRestricted(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	spec := installation.Job(inst, planOf(g, inst, api.ApplyPurpose), options).Spec.Template.Spec
	g.Expect(*spec.SecurityContext.RunAsNonRoot).To(BeTrue())
	g.Expect(spec.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
	for _, c := range append(spec.InitContainers, spec.Containers...) {
		g.Expect(*c.SecurityContext.AllowPrivilegeEscalation).To(BeFalse())
		g.Expect(*c.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
		g.Expect(c.SecurityContext.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
	}
}

func TestPodOptionsAreTaken(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(func(i *api.Installation) {
		i.Spec.PodOptions = &api.PodOptions{
			Resources:    &api.PodResources{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("2Gi")}},
			NodeSelector: map[string]string{"disk": "ssd"}, Tolerations: []corev1.Toleration{{Key: "db"}}, Affinity: &corev1.Affinity{},
		}
	})
	job := installation.Job(inst, planOf(g, inst, api.ApplyPurpose), options)
	spec := job.Spec.Template.Spec
	g.Expect(spec.NodeSelector).To(Equal(inst.Spec.PodOptions.NodeSelector))
	g.Expect(spec.Tolerations).To(Equal(inst.Spec.PodOptions.Tolerations))
	g.Expect(spec.Affinity).NotTo(BeNil())
	g.Expect(spec.Containers[0].Resources.Limits.Memory().String()).To(Equal("2Gi"))
	g.Expect(spec.Containers[0].Resources.Requests).To(BeEmpty())
}

func TestAnApprovedPlanIsTheOnlyOneThatInstalls(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	p := planOf(g, inst, api.ApplyPurpose)
	p.Config = digest("f")
	for _, c := range containers(installation.Job(inst, p, options)) {
		g.Expect(strings.Contains(strings.Join(c.Args, " "), "--config-digest="+string(digest("f")))).To(Equal(c.Name != "configure"), c.Name)
	}
}

func TestAJobIsNamedByWhatItIs(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	base := planOf(g, inst, api.ApplyPurpose)
	seen := map[string]bool{installation.JobName(inst, base): true}
	g.Expect(installation.JobName(inst, base)).To(Equal(installation.Job(inst, base, options).Name))
	for _, change := range []func(*installation.Plan){
		func(p *installation.Plan) { p.Attempt = 2 },
		func(p *installation.Plan) { p.Purpose = api.PlanPurpose },
		func(p *installation.Plan) { p.Members = members("16.4.0", "b") },
		func(p *installation.Plan) { p.Spec = digest("1") },
		func(p *installation.Plan) { p.Image = "other" },
		func(p *installation.Plan) { p.Config = digest("2") },
	} {
		p := base
		change(&p)
		name := installation.JobName(inst, p)
		g.Expect(seen).NotTo(HaveKey(name))
		seen[name] = true
	}
	other := newInstallation(func(i *api.Installation) { i.UID = "another" })
	g.Expect(seen).NotTo(HaveKey(installation.JobName(other, base)))

	long := newInstallation(func(i *api.Installation) { i.Name = strings.Repeat("a", 52) })
	g.Expect(installation.JobName(long, base)).To(HaveLen(63), "a pod's label holds no longer one")
	g.Expect(installation.PayloadName(long, digest("a"), 7)).To(HaveLen(63))
}

func TestAJobIsAdoptedByItsOwnInstallationAndPlanAlone(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	for _, purpose := range []string{api.ApplyPurpose, api.PlanPurpose, api.UninstallPurpose} {
		p := planOf(g, inst, purpose)
		job := installation.Job(inst, p, options)
		g.Expect(installation.Adopts(inst, p, job, job)).To(BeTrue(), purpose)

		foreign := newInstallation(func(i *api.Installation) { i.UID = "another" })
		g.Expect(installation.Adopts(foreign, p, installation.Job(foreign, p, options), job)).To(BeFalse())
		next := p
		next.Attempt = 2
		g.Expect(installation.Adopts(inst, next, installation.Job(inst, next, options), job)).To(BeFalse())
		for name, forge := range map[string]func(*batchv1.Job){
			"another run": func(j *batchv1.Job) { j.Annotations[installation.RunAnnotation] = string(digest("0")) },
			"another owner": func(j *batchv1.Job) {
				j.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: "x", UID: "y", Controller: ptr.To(true)}}
			},
			"no finalizer": func(j *batchv1.Job) { j.Finalizers = nil },
			"it runs":      func(j *batchv1.Job) { j.Spec.Suspend = ptr.To(false) },
			"it ran": func(j *batchv1.Job) {
				metav1.SetMetaDataAnnotation(&j.ObjectMeta, installation.ResumedAnnotation, "true")
			},
			"another image":        func(j *batchv1.Job) { j.Spec.Template.Spec.Containers[0].Image = "evil" },
			"another order":        func(j *batchv1.Job) { j.Spec.Template.Spec.InitContainers = nil },
			"another volume":       func(j *batchv1.Job) { j.Spec.Template.Spec.Volumes[0].Projected.Sources[0].ConfigMap.Name = "other" },
			"pods that come again": func(j *batchv1.Job) { j.Spec.BackoffLimit = ptr.To[int32](6) },
		} {
			forged := job.DeepCopy()
			forge(forged)
			if len(job.Spec.Template.Spec.InitContainers) > 0 || name != "another order" {
				g.Expect(installation.Adopts(inst, p, job, forged)).To(BeFalse(), purpose+": "+name)
			}
		}
	}
}

// Foreground deletion takes what is owned first: the Job that takes away must not be.
func TestOnlyTheUninstallIsNotOwned(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	for purpose, owned := range map[string]bool{api.PlanPurpose: true, api.ApplyPurpose: true, api.UninstallPurpose: false} {
		job := installation.Job(inst, planOf(g, inst, purpose), options)
		g.Expect(metav1.IsControlledBy(job, inst)).To(Equal(owned), purpose)
		g.Expect(job.Labels).To(HaveKeyWithValue(installation.UIDLabel, "6f1c8e0a-0000-4000-8000-000000000001"))
	}
}

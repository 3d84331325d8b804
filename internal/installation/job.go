// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// Options of every Job.
type Options struct {
	// Runner is the program of the image that a container starts.
	Runner string
	// Sandbox is the mode of the one that Configure runs in; empty for the runner's default.
	Sandbox string
}

// startAllowance is how long a Job may take besides its steps: to be scheduled, to pull
// the image, to mount.
const startAllowance = 10 * time.Minute

// grace is how long a container that is told to end may take.
const grace = 60 * time.Second

// containerOf is the container that runs a step.
func containerOf(step string) string { return strings.ToLower(step) }

// runSteps are the steps that run in the Job of an attempt, in their order.
func runSteps(purpose string) []string {
	switch purpose {
	case api.PlanPurpose:
		return []string{api.ConfigureStep}
	case api.UninstallPurpose:
		return []string{api.ConfigureStep, api.UninstallStep}
	default:
		return []string{api.ConfigureStep, api.InstallStep, api.VerifyStep}
	}
}

// deadlineOf a Job counts from its start.
func deadlineOf(spec api.InstallationSpec, purpose string) time.Duration {
	deadline := startAllowance
	for range runSteps(purpose) {
		deadline += timeoutOf(spec)
	}
	return deadline
}

// Job is the only one of a plan and attempt. It is made suspended and with our finalizer:
// it is resumed when its uid is in the status, and let go of when its outcome is. No pod
// of it is ever replaced.
func Job(inst *api.Installation, p Plan, o Options) *batchv1.Job {
	steps := runSteps(p.Purpose)
	names := labelsOf(inst)
	names[PurposeLabel] = p.Purpose
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: inst.Namespace, Name: JobName(inst, p), Labels: names, Finalizers: []string{JobFinalizer},
			Annotations: map[string]string{RunAnnotation: string(p.Run()), AttemptAnnotation: strconv.Itoa(int(p.Attempt))},
		},
		Spec: batchv1.JobSpec{
			Suspend:               ptr.To(true),
			Completions:           ptr.To[int32](1),
			Parallelism:           ptr.To[int32](1),
			BackoffLimit:          ptr.To[int32](0),
			ActiveDeadlineSeconds: ptr.To(int64(deadlineOf(inst.Spec, p.Purpose).Seconds())),
			PodReplacementPolicy:  ptr.To(batchv1.Failed),
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action: batchv1.PodFailurePolicyActionFailJob,
				OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{
					{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue},
				},
			}}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: names, Annotations: map[string]string{
					"kubectl.kubernetes.io/default-container": containerOf(steps[len(steps)-1]),
				}},
				Spec: podSpec(inst, p, o),
			},
		},
	}
	if p.Purpose != api.UninstallPurpose {
		// What takes away must outlive a deletion that takes what is owned first.
		job.OwnerReferences = ownedBy(inst)
	}
	return job
}

// Adopts tells whether a Job that is there already is wanted, the one of the plan and
// attempt: made for this very Installation, to run just that, and not set going.
func Adopts(inst *api.Installation, p Plan, wanted, job *batchv1.Job) bool {
	owner := metav1.GetControllerOf(job)
	owned := owner != nil && owner.UID == inst.UID
	if p.Purpose == api.UninstallPurpose {
		owned = owner == nil && job.Labels[UIDLabel] == string(inst.UID)
	}
	return owned && job.Name == wanted.Name &&
		equality.Semantic.DeepDerivative(wanted.Spec, job.Spec) && Resumable(job) && slices.Contains(job.Finalizers, JobFinalizer) &&
		job.Annotations[RunAnnotation] == string(p.Run()) && job.Annotations[AttemptAnnotation] == strconv.Itoa(int(p.Attempt))
}

func podSpec(inst *api.Installation, p Plan, o Options) corev1.PodSpec {
	steps := runSteps(p.Purpose)
	containers := make([]corev1.Container, 0, len(steps))
	for _, step := range steps {
		containers = append(containers, container(inst, p, o, step))
	}
	last := len(containers) - 1
	spec := corev1.PodSpec{
		RestartPolicy:                 corev1.RestartPolicyNever,
		InitContainers:                containers[:last:last],
		Containers:                    containers[last:],
		Volumes:                       volumes(inst, p),
		ServiceAccountName:            inst.Spec.ServiceAccountName,
		AutomountServiceAccountToken:  ptr.To(false),
		EnableServiceLinks:            ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(int64(grace.Seconds())),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](nobody), RunAsGroup: ptr.To[int64](nobody), FSGroup: ptr.To[int64](nobody),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
	}
	if options := inst.Spec.PodOptions; options != nil {
		spec.NodeSelector, spec.Tolerations, spec.Affinity = options.NodeSelector, options.Tolerations, options.Affinity
	}
	return spec
}

// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/step"
)

// noon is when every test looks first.
var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

const jobUID = types.UID("job-uid-1")

// digest of one repeated hexadecimal digit.
func digest(hex string) extension.Digest {
	return extension.Digest("sha256:" + strings.Repeat(hex, 64))
}

// newInstallation is one that the operator has not seen.
func newInstallation(change ...func(*api.Installation)) *api.Installation {
	inst := &api.Installation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "db", UID: "6f1c8e0a-0000-4000-8000-000000000001", Generation: 1},
		Spec: api.InstallationSpec{
			ExtensionRef: api.ExtensionReference{Name: "postgresql"}, ServiceAccountName: "installer",
			Values:  &runtime.RawExtension{Raw: []byte(`{"replicas": 3}`)},
			Timeout: &metav1.Duration{Duration: 5 * time.Minute},
			Mode:    api.ApplyMode, UpgradePolicy: api.ManualUpgrade, DeletionPolicy: api.OrphanOnDeletion,
		},
		Status: api.InstallationStatus{ObservedGeneration: -1},
	}
	for _, c := range change {
		c(inst)
	}
	return inst
}

func withSecret(i *api.Installation) {
	i.Spec.ValuesFrom = []api.ValuesReference{
		{Kind: api.ConfigMapValues, Name: "base", ValuesKey: "values.yaml"},
		{Kind: api.SecretValues, Name: "db.credentials", ValuesKey: "db.yaml"},
	}
}

// members of a plan of postgresql of a version, whose content has a digest of one
// repeated hexadecimal digit.
func members(version, hex string) []extension.Member {
	return []extension.Member{
		{Key: extension.Key{Type: extension.Taskserv, Name: "containerd", Version: "1.7.0"}, Digest: digest("c")},
		{Key: extension.Key{Type: extension.Taskserv, Name: "postgresql", Version: version}, Digest: digest(hex)},
	}
}

func offer(version, hex string) *installation.Offer {
	return &installation.Offer{Key: members(version, hex)[1].Key, Content: installation.ContentDigest(members(version, hex))}
}

const image = "extension-operator:v1"

// planOf is the plan of an attempt of inst with what it asks for.
func planOf(g Gomega, inst *api.Installation, purpose string) installation.Plan {
	spec, err := installation.SpecDigest(inst.Spec)
	g.Expect(err).NotTo(HaveOccurred())
	return installation.Plan{
		Purpose: purpose, Attempt: 1, Members: members("16.4.0", "a"), Parts: 2,
		Spec: spec, Values: []byte(`{"replicas":3}`), Sources: inst.Spec.ValuesFrom, Image: image,
	}
}

var options = installation.Options{Runner: "/usr/local/bin/extension-runner", Sandbox: "best-effort"}

// begun is an attempt whose Job is made, and the Job as the API server has it.
func begun(g Gomega, inst *api.Installation, purpose string) (installation.Attempt, *batchv1.Job) {
	p := planOf(g, inst, purpose)
	job := installation.Job(inst, p, options)
	job.UID = jobUID
	job.Spec.Suspend = ptr.To(false)
	metav1.SetMetaDataAnnotation(&job.ObjectMeta, installation.ResumedAnnotation, "true")
	job.Status.StartTime = ptr.To(metav1.NewTime(noon))
	return *installation.Begin(inst, p, job, noon), job
}

// podOf is the pod of a Job, scheduled and with containers of nothing.
func podOf(job *batchv1.Job, change ...func(*corev1.Pod)) corev1.Pod {
	pod := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, Name: job.Name + "-x1y2z", CreationTimestamp: metav1.NewTime(noon),
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: job.Name, UID: job.UID, Controller: ptr.To(true)}},
		},
		Spec: job.Spec.Template.Spec,
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon)},
		}},
	}
	for _, c := range pod.Spec.InitContainers {
		pod.Status.InitContainerStatuses = append(pod.Status.InitContainerStatuses, initializing(c.Name))
	}
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, initializing(c.Name))
	}
	for _, c := range change {
		c(&pod)
	}
	return pod
}

func initializing(name string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: name, State: waiting("PodInitializing", "")}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func running() corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(noon.Add(time.Second))}}
}

func terminated(code int32, message string) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: code, Message: message, StartedAt: metav1.NewTime(noon.Add(time.Second)), FinishedAt: metav1.NewTime(noon.Add(time.Minute)),
	}}
}

// is sets the state of a container.
func is(name string, state corev1.ContainerState) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
			for i := range list {
				if list[i].Name == name {
					list[i].State = state
				}
			}
		}
	}
}

// says is a termination message of the runner; more may have another reason.
func says(name, state string, more map[string]any) string {
	message := map[string]any{"step": name, "state": state}
	switch step.State(state) {
	case step.Failed:
		message["reason"] = step.HookFailed
	case step.Skipped:
		message["reason"] = step.HookMissing
	case step.Succeeded:
	}
	for k, v := range more {
		message[k] = v
	}
	text, err := json.Marshal(message)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

var configured = says("configure", "Succeeded", map[string]any{
	"message": "2 files", "configDigest": string(digest("f")), "changes": map[string]string{"files/pg.conf": string(digest("1"))},
})

func complete(job *batchv1.Job) *batchv1.Job {
	return jobWith(job, batchv1.JobComplete, batchv1.JobReasonCompletionsReached)
}

func failed(job *batchv1.Job, reason string) *batchv1.Job {
	return jobWith(job, batchv1.JobFailed, reason)
}

func jobWith(job *batchv1.Job, conditionType batchv1.JobConditionType, reason string) *batchv1.Job {
	job = job.DeepCopy()
	job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
		Type: conditionType, Status: corev1.ConditionTrue, Reason: reason, LastTransitionTime: metav1.NewTime(noon.Add(2 * time.Minute)),
	})
	return job
}

// states are the steps of an attempt as Name=State or Name=State/Reason.
func states(a installation.Attempt) []string {
	list := make([]string, 0, len(a.Steps))
	for _, s := range a.Steps {
		text := s.Name + "=" + s.State
		if s.Reason != "" {
			text += "/" + s.Reason
		}
		list = append(list, text)
	}
	return list
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"cmp"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/step"
)

// Where things lie in a container.
const (
	payloadDir = "/run/extension/payload"
	valuesDir  = "/run/extension/values"
	workDir    = "/run/extension/work"
	// accountDir is where every client of the API looks.
	accountDir = "/var/run/secrets/kubernetes.io/serviceaccount"
)

const (
	// nobody is the image's user and group.
	nobody = 65532
	// tokenLife of a ServiceAccount's token in seconds; the kubelet renews it.
	tokenLife = 3600
	// readable by the pod's group alone.
	groupReadable = 0o440
)

// workSize bounds the stage and the configuration. They are in memory: a value of a Secret
// may be in there, which no node's disk should keep.
var workSize = resource.MustParse("256Mi")

// container runs one step: the runner, told by digests what it may run.
func container(inst *api.Installation, p Plan, o Options, name string) corev1.Container {
	c := corev1.Container{
		Name: containerOf(name), Image: p.Image,
		Command: []string{o.Runner}, Args: order(inst, p, o, name).Args(),
		Resources: resources(inst.Spec.PodOptions),
		// Never the end of the log: it may show what must not be shown.
		TerminationMessagePath: corev1.TerminationMessagePathDefault, TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), Privileged: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "payload", MountPath: payloadDir, ReadOnly: true},
			{Name: "work", MountPath: workDir},
		},
	}
	switch {
	case name == api.ConfigureStep:
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "values", MountPath: valuesDir, ReadOnly: true})
	case inst.Spec.ServiceAccountName != "":
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: "account", MountPath: accountDir, ReadOnly: true})
	}
	return c
}

// order is the step and what the runner checks before it runs anything.
func order(inst *api.Installation, p Plan, o Options, name string) step.Order {
	order := step.Defaults()
	order.Step = step.Step(containerOf(name))
	order.Members = p.Members
	order.Payload, order.Values, order.Work = payloadDir, valuesDir, workDir
	order.Namespace, order.Installation, order.UID, order.Image = inst.Namespace, inst.Name, string(inst.UID), p.Image
	order.HideOutput, order.Timeout = p.Hidden(), timeoutOf(inst.Spec)
	order.ServiceAccount, order.TerminationLog = accountDir, corev1.TerminationMessagePathDefault
	order.Sandbox = cmp.Or(o.Sandbox, order.Sandbox)
	if name != api.ConfigureStep {
		order.ConfigDigest = p.Config
		return order
	}
	order.ValuesDigest = extension.DigestOf(p.Values) // as the pod has them in a file
	// What takes away must not fail because nothing can be configured any more.
	order.Lenient = p.Purpose == api.UninstallPurpose
	return order
}

// resources are those of the spec, or enough for a Nushell.
func resources(options *api.PodOptions) corev1.ResourceRequirements {
	if options != nil && options.Resources != nil {
		return corev1.ResourceRequirements{Requests: options.Resources.Requests, Limits: options.Resources.Limits}
	}
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
	}
}

func volumes(inst *api.Installation, p Plan) []corev1.Volume {
	list := []corev1.Volume{
		projected("payload", payloadSources(inst, p)),
		projected("values", valueSources(inst, p)),
		{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{
			Medium: corev1.StorageMediumMemory, SizeLimit: ptr.To(workSize.DeepCopy()),
		}}},
	}
	if inst.Spec.ServiceAccountName != "" {
		list = append(list, projected("account", accountSources()))
	}
	return list
}

func projected(name string, sources []corev1.VolumeProjection) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
		Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: ptr.To[int32](groupReadable)},
	}}
}

// payloadSources are the parts as files part-0, part-1, ….
func payloadSources(inst *api.Installation, p Plan) []corev1.VolumeProjection {
	sources := make([]corev1.VolumeProjection, 0, p.Parts)
	for i := range p.Parts {
		sources = append(sources, fromConfigMap(PayloadName(inst, p.Content(), i), partKey, fmt.Sprintf("part-%d", i), false))
	}
	return sources
}

// valueSources are files in the order in which they go over each other, spec.values last.
// The kubelet reads the Secrets: the operator may not.
func valueSources(inst *api.Installation, p Plan) []corev1.VolumeProjection {
	sources := make([]corev1.VolumeProjection, 0, len(p.Sources)+1)
	for i, s := range p.Sources {
		file := fmt.Sprintf("%03d-%s.yaml", i, strings.ToLower(string(s.Kind)))
		// What takes away may come when much is gone already: the hook judges what lacks.
		optional := s.Optional || p.Purpose == api.UninstallPurpose
		if s.Kind == api.SecretValues {
			sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: s.Name},
				Items:                []corev1.KeyToPath{{Key: s.ValuesKey, Path: file}}, Optional: ptr.To(optional),
			}})
			continue
		}
		sources = append(sources, fromConfigMap(s.Name, s.ValuesKey, file, optional))
	}
	return append(sources, fromConfigMap(ValuesName(inst, p.Spec), valuesKey, fmt.Sprintf("%03d-%s", len(p.Sources), step.SpecValues), false))
}

func fromConfigMap(name, key, file string, optional bool) corev1.VolumeProjection {
	return corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: name},
		Items:                []corev1.KeyToPath{{Key: key, Path: file}}, Optional: ptr.To(optional),
	}}
}

// accountSources are what a client in a pod finds of its ServiceAccount.
func accountSources() []corev1.VolumeProjection {
	return []corev1.VolumeProjection{
		{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: ptr.To[int64](tokenLife), Path: "token"}},
		fromConfigMap("kube-root-ca.crt", "ca.crt", "ca.crt", false),
		{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
			Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
		}}}},
	}
}

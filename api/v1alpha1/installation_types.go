// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// UpgradePolicy says what a change of the Extension alone does to what is installed.
// +kubebuilder:validation:Enum=Manual;SameVersion;Auto
type UpgradePolicy string

// The upgrade policies.
const (
	// ManualUpgrade only tells of it, by the condition UpgradeAvailable.
	ManualUpgrade UpgradePolicy = "Manual"
	// SameVersionUpgrade installs other content of the same version, and tells of other versions.
	SameVersionUpgrade UpgradePolicy = "SameVersion"
	// AutoUpgrade installs every change; a lower version or another major version is approved first.
	AutoUpgrade UpgradePolicy = "Auto"
)

// DeletionPolicy says what becomes of what was installed when the Installation is deleted.
// +kubebuilder:validation:Enum=Orphan;Uninstall
type DeletionPolicy string

// The deletion policies.
const (
	// OrphanOnDeletion leaves everything where it is.
	OrphanOnDeletion DeletionPolicy = "Orphan"
	// UninstallOnDeletion runs the hook uninstall of what was installed.
	UninstallOnDeletion DeletionPolicy = "Uninstall"
)

// InstallationMode says how far an Installation goes by itself.
// +kubebuilder:validation:Enum=Apply;Plan
type InstallationMode string

// The modes.
const (
	// ApplyMode goes through all steps.
	ApplyMode InstallationMode = "Apply"
	// PlanMode runs Configure alone and waits for spec.approvedPlan.
	PlanMode InstallationMode = "Plan"
)

// ValuesKind is what values are read from.
// +kubebuilder:validation:Enum=ConfigMap;Secret
type ValuesKind string

// The kinds that values are read from.
const (
	ConfigMapValues ValuesKind = "ConfigMap"
	SecretValues    ValuesKind = "Secret"
)

// InstallationSpec is what a user wants installed.
// +kubebuilder:validation:XValidation:rule="!has(self.approvedPlan) || self.mode == 'Plan' || self.upgradePolicy == 'Auto'",message="approvedPlan has a meaning only with mode Plan or upgradePolicy Auto; set one of these, or leave approvedPlan out"
type InstallationSpec struct {
	// ExtensionRef names the Extension of this namespace whose hooks are run. It cannot
	// be changed; create another Installation instead.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="extensionRef cannot be changed, because what was installed belongs to it; create another Installation for the other Extension and delete this one"
	ExtensionRef ExtensionReference `json:"extensionRef"`

	// Values for the hook configure: an object whose fields are the parameters of the
	// hook, at most 256 KiB of JSON. They go over those of valuesFrom. Whoever may read
	// this object may read them: what is secret belongs into a Secret of valuesFrom.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=256
	Values *runtime.RawExtension `json:"values,omitempty"`

	// ValuesFrom are keys of ConfigMaps and Secrets of this namespace, each with an
	// object of values as YAML or JSON. A later one goes over an earlier one, field by
	// field; lists are replaced. A change of what they hold is seen by the next attempt
	// and starts none. Where one is a Secret, the status shows no text of a hook.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ValuesFrom []ValuesReference `json:"valuesFrom,omitempty"`

	// ServiceAccountName is the ServiceAccount of this namespace whose token the hooks
	// install, verify and uninstall get; whoever sets it must be allowed to impersonate
	// that account. Absent, they get no token.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="serviceAccountName must be the name of a ServiceAccount of this namespace, without the namespace; leave it out for no token"
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// Timeout of each step, from 1s to 6h, such as 10m (the default). The Job ends when
	// those of its steps are used up and its pod had 10m to start.
	// +optional
	// +kubebuilder:default="10m0s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('6h')",message="timeout must be between 1s and 6h, such as 10m"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// Suspend starts no attempt; one that runs goes on to its end.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// UpgradePolicy says what a change of the Extension alone does. Manual (the default):
	// a new version or content only sets the condition UpgradeAvailable; the next change
	// of this spec, or a retry, installs it. SameVersion: other content of the same
	// version is installed. Auto: every change is; one that lowers the version or changes
	// its major (below 1.0 its minor) waits for approvedPlan.
	// +optional
	// +kubebuilder:default=Manual
	UpgradePolicy UpgradePolicy `json:"upgradePolicy,omitempty"`

	// DeletionPolicy says what becomes of what was installed when this object is deleted.
	// Orphan (the default): it stays. Uninstall: the hook uninstall of the version that
	// is installed is run before; it never deletes data.
	// +optional
	// +kubebuilder:default=Orphan
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// Mode Apply (the default) goes through all steps. Plan runs Configure alone, and
	// nothing past it until approvedPlan is the digest in status.plan.digest.
	// +optional
	// +kubebuilder:default=Apply
	Mode InstallationMode `json:"mode,omitempty"`

	// ApprovedPlan is the status.plan.digest that may be installed.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:XValidation:rule="self.matches('^sha256:[0-9a-f]{64}$')",message="approvedPlan must be sha256: and 64 hexadecimal digits; copy it from status.plan.digest"
	ApprovedPlan string `json:"approvedPlan,omitempty"`

	// PodOptions of the pod that runs the hooks.
	// +optional
	PodOptions *PodOptions `json:"podOptions,omitempty"`
}

// ExtensionReference names an Extension of the same namespace.
type ExtensionReference struct {
	// Name of the Extension object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="extensionRef.name must be the name of an Extension object of this namespace, without type, version or namespace; kubectl get extensions lists them"
	Name string `json:"name"`
}

// ValuesReference is one key of a ConfigMap or Secret of the same namespace.
type ValuesReference struct {
	// Kind of the object: ConfigMap or Secret.
	// +required
	Kind ValuesKind `json:"kind"`

	// Name of the object, in this namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="name must be that of a ConfigMap or Secret of this namespace; those of another namespace cannot be read, copy what is needed"
	Name string `json:"name"`

	// ValuesKey is the key in it that has the values, by default values.yaml.
	// +optional
	// +kubebuilder:default=values.yaml
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && self != '.' && !self.startsWith('..')",message="valuesKey must be a key of the ConfigMap or Secret: letters, digits, '-', '_' and '.'"
	ValuesKey string `json:"valuesKey,omitempty"`

	// Optional: where the object or its key is missing, there are no values of it.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// PodOptions say where the pod that runs the hooks runs, and on how much.
type PodOptions struct {
	// Resources of each of its containers; absent, small defaults.
	// +optional
	Resources *PodResources `json:"resources,omitempty"`

	// NodeSelector of the pod.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Tolerations of the pod.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// Affinity of the pod.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
}

// PodResources are requests and limits, as a container has them.
type PodResources struct {
	// Requests by resource, such as cpu: 100m.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Requests corev1.ResourceList `json:"requests,omitempty"`

	// Limits by resource, such as memory: 512Mi.
	// +optional
	// +kubebuilder:validation:MaxProperties=16
	Limits corev1.ResourceList `json:"limits,omitempty"`
}

// Installation runs the hooks of an Extension with values: Configure, Install and
// Verify, in a Job of its namespace. Whoever may write Installations may run code in
// the namespace, as whoever may create pods.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=extinst,categories=provisioning
// +kubebuilder:selectablefield:JSONPath=.spec.extensionRef.name
// +kubebuilder:printcolumn:name="Extension",type=string,JSONPath=`.spec.extensionRef.name`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.installed.version`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.step`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Mode",type=string,priority=1,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Upgrade",type=string,priority=1,JSONPath=`.spec.upgradePolicy`
// +kubebuilder:printcolumn:name="Account",type=string,priority=1,JSONPath=`.spec.serviceAccountName`
// +kubebuilder:printcolumn:name="Attempt",type=integer,priority=1,JSONPath=`.status.attempt.number`
// +kubebuilder:printcolumn:name="Installed",type=date,priority=1,JSONPath=`.status.installed.at`
// +kubebuilder:printcolumn:name="Plan",type=string,priority=1,JSONPath=`.status.plan.digest`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 52 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="an Installation's name must begin with a letter, consist of lower-case letters, digits and '-', and have at most 52 characters, because hooks name objects after it"
type Installation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is wanted.
	// +required
	Spec InstallationSpec `json:"spec"`

	// Status is how far it is.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status InstallationStatus `json:"status,omitempty"`
}

// InstallationList is a list of Installations.
// +kubebuilder:object:root=true
type InstallationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Installation `json:"items"`
}

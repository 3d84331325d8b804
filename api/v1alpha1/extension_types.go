// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ExtensionType is what an extension is.
// +kubebuilder:validation:Enum=provider;taskserv;cluster
type ExtensionType string

// The types of extension.
const (
	ProviderType ExtensionType = "provider"
	TaskservType ExtensionType = "taskserv"
	ClusterType  ExtensionType = "cluster"
)

// DependencyPolicy says what a dependency needs before an extension loads.
// +kubebuilder:validation:Enum=Load;Require;Ignore
type DependencyPolicy string

// The dependency policies.
const (
	// LoadDependencies resolves dependencies from the catalogs and loads them too.
	LoadDependencies DependencyPolicy = "Load"
	// RequireDependencies wants each to be a Ready Extension of the namespace.
	RequireDependencies DependencyPolicy = "Require"
	// IgnoreDependencies skips checks of presence and readiness.
	IgnoreDependencies DependencyPolicy = "Ignore"
)

// ExtensionSpec is what a user asks for.
type ExtensionSpec struct {
	// Type of the extension: provider, taskserv or cluster. It cannot be changed;
	// create another Extension instead.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="type cannot be changed; create another Extension with the new type and delete this one"
	Type ExtensionType `json:"type"`

	// Name of the extension in its catalog, a DNS label such as kubernetes. It
	// cannot be changed; create another Extension instead.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name must be a DNS label: lower-case letters, digits and '-', beginning and ending with a letter or digit; write it as its folder in the catalog is called, without type or version"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="name cannot be changed; create another Extension with the new name and delete this one"
	Name string `json:"name"`

	// Version wanted: X.Y.Z or X.Y.Z-pre is exact; anything else is a semver range
	// such as 1.28, ~1.28, ^1.28 or >=1.27 <1.30, of which the newest that fits is
	// taken. Absent means the newest stable version. The version that was found is
	// in status.version; the operator never writes this field.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^ *(=|!=|>|<|>=|=>|<=|=<|~|~>|\\\\^)? *v?([0-9]+|[xX*])([.]([0-9]+|[xX*])){0,2}(-[0-9A-Za-z-]+([.][0-9A-Za-z-]+)*)?(( *, *| *[|][|] *| +- +| +)(=|!=|>|<|>=|=>|<=|=<|~|~>|\\\\^)? *v?([0-9]+|[xX*])([.]([0-9]+|[xX*])){0,2}(-[0-9A-Za-z-]+([.][0-9A-Za-z-]+)*)?)* *$')",message="version must be exact (X.Y.Z or X.Y.Z-pre, such as 1.28.0) or a semver range (such as 1.28, ~1.28 or >=1.27 <1.30); leave it out for the newest stable version"
	Version string `json:"version,omitempty"`

	// CatalogRef restricts the search to one catalog. Absent, the first catalog
	// that has the name is used.
	// +optional
	CatalogRef *CatalogReference `json:"catalogRef,omitempty"`

	// DependencyPolicy says what a dependency needs. Load (the default): it is
	// resolved from the catalogs and loaded first. Require: it must be a Ready
	// Extension of this namespace whose version fits, and so must what it depends
	// on. Ignore: neither presence nor readiness is looked at; what resolves is
	// staged. How each fares is in status.dependencies.
	// +optional
	// +kubebuilder:default=Load
	DependencyPolicy DependencyPolicy `json:"dependencyPolicy,omitempty"`

	// Suspend stops resolving and loading; what was loaded stays.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// Timeout is how long this object waits for a load, from 1s to 60s, such as 30s (the default).
	// +optional
	// +kubebuilder:default="30s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]+([.][0-9]+)?(ms|s|m))+$') && duration(self) >= duration('1s') && duration(self) <= duration('60s')",message="timeout must be between 1s and 60s, such as 30s"
	Timeout *metav1.Duration `json:"timeout,omitempty"`
}

// CatalogReference names a catalog.
type CatalogReference struct {
	// Name of the catalog, a DNS label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="catalogRef.name must be a DNS label, as catalogs are called; leave catalogRef out to search all of them"
	Name string `json:"name"`
}

// Extension is one extension that should be loaded: a provider, a taskserv or a
// cluster, by name and version.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ext,categories=provisioning
// +kubebuilder:selectablefield:JSONPath=.spec.type
// +kubebuilder:selectablefield:JSONPath=.spec.name
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Status",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Extension",type=string,priority=1,JSONPath=`.spec.name`
// +kubebuilder:printcolumn:name="Wanted",type=string,priority=1,JSONPath=`.spec.version`
// +kubebuilder:printcolumn:name="Catalog",type=string,priority=1,JSONPath=`.status.catalog`
// +kubebuilder:printcolumn:name="Loaded",type=date,priority=1,JSONPath=`.status.loadedAt`
// +kubebuilder:printcolumn:name="Digest",type=string,priority=1,JSONPath=`.status.digest`
type Extension struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what is asked for.
	// +required
	Spec ExtensionSpec `json:"spec"`

	// Status is what the operator found.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status ExtensionStatus `json:"status,omitempty"`
}

// ExtensionList is a list of Extensions.
// +kubebuilder:object:root=true
type ExtensionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Extension `json:"items"`
}

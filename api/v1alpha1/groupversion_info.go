// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 holds the custom resources of extension-operator, their
// condition types and their reasons.
// +kubebuilder:object:generate=true
// +groupName=extensions.provisioning.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every resource in this package.
var GroupVersion = schema.GroupVersion{Group: "extensions.provisioning.dev", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

// AddToScheme registers the resources of this package.
var AddToScheme = schemeBuilder.AddToScheme

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &Extension{}, &ExtensionList{}, &Installation{}, &InstallationList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}

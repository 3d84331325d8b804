// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// group prefixes every label, annotation and finalizer of ours.
const group = "extensions.provisioning.dev/"

// Labels and annotations of what belongs to an Installation.
const (
	// InstallationLabel has its name: of the Job, its pod and the payload. What hooks make
	// does not have it.
	InstallationLabel = group + "installation"
	// UIDLabel has its uid: of these, and of what hooks make.
	UIDLabel = group + "installation-uid"
	// PurposeLabel of a Job and its pod is the attempt's purpose: Plan, Apply or Uninstall.
	PurposeLabel = group + "purpose"
	// RunAnnotation of a Job is the digest of all that it runs.
	RunAnnotation = group + "run"
	// AttemptAnnotation of a Job is the number of its attempt.
	AttemptAnnotation = group + "attempt"
	// ResumedAnnotation is on a Job from the moment it was set going.
	ResumedAnnotation = group + "resumed"
)

// Finalizers of ours.
const (
	// JobFinalizer keeps a Job until its outcome is in the Installation's status.
	JobFinalizer = group + "outcome"
	// UninstallFinalizer keeps an Installation whose deletionPolicy is Uninstall, and the
	// ConfigMaps of its payload, until the hook has run.
	UninstallFinalizer = group + "uninstall"
)

// maxObjectName is that of a Job, whose name its pod carries in a label.
const maxObjectName = 63

// objectName is prefix, cut, and what tells parts apart from all others: the same parts
// always give the same name.
func objectName(prefix string, parts ...string) string {
	suffix := "-" + hashOf("name", parts...).Hex()[:16]
	return prefix[:min(len(prefix), maxObjectName-len(suffix))] + suffix
}

// hashOf is the sha256 over a word that says what is hashed, and parts, none of which can
// run into the next.
func hashOf(what string, parts ...string) extension.Digest {
	hash := sha256.New()
	for _, p := range append([]string{what}, parts...) {
		_, _ = fmt.Fprintf(hash, "%d:%s,", len(p), p)
	}
	return extension.Digest("sha256:" + hex.EncodeToString(hash.Sum(nil)))
}

// JobName is the name of the only Job of a plan and attempt.
func JobName(inst *api.Installation, p Plan) string {
	return objectName(inst.Name, string(inst.UID), string(p.Run()), strconv.Itoa(int(p.Attempt)))
}

// PayloadName is the name of one ConfigMap of a payload.
func PayloadName(inst *api.Installation, content extension.Digest, part int) string {
	return objectName(inst.Name, "payload", string(inst.UID), string(content), strconv.Itoa(part))
}

// ValuesName is the name of the ConfigMap that keeps what of the spec a plan was made with.
func ValuesName(inst *api.Installation, spec extension.Digest) string {
	return objectName(inst.Name, "values", string(inst.UID), string(spec))
}

// labelsOf is what every object that belongs to inst is labelled with.
func labelsOf(inst *api.Installation) map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by": "extension-operator",
		InstallationLabel:              inst.Name,
		UIDLabel:                       string(inst.UID),
	}
}

// ours selects what belongs to inst: not what its hooks have made, which has its uid too.
func ours(inst *api.Installation) client.MatchingLabels {
	return client.MatchingLabels{InstallationLabel: inst.Name, UIDLabel: string(inst.UID)}
}

// ownedBy is the reference by which what belongs to inst goes with it.
func ownedBy(inst *api.Installation) []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: api.GroupVersion.String(), Kind: "Installation", Name: inst.Name, UID: inst.UID,
		Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true),
	}}
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Plan is one attempt: what it runs, for what, and under which number.
type Plan struct {
	// Purpose is one of the API's purposes.
	Purpose string
	Attempt int32
	// Members are the exact versions of the payload in load order, the root last.
	Members []extension.Member
	// Parts is how many ConfigMaps the payload has.
	Parts int
	// Spec is the digest of what of the spec the values were kept from.
	Spec extension.Digest
	// Values are spec.values as they are kept.
	Values []byte
	// Sources are the ConfigMaps and Secrets that other values are read from.
	Sources []api.ValuesReference
	// Image that runs the hooks.
	Image string
	// Config, where it is set, is the digest of the only configuration that may be
	// installed: the approved one.
	Config extension.Digest
}

// Root is the member whose hooks are run.
func (p Plan) Root() extension.Member { return p.Members[len(p.Members)-1] }

// Content is the digest of the members.
func (p Plan) Content() extension.Digest { return ContentDigest(p.Members) }

// Run is the digest of all that a Job of the plan runs, its number aside.
func (p Plan) Run() extension.Digest {
	return hashOf("run", p.Purpose, string(p.Content()), string(p.Spec), p.Image, string(p.Config))
}

// Hidden tells whether a value comes from a Secret, so that nothing a hook says may be shown.
func (p Plan) Hidden() bool {
	return slices.ContainsFunc(p.Sources, func(r api.ValuesReference) bool { return r.Kind == api.SecretValues })
}

// ContentDigest covers the exact versions of a plan, in their order, and what is in each.
func ContentDigest(members []extension.Member) extension.Digest {
	parts := make([]string, 0, len(members))
	for _, m := range members {
		parts = append(parts, memberText(m))
	}
	return hashOf("content", parts...)
}

// memberText is a member as the runner is told of it: type:name:version@sha256:HEX.
func memberText(m extension.Member) string { return m.Key.String() + "@" + string(m.Digest) }

// PlanDigest is what somebody approves: what is installed, with which image, and the
// configuration that came of it.
func PlanDigest(p api.InstallationPlan) extension.Digest {
	return hashOf("plan", p.Version, p.ContentDigest, p.SpecDigest, p.Image, p.ConfigDigest)
}

// defaultTimeout is spec.timeout where an object has none.
const defaultTimeout = 10 * time.Minute

func timeoutOf(spec api.InstallationSpec) time.Duration {
	if spec.Timeout == nil {
		return defaultTimeout
	}
	return spec.Timeout.Duration
}

// MaxValues is how large spec.values may be, in bytes of JSON.
const MaxValues = 256 << 10

// SpecDigest covers what of a spec a run depends on: a change of it is a change to run.
// The other fields say when and how far to go. Values that are no JSON are an
// InternalError Fault, as the API server takes none; too large ones are a LimitExceeded.
func SpecDigest(spec api.InstallationSpec) (extension.Digest, error) {
	kept, err := keptOf(spec)
	if err != nil {
		return "", err
	}
	return kept.digest()
}

// keptSpec is what of the spec a run depends on. Its JSON is what is hashed, so that a
// change of its form is a change of every spec: a test holds it.
type keptSpec struct {
	Values     json.RawMessage
	ValuesFrom []api.ValuesReference
	Account    string
	Timeout    metav1.Duration
	PodOptions *api.PodOptions
}

func keptOf(spec api.InstallationSpec) (keptSpec, error) {
	values, err := valuesOf(spec)
	return keptSpec{values, spec.ValuesFrom, spec.ServiceAccountName, metav1.Duration{Duration: timeoutOf(spec)}, spec.PodOptions}, err
}

func (k keptSpec) digest() (extension.Digest, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("write the spec as JSON: %w", err)
	}
	return hashOf("spec", string(text)), nil
}

// valuesOf is spec.values as JSON with sorted keys; {} where there are none.
func valuesOf(spec api.InstallationSpec) ([]byte, error) {
	if spec.Values == nil || len(spec.Values.Raw) == 0 {
		return []byte("{}"), nil
	}
	decoder := json.NewDecoder(bytes.NewReader(spec.Values.Raw))
	decoder.UseNumber()
	var values map[string]any
	if err := decoder.Decode(&values); err != nil {
		return nil, extension.NewTransientFault(extension.InternalError, err, "spec.values cannot be read as JSON: %s", err)
	}
	text, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("write spec.values as JSON: %w", err)
	}
	if len(text) > MaxValues {
		return nil, extension.NewFault(extension.LimitExceeded,
			"spec.values has %d bytes of JSON; at most %d are allowed: keep large values in a ConfigMap and name it in spec.valuesFrom", len(text), MaxValues)
	}
	return text, nil
}

// SPDX-License-Identifier: Apache-2.0

package installation

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// Keys of the ConfigMaps.
const (
	// partKey has one part of the payload.
	partKey = "part"
	// membersKey and partsKey of the first part say what the whole is, so that it can be
	// run again without a catalog.
	membersKey = "members"
	partsKey   = "parts"
	// valuesKey has spec.values as JSON, specKey all of the spec that a run depends on.
	valuesKey = "values"
	specKey   = "spec"
)

// MaxParts is how many ConfigMaps a payload may have.
const MaxParts = 8

// PayloadConfigMaps are the parts of a payload as immutable objects that inst owns, in
// order. Names tell what is in them, so that the same payload is made once.
func PayloadConfigMaps(inst *api.Installation, members []extension.Member, parts [][]byte) []*corev1.ConfigMap {
	content := ContentDigest(members)
	maps := make([]*corev1.ConfigMap, 0, len(parts))
	for i, part := range parts {
		maps = append(maps, configMap(inst, PayloadName(inst, content, i)))
		maps[i].BinaryData = map[string][]byte{partKey: part}
	}
	lines := make([]string, 0, len(members))
	for _, m := range members {
		lines = append(lines, memberText(m))
	}
	maps[0].Data = map[string]string{membersKey: strings.Join(lines, "\n"), partsKey: strconv.Itoa(len(parts))}
	return maps
}

// ErrDamaged is what a ConfigMap is that is not what was kept in it.
var ErrDamaged = errors.New("somebody has changed it")

// ReadPayload finds what a payload has in its first ConfigMap. One that does not have the
// content that is asked for is refused: somebody has put another in its place.
func ReadPayload(first *corev1.ConfigMap, content extension.Digest) (members []extension.Member, parts int, err error) {
	for line := range strings.SplitSeq(first.Data[membersKey], "\n") {
		text, digest, _ := strings.Cut(line, "@")
		key, ok := extension.ParseKey(text)
		m := extension.Member{Key: key, Digest: extension.Digest(digest)}
		if !ok || !key.Type.Valid() || !extension.ValidName(key.Name) || !extension.ValidVersion(key.Version) || !m.Digest.Valid() {
			return nil, 0, fmt.Errorf("the ConfigMap %s does not say what its payload is: %w", first.Name, ErrDamaged)
		}
		members = append(members, m)
	}
	parts, err = strconv.Atoi(first.Data[partsKey])
	if err != nil || parts < 1 || parts > MaxParts {
		return nil, 0, fmt.Errorf("the ConfigMap %s does not say how many parts its payload has: %w", first.Name, ErrDamaged)
	}
	if got := ContentDigest(members); got != content {
		return nil, 0, fmt.Errorf("the ConfigMap %s has a payload of content %s, not %s: %w", first.Name, got, content, ErrDamaged)
	}
	return members, parts, nil
}

// ValuesConfigMap keeps what of the spec a run depends on, for the pod and for an uninstall
// that comes after the spec has changed.
func ValuesConfigMap(inst *api.Installation) (*corev1.ConfigMap, error) {
	kept, err := keptOf(inst.Spec)
	if err != nil {
		return nil, err
	}
	digest, err := kept.digest()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return nil, fmt.Errorf("write the spec as JSON: %w", err)
	}
	m := configMap(inst, ValuesName(inst, digest))
	m.Data = map[string]string{valuesKey: string(kept.Values), specKey: string(text)}
	return m, nil
}

// ReadValues finds the values in a ConfigMap, and where else they come from. One that does
// not have what the digest covers is refused: somebody has put another in its place.
func ReadValues(m *corev1.ConfigMap, digest extension.Digest) (values []byte, sources []api.ValuesReference, err error) {
	var kept keptSpec
	if err := json.Unmarshal([]byte(m.Data[specKey]), &kept); err != nil {
		return nil, nil, fmt.Errorf("the ConfigMap %s does not say what its values are: %w", m.Name, ErrDamaged)
	}
	got, err := kept.digest()
	if err != nil || got != digest || m.Data[valuesKey] != string(kept.Values) {
		return nil, nil, fmt.Errorf("the ConfigMap %s has other values than those of digest %s: %w", m.Name, digest, ErrDamaged)
	}
	return kept.Values, kept.ValuesFrom, nil
}

// configMap of inst: immutable, and kept over a deletion that uninstalls.
func configMap(inst *api.Installation, name string) *corev1.ConfigMap {
	m := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: inst.Namespace, Name: name, Labels: labelsOf(inst), OwnerReferences: ownedBy(inst)},
		Immutable:  ptr.To(true),
	}
	if inst.Spec.DeletionPolicy == api.UninstallOnDeletion {
		m.Finalizers = []string{UninstallFinalizer}
	}
	return m
}

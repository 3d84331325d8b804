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
	// valuesKey has spec.values as JSON, sourcesKey spec.valuesFrom.
	valuesKey  = "values"
	sourcesKey = "sources"
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

// ValuesConfigMap keeps spec.values and spec.valuesFrom as they are, for the pod and for
// an uninstall that comes after the spec has changed.
func ValuesConfigMap(inst *api.Installation) (*corev1.ConfigMap, error) {
	digest, err := SpecDigest(inst.Spec)
	if err != nil {
		return nil, err
	}
	values, err := valuesOf(inst.Spec)
	if err != nil {
		return nil, err
	}
	sources, err := json.Marshal(inst.Spec.ValuesFrom)
	if err != nil {
		return nil, fmt.Errorf("write spec.valuesFrom as JSON: %w", err)
	}
	kept := configMap(inst, ValuesName(inst, digest))
	kept.Data = map[string]string{valuesKey: string(values), sourcesKey: string(sources)}
	return kept, nil
}

// ReadSources finds where else the values come from that are kept in a ConfigMap.
func ReadSources(kept *corev1.ConfigMap) ([]api.ValuesReference, error) {
	var sources []api.ValuesReference
	if err := json.Unmarshal([]byte(kept.Data[sourcesKey]), &sources); err != nil {
		return nil, fmt.Errorf("the ConfigMap %s does not say where its values come from: %w", kept.Name, ErrDamaged)
	}
	return sources, nil
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

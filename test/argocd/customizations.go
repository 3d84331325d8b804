// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/hack/tree"
)

// Keys of the ConfigMap begin with these; the group, '_' and the kind follow.
const (
	healthPrefix  = "resource.customizations.health."
	actionsPrefix = "resource.customizations.actions."
)

// Customizations are what a ConfigMap argocd-cm says of kinds of objects.
type Customizations struct {
	health  map[schema.GroupKind]string
	actions map[schema.GroupKind]Actions
}

// Actions of a kind, as the ConfigMap has them.
type Actions struct {
	Discovery   string       `json:"discovery.lua"`
	Definitions []Definition `json:"definitions"`
}

// Definition of one action.
type Definition struct {
	Name   string `json:"name"`
	Script string `json:"action.lua"`
}

// folder of the scripts and of what is made of them.
func folder() (string, error) {
	root, err := tree.Root()
	return filepath.Join(root, "config", "argocd"), err
}

// Shipped are the customizations of config/argocd/argocd-cm.yaml.
func Shipped() (Customizations, error) {
	dir, err := folder()
	if err != nil {
		return Customizations{}, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "argocd-cm.yaml"))
	if err != nil {
		return Customizations{}, err
	}
	var cm corev1.ConfigMap
	if err := yaml.UnmarshalStrict(text, &cm); err != nil {
		return Customizations{}, err
	}
	return Read(cm)
}

// Read reads a ConfigMap strictly: every key must be one that is known here.
func Read(cm corev1.ConfigMap) (Customizations, error) {
	c := Customizations{health: map[schema.GroupKind]string{}, actions: map[schema.GroupKind]Actions{}}
	for key, value := range cm.Data {
		if rest, is := strings.CutPrefix(key, healthPrefix); is {
			c.health[groupKind(rest)] = value
			continue
		}
		rest, is := strings.CutPrefix(key, actionsPrefix)
		if !is {
			return c, fmt.Errorf("%s is no key for health or actions", key)
		}
		var actions Actions
		if err := yaml.UnmarshalStrict([]byte(value), &actions); err != nil {
			return c, fmt.Errorf("%s: %w", key, err)
		}
		c.actions[groupKind(rest)] = actions
	}
	return c, nil
}

// groupKind reads GROUP_KIND.
func groupKind(text string) schema.GroupKind {
	group, kind, _ := strings.Cut(text, "_")
	return schema.GroupKind{Group: group, Kind: kind}
}

// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// kinds that have a health check, one script for all, and an action of the same name, which asks
// for what is a reload of that kind.
var kinds = []string{"Extension", "Installation"}

const action = "reload"

const heading = `# For the ConfigMap argocd-cm of Argo CD; docs/gitops.md says how to apply it.
# Made of the Lua files in this folder: change them and run make reference.
`

// Make makes the file argocd-cm.yaml of the scripts in a folder.
func Make(dir string) ([]byte, error) {
	data := map[string]string{}
	health, err := os.ReadFile(filepath.Join(dir, "health.lua"))
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		scripts := filepath.Join(dir, strings.ToLower(kind))
		discovery, err := os.ReadFile(scripts + "_discovery.lua")
		if err != nil {
			return nil, err
		}
		script, err := os.ReadFile(scripts + "_" + action + ".lua")
		if err != nil {
			return nil, err
		}
		actions, err := yaml.Marshal(Actions{Discovery: string(discovery), Definitions: []Definition{{Name: action, Script: string(script)}}})
		if err != nil {
			return nil, err
		}
		data[healthPrefix+api.GroupVersion.Group+"_"+kind] = string(health)
		data[actionsPrefix+api.GroupVersion.Group+"_"+kind] = string(actions)
	}
	cm := corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "argocd-cm"}, Data: data}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&cm)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(object)
	return append([]byte(heading), text...), err
}

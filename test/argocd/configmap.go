// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// kinds and the action of each; the health script is the same.
var kinds = []struct{ kind, action string }{{"Extension", "reload"}, {"Installation", "retry"}}

const heading = `# For the ConfigMap argocd-cm of Argo CD; docs/gitops.md says how to apply it.
# Made of the Lua files in this folder: change them and run make reference.
`

// Make makes the file argocd-cm.yaml of the scripts in a folder.
func Make(dir string) ([]byte, error) {
	data := map[string]string{}
	for _, k := range kinds {
		health, err := os.ReadFile(filepath.Join(dir, "health.lua"))
		if err != nil {
			return nil, err
		}
		discovery, err := os.ReadFile(filepath.Join(dir, k.action+"_discovery.lua"))
		if err != nil {
			return nil, err
		}
		action, err := os.ReadFile(filepath.Join(dir, k.action+".lua"))
		if err != nil {
			return nil, err
		}
		actions, err := yaml.Marshal(Actions{Discovery: string(discovery), Definitions: []Definition{{Name: k.action, Script: string(action)}}})
		if err != nil {
			return nil, err
		}
		data[healthPrefix+api.GroupVersion.Group+"_"+k.kind] = string(health)
		data[actionsPrefix+api.GroupVersion.Group+"_"+k.kind] = string(actions)
	}
	cm := corev1.ConfigMap{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"}, ObjectMeta: metav1.ObjectMeta{Name: "argocd-cm"}, Data: data}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&cm)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(object)
	return append([]byte(heading), text...), err
}

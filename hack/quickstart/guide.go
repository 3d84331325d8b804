// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// missingVersion is an Extension that cannot be Ready: the library has no such version.
const missingVersion = `apiVersion: extensions.provisioning.dev/v1alpha1
kind: Extension
metadata:
  name: kubernetes-future
spec:
  type: taskserv
  name: kubernetes
  version: "1.99.0"
`

// guide takes the kubeconfig, the folder of kubectl, the library's working copy, the file to edit, the reload annotation,
// the Extension with a missing version and the manager's log.
const guide = `In another terminal:

  export KUBECONFIG=%[1]s
  export PATH="%[2]s:$PATH"    # has kubectl

The library is a copy that you may edit: %[3]s
The manager writes to: %[7]s

Four things to try:

1. Edit an extension, and see it loaded again, with another digest:
     kubectl get extension containerd --output=jsonpath='{.status.digest} {.status.loadedAt}{"\n"}'
     echo '# edited' >> %[4]s
     sleep 2; kubectl get extension containerd --output=jsonpath='{.status.digest} {.status.loadedAt}{"\n"}'

2. Ask for a reload, and wait until it is done:
     kubectl annotate --overwrite extension kubernetes %[5]s=again-1
     kubectl wait extension kubernetes --for=jsonpath='{.status.lastHandledReloadAt}'=again-1

3. Ask for a version that does not exist, and read which there are:
     kubectl apply -f - <<'END'
%[6]sEND
     sleep 1; kubectl get ext

4. Ask the REST API what is loaded, and have something loaded again:
     curl http://127.0.0.1:8090/api/v1/extensions/loaded
     curl http://127.0.0.1:8090/api/v1/extensions/reload --header 'Content-Type: application/json' \
       --data '{"extension_type": "taskserv", "name": "etcd"}'

Ctrl-C here stops everything and removes the copy.
`

// printGuide tells how to reach what is running, and what to try.
func (s *stack) printGuide() {
	fmt.Printf(guide, s.kubectl.kubeconfig, filepath.Dir(s.kubectl.program), s.editable, s.editedFile(),
		api.ReloadAnnotation, missingVersion, s.manager.log)
}

// editedFile is the file whose change shows a hot reload.
func (s *stack) editedFile() string {
	return filepath.Join(s.editable, "taskservs", "containerd", "mod.nu")
}

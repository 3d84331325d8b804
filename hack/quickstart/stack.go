// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"provisioning.dev/extension-operator/hack/internal/asset"
	"provisioning.dev/extension-operator/hack/tree"
	"provisioning.dev/extension-operator/test/env"
)

// managerUser is the name by which the API server knows the ServiceAccount that the manifests give the manager: with it,
// the manager may here what it may in a cluster, and no more.
const managerUser = "system:serviceaccount:extension-system:extension-manager"

// stack is everything that the quickstart runs.
type stack struct {
	root     string // of the source tree
	nushell  string
	cluster  *env.Cluster
	kubectl  kubectl
	editable string   // the working copy of the library
	manager  *manager // from start on
}

// newStack provides the programs and starts the API server. The caller must stop the stack.
func newStack(ctx context.Context) (*stack, error) {
	root, err := tree.Root()
	if err != nil {
		return nil, err
	}
	say("looking for Nushell and the API server's programs")
	provider, err := asset.NewProvider(os.Stdout)
	if err != nil {
		return nil, err
	}
	paths, err := provider.Provide(ctx)
	if err != nil {
		return nil, err
	}
	say("starting etcd and kube-apiserver on the loopback interface")
	if err := os.Setenv("KUBEBUILDER_ASSETS", paths.ControlPlane); err != nil {
		return nil, err
	}
	cluster, err := env.Start()
	if err != nil {
		return nil, err
	}
	return &stack{
		root:     root,
		nushell:  paths.Nushell,
		cluster:  cluster,
		editable: filepath.Join(cluster.Dir, "extensions"),
		kubectl: kubectl{
			program:    cluster.Kubectl,
			kubeconfig: filepath.Join(cluster.Dir, "kubeconfig"),
			cache:      filepath.Join(cluster.Dir, "kubectl-cache"),
		},
	}, nil
}

// start gives the manager what it needs and starts it.
func (s *stack) start(ctx context.Context) error {
	if err := env.WriteKubeconfig(s.kubectl.kubeconfig, s.cluster.Config); err != nil {
		return err
	}
	if err := os.CopyFS(s.editable, os.DirFS(filepath.Join(s.root, "extensions"))); err != nil {
		return fmt.Errorf("copy the built-in library: %w", err)
	}
	for _, manifest := range []string{"-f=config/manager/namespace.yaml", "-f=config/manager/cache_configmap.yaml", "-k=config/rbac"} {
		if _, err := s.kubectl.run(ctx, "apply", manifest); err != nil {
			return err
		}
	}
	user, err := s.cluster.AddUser(managerUser)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(s.cluster.Dir, "manager.kubeconfig")
	if err := env.WriteKubeconfig(kubeconfig, user); err != nil {
		return err
	}
	say("starting the manager with the role of config/rbac")
	mode := "require"
	if runtime.GOOS != "linux" {
		mode = "off"
		say("the sandbox needs Linux: nothing holds the extensions here")
	}
	s.manager, err = startManager(filepath.Join(s.cluster.Dir, "manager.log"), filepath.Join(s.root, "bin", "manager"),
		"--kubeconfig="+kubeconfig,
		"--controllers=extension", // nothing here would run the Jobs of Installations, and the role is that of the loader
		"--library="+s.editable,
		"--nushell-path="+s.nushell,
		"--provisioning-path="+filepath.Join(s.root, "nushell"),
		"--sandbox="+mode,
		"--sandbox-path="+filepath.Join(s.root, "bin", "extension-sandbox"),
		"--cache-dir="+filepath.Join(s.cluster.Dir, "cache"),
		"--metrics-bind-address=0",
		"--health-probe-bind-address=127.0.0.1:0",
		"--api-bind-address=127.0.0.1:8090",
		"--api-secure=false",
		"--leader-elect=false",
		"--log-level=info",
	)
	return err
}

// stop ends everything and removes its files.
func (s *stack) stop() error {
	var err error
	if s.manager != nil {
		err = s.manager.stop()
	}
	return errors.Join(err, s.cluster.Stop())
}

// managerLog is the end of the manager's log, as an error to be shown with one.
func (s *stack) managerLog() error {
	if s.manager == nil {
		return nil
	}
	return fmt.Errorf("the end of the manager's log:\n%s", s.manager.tail())
}

// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
)

// nodePrograms are what a node has of Kubernetes beside the control plane, as hack/controlplane pins them.
var nodePrograms = []program{
	{name: "kubelet", pkg: "k8s.io/kubernetes/cmd/kubelet"},
	{name: "kube-scheduler", pkg: "k8s.io/kubernetes/cmd/kube-scheduler"},
	{name: "kube-proxy", pkg: "k8s.io/kubernetes/cmd/kube-proxy"},
}

// Node is where the programs of a real cluster of one node lie. All paths are absolute.
type Node struct {
	// ControlPlane is a folder with kube-apiserver, kube-controller-manager, etcd and kubectl.
	ControlPlane string
	// Programs is a folder with kubelet, kube-scheduler, kube-proxy, runc and coredns.
	Programs string
	// Debian has containerd and what else comes as packages.
	Debian Debian
}

// ProvideNode returns what a real cluster of one node is made of, after fetching or building what is missing. Tests without
// such a cluster do not need it: Provide does not build it.
func (p *Provider) ProvideNode(ctx context.Context) (Node, error) {
	plane, err := p.controlPlane(ctx)
	if err != nil {
		return Node{}, err
	}
	debian, err := p.debian(ctx)
	if err != nil {
		return Node{}, err
	}
	key, err := p.nodeKey()
	if err != nil {
		return Node{}, err
	}
	programs, err := p.folder(key, func(dir string) error {
		p.logf("building the programs of a node: about two minutes on two cores the first time, then never again")
		if err := p.buildKubernetes(ctx, dir, nodePrograms); err != nil {
			return err
		}
		if err := p.build(ctx, "runc", runcBuild(debian), filepath.Join(dir, "runc")); err != nil {
			return err
		}
		return p.build(ctx, "coredns", dnsBuild, filepath.Join(dir, "coredns"))
	})
	return Node{ControlPlane: plane, Programs: programs, Debian: debian}, err
}

// dnsBuild is the cluster's DNS server.
var dnsBuild = goBuild{module: "dns", pkg: ".", flags: []string{"-ldflags", "-s -w"}, env: []string{"CGO_ENABLED=0"}}

// runcBuild builds a static runc with seccomp, which needs C. Debian's own is too old for this kubelet's pods.
func runcBuild(debian Debian) goBuild {
	return goBuild{
		module: "runc",
		pkg:    "github.com/opencontainers/runc",
		flags:  []string{"-tags", "seccomp,netgo,osusergo", "-ldflags", "-s -w -extldflags -static"},
		env: append(debian.Environ(), "CGO_ENABLED=1", "PKG_CONFIG_SYSROOT_DIR="+debian.Root,
			"PKG_CONFIG_PATH="+filepath.Join(debian.libraries(), "pkgconfig")),
	}
}

// nodeKey names the folder by everything the programs are made of.
func (p *Provider) nodeKey() (string, error) {
	hash := sha256.New()
	err := errors.Join(p.hashModule(hash, "controlplane"), p.hashModule(hash, "runc"), p.hashModule(hash, "dns", "main.go"))
	if err != nil {
		return "", err
	}
	for _, program := range nodePrograms {
		_, _ = io.WriteString(hash, program.name+"\n")
	}
	return fmt.Sprintf("node-%s-%s-%s-%x", kubernetesVersion, runtime.GOOS, runtime.GOARCH, hash.Sum(nil)[:6]), nil
}

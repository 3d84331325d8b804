// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"provisioning.dev/extension-operator/hack/tree"
)

const (
	kubernetesVersion = "1.36.3"
	// envtestVersion is what setup-envtest is asked for: the newest patch release of the same minor version.
	envtestVersion = "1.36.x"
	// reachTimeout is how long setup-envtest may take to read its list of releases, before the control plane is built instead.
	reachTimeout = 15 * time.Second
	// downloadTimeout bounds the download itself.
	downloadTimeout = 5 * time.Minute
)

// controlPlanePrograms are built in this order, as hack/controlplane pins them.
var controlPlanePrograms = []program{
	{name: "kube-apiserver", pkg: "k8s.io/kubernetes/cmd/kube-apiserver"},
	{name: "kube-controller-manager", pkg: "k8s.io/kubernetes/cmd/kube-controller-manager"},
	{name: "kubectl", pkg: "k8s.io/kubernetes/cmd/kubectl"},
	{name: "etcd", pkg: "go.etcd.io/etcd/server/v3"},
}

type program struct{ name, pkg string }

// controlPlane returns a folder with the control plane's programs: KUBEBUILDER_ASSETS, else what setup-envtest downloads, else
// what Go builds from the modules that hack/controlplane pins.
func (p *Provider) controlPlane(ctx context.Context) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return checkedControlPlane(dir)
	}
	key, err := p.controlPlaneKey()
	if err != nil {
		return "", err
	}
	return p.folder(key, func(dir string) error {
		if err := p.downloadControlPlane(ctx, dir); err != nil {
			p.logf("setup-envtest cannot download the control plane here (%v); building it with Go", err)
		}
		p.logf("building what lacks of Kubernetes %s on %d cores: about 4 minutes on two cores the first time, then never again",
			kubernetesVersion, runtime.NumCPU())
		return p.buildKubernetes(ctx, dir, controlPlanePrograms)
	})
}

// checkedControlPlane returns the absolute path of a folder that the user brings, if every program is there.
func checkedControlPlane(dir string) (string, error) {
	for _, program := range controlPlanePrograms {
		if !tree.Exists(filepath.Join(dir, program.name)) {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS (%s) has no %s: unset it, and the control plane is fetched or built", dir, program.name)
		}
	}
	return filepath.Abs(dir)
}

// controlPlaneKey names the folder by everything the programs are made of.
func (p *Provider) controlPlaneKey() (string, error) {
	hash := sha256.New()
	if err := p.hashModule(hash, "controlplane"); err != nil {
		return "", err
	}
	for _, program := range controlPlanePrograms {
		_, _ = io.WriteString(hash, program.name+"\n")
	}
	return fmt.Sprintf("controlplane-%s-%s-%s-%x", kubernetesVersion, runtime.GOOS, runtime.GOARCH, hash.Sum(nil)[:6]), nil
}

// hashModule adds what pins the source of a module below hack, and further files of it.
func (p *Provider) hashModule(hash io.Writer, module string, more ...string) error {
	for _, name := range append([]string{"go.mod", "go.sum"}, more...) {
		content, err := os.ReadFile(filepath.Join(p.Source, "hack", module, name))
		if err != nil {
			return err
		}
		_, _ = hash.Write(content) // a hash takes everything
	}
	return nil
}

// downloadControlPlane moves what setup-envtest downloads, and verifies by the hashes of its list of releases, into dir. It
// has no kube-controller-manager.
func (p *Provider) downloadControlPlane(ctx context.Context, dir string) error {
	// The tool is built first, so that the time limits below are those of the network alone.
	if _, err := p.setupEnvtest(ctx, 10*time.Minute, "version"); err != nil {
		return err
	}
	if _, err := p.setupEnvtest(ctx, reachTimeout, "list", envtestVersion); err != nil {
		return err
	}
	p.logf("downloading the control plane %s with setup-envtest", envtestVersion)
	scratch, err := os.MkdirTemp(p.Cache, "setup-envtest-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	from, err := p.setupEnvtest(ctx, downloadTimeout, "use", envtestVersion, "--bin-dir", scratch, "--print", "path")
	if err != nil {
		return err
	}
	for _, program := range controlPlanePrograms {
		err := os.Rename(filepath.Join(from, program.name), filepath.Join(dir, program.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// setupEnvtest runs the pinned setup-envtest and returns what it printed.
func (p *Provider) setupEnvtest(ctx context.Context, limit time.Duration, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", append([]string{"tool", "-modfile=hack/tools/setup-envtest.mod", "setup-envtest"}, args...)...)
	cmd.Dir = p.Source
	cmd.WaitDelay = time.Second // the tool is a child of go, and may hold the output open
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("no answer within %s", limit)
	}
	if err != nil {
		return "", fmt.Errorf("its download host cannot be reached: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

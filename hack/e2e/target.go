// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"provisioning.dev/extension-operator/hack/internal/asset"
	"provisioning.dev/extension-operator/hack/tree"
)

// target is the cluster that the suite runs in.
type target interface {
	// begin makes it ready, end gives it back.
	begin() error
	end() error
	// load gives archives of images to its nodes.
	load(archives ...string) error
	// tool is the program that restarts its parts; empty where there is none.
	tool() string
	// environ is what the suite is told of it.
	environ() []string
}

// chooseTarget says what is missing before anything is begun. With images that are given none is to be loaded.
func (r *run) chooseTarget(images bool) (target, error) {
	if os.Getenv("KUBECONFIG") != "" {
		kubectl, err := exec.LookPath("kubectl")
		if err != nil {
			return nil, fmt.Errorf("with KUBECONFIG a kubectl on the PATH is needed: %w", err)
		}
		loader := strings.Fields(os.Getenv("E2E_LOAD"))
		if len(loader) == 0 && !images {
			return nil, errors.New("how do the nodes get the image? Set E2E_LOAD to a command that takes an archive, such as " +
				"'kind load image-archive', or E2E_IMAGE and E2E_OLD_IMAGE to images that they can pull (docs/e2e.md)")
		}
		return &given{run: r, kubectl: kubectl, loader: loader}, nil
	}
	cache, err := tree.Cache()
	if err != nil {
		return nil, err
	}
	return &own{run: r, program: filepath.Join(r.root, "bin", "cluster"), folder: filepath.Join(cache, "cluster")}, nil
}

// given is the cluster of KUBECONFIG.
type given struct {
	run     *run
	kubectl string
	// loader is a command that takes an archive of an image.
	loader []string
}

func (*given) begin() error { return nil }
func (*given) end() error   { return nil }
func (*given) tool() string { return "" }

func (g *given) environ() []string { return []string{"E2E_KUBECTL=" + g.kubectl} }

func (g *given) load(archives ...string) error {
	for _, archive := range archives {
		if err := g.run.command(g.run.root, g.loader[0], append(slices.Clone(g.loader[1:]), archive)...); err != nil {
			return err
		}
	}
	return nil
}

// own is the cluster of hack/cluster on this machine.
type own struct {
	run *run
	// program is bin/cluster, folder that of all that the cluster writes.
	program, folder string
	kubeconfig      string
	controlPlane    string
	// begun: what is on this machine from now on is ours to take away.
	begun bool
}

// begin starts a new cluster. With KEEP the one that is up already serves, with whatever is in it.
func (o *own) begin() error {
	say("starting a cluster of one node on this machine (the first time its parts are built, which takes minutes)")
	if err := o.run.command(o.run.root, "go", "build", "-o", o.program, "./hack/cluster"); err != nil {
		return err
	}
	if !o.run.keep {
		if err := o.spareOthers(); err != nil {
			return err
		}
		if err := o.run.command(o.run.root, o.program, "down"); err != nil {
			return err
		}
	}
	o.begun = true
	already := o.made()
	out, err := o.run.program(o.run.root, o.program, "up").Output()
	if err != nil {
		return fmt.Errorf("start the cluster: %w", err)
	}
	if !already {
		if err := os.WriteFile(o.marker(), nil, 0o600); err != nil {
			return err
		}
	}
	line := strings.TrimSpace(string(out))
	o.kubeconfig = strings.Trim(strings.TrimPrefix(line, "export KUBECONFIG="), "'")
	provider, err := asset.NewProvider(os.Stderr)
	if err != nil {
		return err
	}
	node, err := provider.ProvideNode(o.run.ctx)
	o.controlPlane = node.ControlPlane
	return err
}

// marker is in the folder of a cluster that a run of the suite has started.
func (o *own) marker() string { return filepath.Join(o.folder, "of-the-suite") }

// made tells whether there is a cluster.
func (o *own) made() bool { return tree.Exists(filepath.Join(o.folder, "cluster.json")) }

// spareOthers refuses to take away a cluster that somebody has started for something else.
func (o *own) spareOthers() error {
	if o.made() && !tree.Exists(o.marker()) {
		return errors.New("a cluster is up on this machine that the suite has not started: KEEP=1 uses it, make cluster-down removes it")
	}
	return nil
}

// end keeps the cluster's logs and removes the cluster, and fails if anything of it is left.
func (o *own) end() error {
	if !o.begun {
		return nil
	}
	keepErr := os.CopyFS(filepath.Join(o.run.out, "cluster"), os.DirFS(filepath.Join(o.folder, "log")))
	if o.run.keep {
		say("the cluster stays; make cluster-down removes it: export KUBECONFIG='%s'", o.kubeconfig)
		return keepErr
	}
	// Also after an interrupt: without the run's context, and out of the reach of another one.
	for _, command := range []string{"down", "check-clean"} {
		cmd := exec.Command(o.program, command)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := cmd.Run(); err != nil {
			return errors.Join(keepErr, fmt.Errorf("bin/cluster %s: %w", command, err))
		}
	}
	return keepErr
}

func (o *own) tool() string { return o.program }

func (o *own) load(archives ...string) error {
	return o.run.command(o.run.root, o.program, append([]string{"load"}, archives...)...)
}

func (o *own) environ() []string {
	return []string{
		"KUBECONFIG=" + o.kubeconfig,
		"E2E_KUBECTL=" + filepath.Join(o.controlPlane, "kubectl"),
		"E2E_CLUSTER=" + o.program,
		"E2E_AUDIT_LOG=" + filepath.Join(o.folder, "log", "audit.log"),
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"

	"provisioning.dev/extension-operator/hack/tree"
)

// up makes the cluster, or starts what of it does not run, and returns when a pod of it has reached the API server. It tells
// whether there was nothing to do.
func (c *cluster) up(ctx context.Context, subnet string) (already bool, err error) {
	if err := c.make(ctx, subnet); err != nil {
		return false, err
	}
	admin, started, err := c.startAll(ctx)
	if err != nil {
		return false, fmt.Errorf("%w\nmake cluster-down removes what is left", err)
	}
	if !started && tree.Exists(c.readyFile()) {
		return true, nil
	}
	begun := time.Now()
	if err := eventually(ctx, readyTimeout, func(ctx context.Context) error { return nodeReady(ctx, admin) }); err != nil {
		return false, c.failed("kubelet", err)
	}
	say("the node is Ready (%s)", since(begun))
	begun = time.Now()
	answer, err := probe(ctx, admin)
	if err != nil {
		return false, err
	}
	say("a pod asked %s (%s)", answer, since(begun))
	return false, os.WriteFile(c.readyFile(), nil, 0o600)
}

// make makes the folder, the credentials, the configuration and the first process, unless that one runs.
func (c *cluster) make(ctx context.Context, subnet string) error {
	_, err := recorded(c.pidFile(initPart))
	if err == nil {
		if _, err := c.read(); err != nil {
			return err
		}
		if subnet != "" && subnet != c.network.String() {
			return fmt.Errorf("the cluster is up with the subnet %s: make cluster-down first", c.network)
		}
		return nil
	}
	if !errors.Is(err, errNoProcess) {
		return err
	}
	_, other, err := c.firstProcesses()
	if err != nil {
		return err
	}
	if other != "" {
		return fmt.Errorf("another cluster is up on this machine, in %s: there can be one only", other)
	}
	left, err := c.leftovers()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		say("removing what is left of a cluster that ended")
		if err := c.down(ctx); err != nil {
			return err
		}
	}
	if subnet == "" {
		subnet = defaultSubnet
	}
	if c.network, err = newNetwork(subnet); err != nil {
		return err
	}
	if err := c.checkMachine(); err != nil {
		return err
	}
	return c.makeAnew(ctx)
}

// checkMachine says why this machine cannot have the cluster.
func (c *cluster) checkMachine() error {
	groups, err := machineHierarchies()
	if err != nil {
		return err
	}
	if err := checkControllers(groups); err != nil {
		return err
	}
	return c.network.collision()
}

func (c *cluster) makeAnew(ctx context.Context) error {
	begun := time.Now()
	for _, folder := range []string{"pki", "config", "log", "pids", "tmp", "etcd", "var/lib", "var/log"} {
		if err := os.MkdirAll(filepath.Join(c.dir, folder), 0o700); err != nil {
			return err
		}
	}
	if err := c.write(); err != nil {
		return err
	}
	if err := writeCredentials(c.PKI(), c.network); err != nil {
		return fmt.Errorf("make the cluster's credentials: %w", err)
	}
	if err := c.writeConfigs(); err != nil {
		return err
	}
	if err := c.startInit(ctx); err != nil {
		return fmt.Errorf("%w\nmake cluster-down removes what is left", err)
	}
	say("made credentials, configuration and namespaces (%s)", since(begun))
	return nil
}

// startAll starts every part that does not run, and tells whether there was one.
func (c *cluster) startAll(ctx context.Context) (admin kubernetes.Interface, anything bool, err error) {
	for _, d := range c.daemons() {
		begun := time.Now()
		started, err := c.start(ctx, d)
		if err != nil {
			return nil, false, err
		}
		if started {
			say("started %s (%s)", d.name, since(begun))
		}
		anything = anything || started
		if err := c.prepare(ctx, d.name); err != nil {
			return nil, false, err
		}
	}
	admin, err = client(c.adminKubeconfig())
	return admin, anything, err
}

// prepare does what the parts after this one build upon.
func (c *cluster) prepare(ctx context.Context, part string) error {
	switch part {
	case "kube-apiserver":
		return c.bind(ctx)
	case "containerd":
		return c.loadPodImage(ctx)
	default:
		return nil
	}
}

// since is how long it took, for a person.
func since(begun time.Time) time.Duration { return time.Since(begun).Round(100 * time.Millisecond) }

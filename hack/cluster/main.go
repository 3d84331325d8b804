// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command cluster makes a real Kubernetes cluster of one node on this machine, without Docker, and removes it again:
//
//	eval "$(go run ./hack/cluster up)"   # then kubectl works
//	go run ./hack/cluster load FILE...   # archives of images, for pods with imagePullPolicy: Never
//	go run ./hack/cluster restart PART...
//	go run ./hack/cluster down
//
// It tells what it does on standard error. See docs/cluster.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"provisioning.dev/extension-operator/hack/internal/asset"
)

const (
	usage = "usage: cluster up [--subnet=a.b.0.0/16] | down | load FILE... | start PART... | stop PART... | restart PART... | check-clean"
	// commandInit and commandInside are how the cluster's first process starts; they are not for people.
	commandInit, commandInside = "init", "inside"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	command, args := args[0], args[1:]
	switch {
	case command == commandInit && len(args) == 2:
		return beginInit(args[0], args[1])
	case command == commandInside && len(args) == 2:
		return runInside(args[0], args[1])
	}
	c, unlock, err := located()
	if err != nil {
		return err
	}
	defer unlock()
	switch command {
	case "up":
		return runUp(ctx, c, args)
	case "down":
		return runDown(ctx, c)
	case "check-clean":
		return c.checkClean()
	case "load", "start", "stop", "restart":
		return runOnCluster(ctx, c, command, args)
	default:
		return fmt.Errorf("unknown command %q; %s", command, usage)
	}
}

func runUp(ctx context.Context, c *cluster, args []string) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	subnet := flags.String("subnet", "", "the cluster's addresses, a.b.0.0/16; "+defaultSubnet+" if nothing is said")
	if err := flags.Parse(args); err != nil {
		return err
	}
	begun := time.Now()
	if err := c.findPrograms(ctx); err != nil {
		return err
	}
	already, err := c.up(ctx, *subnet)
	if err != nil {
		return err
	}
	if already {
		say("it is up already")
	} else {
		say("it is up (%s)", since(begun))
	}
	say("logs: %s; the API server's audit log: %s", filepath.Dir(c.auditLog()), c.auditLog())
	say("kubectl: %s", filepath.Join(c.node.ControlPlane, "kubectl"))
	fmt.Printf("export KUBECONFIG='%s'\n", strings.ReplaceAll(c.adminKubeconfig(), "'", `'\''`))
	return nil
}

func runDown(ctx context.Context, c *cluster) error {
	begun := time.Now()
	left, err := c.leftovers()
	if err != nil {
		return err
	}
	if len(left) == 0 {
		say("there is no cluster")
		return nil
	}
	if err := c.down(ctx); err != nil {
		return err
	}
	say("it is down, and nothing is left (%s)", since(begun))
	return nil
}

// runOnCluster does what needs a cluster that is up.
func runOnCluster(ctx context.Context, c *cluster, command string, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%s what? %s", command, usage)
	}
	if _, err := recorded(c.pidFile(initPart)); err != nil {
		return fmt.Errorf("the cluster is not up (make cluster-up starts it): %w", err)
	}
	if _, err := c.read(); err != nil {
		return err
	}
	if err := c.findPrograms(ctx); err != nil {
		return err
	}
	if command == "load" {
		return c.load(ctx, args...)
	}
	parts, err := c.named(args)
	if err != nil {
		return err
	}
	for _, part := range parts {
		begun := time.Now()
		if command != "start" {
			if err := c.stop(ctx, part.name); err != nil {
				return err
			}
		}
		if command != "stop" {
			if _, err := c.start(ctx, part); err != nil {
				return err
			}
		}
		say("%s: %s (%s)", command, part.name, since(begun))
	}
	return nil
}

// named returns the parts of these names.
func (c *cluster) named(names []string) ([]daemon, error) {
	all := c.daemons()
	parts := make([]daemon, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(all, func(d daemon) bool { return d.name == name })
		if i < 0 {
			known := make([]string, 0, len(all))
			for _, d := range all {
				known = append(known, d.name)
			}
			return nil, fmt.Errorf("no part is called %q; there are %s", name, strings.Join(known, ", "))
		}
		parts = append(parts, all[i])
	}
	return parts, nil
}

// findPrograms finds what the cluster is made of, and fetches or builds what is missing.
func (c *cluster) findPrograms(ctx context.Context) error {
	provider, err := asset.NewProvider(os.Stderr)
	if err != nil {
		return err
	}
	c.node, err = provider.ProvideNode(ctx)
	return err
}

// say prints one line on what happens now. Standard output is for the result.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "==> "+format+"\n", args...)
}

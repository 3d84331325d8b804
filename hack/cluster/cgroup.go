// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"provisioning.dev/extension-operator/hack/tree"
)

// cgroupName is the cluster's cgroup in each hierarchy: everything the cluster runs is in it or below.
const cgroupName = "eo-cluster"

// hierarchy is a mounted hierarchy of cgroups, version 1.
type hierarchy struct {
	// path is where it is mounted, options what it is mounted with: its controllers, or the name of one without.
	path, options string
}

// hierarchies returns those that a mountinfo tells of.
func hierarchies(mountinfo string) []hierarchy {
	var found []hierarchy
	for line := range strings.Lines(mountinfo) {
		mount, filesystem, ok := strings.Cut(line, " - ")
		fields, super := strings.Fields(mount), strings.Fields(filesystem)
		if !ok || len(fields) < 5 || len(super) < 3 || super[0] != "cgroup" {
			continue
		}
		options := slices.DeleteFunc(strings.Split(super[2], ","), func(option string) bool {
			return option == "rw" || option == "ro" || option == "xattr" || strings.HasPrefix(option, "release_agent=")
		})
		found = append(found, hierarchy{path: fields[4], options: strings.Join(options, ",")})
	}
	return found
}

// machineHierarchies are those of this machine, as this process sees it.
func machineHierarchies() ([]hierarchy, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return hierarchies(string(mountinfo)), nil
}

// requiredControllers are those without which the kubelet does not start.
var requiredControllers = []string{"cpu", "cpuacct", "cpuset", "memory"}

func checkControllers(found []hierarchy) error {
	controllers := make([]string, 0, len(found))
	for _, h := range found {
		controllers = append(controllers, strings.Split(h.options, ",")...)
	}
	for _, controller := range requiredControllers {
		if !slices.Contains(controllers, controller) {
			return fmt.Errorf("this machine has no cgroup (version 1) controller %s, which a cluster made here needs: "+
				"use kind or any other cluster instead, by KUBECONFIG", controller)
		}
	}
	return nil
}

// makeCgroups makes the cluster's cgroups and moves a process into them.
func makeCgroups(found []hierarchy, pid int) error {
	for _, h := range found {
		group := filepath.Join(h.path, cgroupName)
		if err := os.Mkdir(group, 0o755); err != nil {
			return fmt.Errorf("make a cgroup: %w", err)
		}
		if err := inheritCpuset(h.path, group); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("move a process to the cgroup %s: %w", group, err)
		}
	}
	return nil
}

// inheritCpuset fills what a new cgroup of cpuset has empty, and takes no process with.
func inheritCpuset(parent, group string) error {
	for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller's
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(group, name), bytes.TrimSpace(value), 0o644); err != nil {
			return fmt.Errorf("fill %s of the cgroup %s: %w", name, group, err)
		}
	}
	return nil
}

// leftCgroups are the cluster's cgroups that are there.
func leftCgroups() ([]string, error) {
	found, err := machineHierarchies()
	if err != nil {
		return nil, err
	}
	var left []string
	for _, h := range found {
		if group := filepath.Join(h.path, cgroupName); tree.Exists(group) {
			left = append(left, group)
		}
	}
	return left, nil
}

// removeCgroups removes the cluster's cgroups, the inner ones first. They stay busy for a moment after their last process.
func removeCgroups(ctx context.Context) error {
	return eventually(ctx, removeTimeout, func(context.Context) error {
		left, err := leftCgroups()
		for _, group := range left {
			err = errors.Join(err, removeCgroup(group))
		}
		return err
	})
}

func removeCgroup(group string) error {
	children, err := os.ReadDir(group)
	if err != nil {
		return err
	}
	for _, child := range children {
		if child.IsDir() {
			if err := removeCgroup(filepath.Join(group, child.Name())); err != nil {
				return err
			}
		}
	}
	return os.Remove(group)
}

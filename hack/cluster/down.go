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
	"strconv"
	"strings"
	"syscall"

	"provisioning.dev/extension-operator/hack/tree"
)

// down removes the cluster, whatever is left of it. Nothing is asked to end in order: all it wrote goes too.
func (c *cluster) down(ctx context.Context) error {
	first, err := recorded(c.pidFile(initPart))
	if err != nil && !errors.Is(err, errNoProcess) {
		return err
	}
	if err == nil {
		if err := first.kill(ctx); err != nil {
			return err
		}
	}
	if err := c.killRest(ctx); err != nil {
		return err
	}
	if err := removeCgroups(ctx); err != nil {
		return err
	}
	if err := removeLink(); err != nil {
		return err
	}
	mounts, err := c.leftMounts()
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("still mounted: %s", strings.Join(mounts, ", "))
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return err
	}
	return c.checkClean()
}

// killRest ends whatever is in the cluster's cgroups: what a run left that was interrupted before it recorded the first process.
func (c *cluster) killRest(ctx context.Context) error {
	return eventually(ctx, removeTimeout, func(ctx context.Context) error {
		left, err := leftProcesses()
		for _, p := range left {
			err = errors.Join(err, p.kill(ctx))
		}
		return err
	})
}

// checkClean returns an error that lists what there is of a cluster on this machine.
func (c *cluster) checkClean() error {
	left, err := c.leftovers()
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("still there: %s", strings.Join(left, ", "))
	}
	return nil
}

// leftovers are what there is of a cluster on this machine: processes, mounts, the link with its routes, cgroups and the folder. Its
// other namespaces, with their links, mounts and rules of nftables, are there as long as a process is in them.
func (c *cluster) leftovers() ([]string, error) {
	var left []string
	running, err := leftProcesses()
	if err != nil {
		return nil, err
	}
	for _, p := range running {
		left = append(left, fmt.Sprintf("process %d (%s)", p.PID, p.Program))
	}
	mounts, err := c.leftMounts()
	if err != nil {
		return nil, err
	}
	for _, path := range mounts {
		left = append(left, "mount "+path)
	}
	groups, err := leftCgroups()
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		left = append(left, "cgroup "+group)
	}
	link, err := hasLink()
	if err != nil {
		return nil, err
	}
	if link {
		left = append(left, "network link "+hostLink)
	}
	if tree.Exists(c.dir) {
		left = append(left, "folder "+c.dir)
	}
	return left, nil
}

// leftMounts are the mounts of this process's namespace that are in the cluster's folder or of it.
func (c *cluster) leftMounts() ([]string, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return mountsOf(string(mountinfo), c.dir), nil
}

// mountsOf returns the mount points of a mountinfo that are below a folder, or show something below it elsewhere.
func mountsOf(mountinfo, dir string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		root, point := fields[3], fields[4]
		if strings.HasPrefix(point+"/", dir+"/") || strings.HasPrefix(root+"/", dir+"/") {
			found = append(found, point)
		}
	}
	return found
}

// leftProcesses are the processes in the cluster's cgroups.
func leftProcesses() ([]process, error) {
	groups, err := leftCgroups()
	if err != nil {
		return nil, err
	}
	found := map[int]process{}
	for _, group := range groups {
		err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // gone meanwhile
			}
			if err != nil || entry.Name() != "cgroup.procs" {
				return err
			}
			return addProcesses(found, path)
		})
		if err != nil {
			return nil, err
		}
	}
	left := make([]process, 0, len(found))
	for _, p := range found {
		left = append(left, p)
	}
	return left, nil
}

// addProcesses adds those that a cgroup.procs lists and that still run.
func addProcesses(found map[int]process, path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil // the cgroup is gone meanwhile
	}
	if err != nil {
		return err
	}
	for line := range bytes.Lines(content) {
		pid, err := strconv.Atoi(string(bytes.TrimSpace(line)))
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		p, err := processOf(pid)
		switch {
		case err == nil:
			found[pid] = p
		case !errors.Is(err, errNoProcess):
			return err
		}
	}
	return nil
}

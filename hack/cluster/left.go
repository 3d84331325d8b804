// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
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

// leftovers are what there is of this cluster on this machine: processes, mounts, the link with its routes, cgroups and the folder. Its
// other namespaces, with their links, mounts and rules of nftables, are there as long as a process is in them.
func (c *cluster) leftovers() ([]string, error) {
	_, other, err := c.firstProcesses()
	if err != nil {
		return nil, err
	}
	var left []string
	if other == "" {
		if left, err = shared(); err != nil {
			return nil, err
		}
	}
	mounts, err := c.leftMounts()
	if err != nil {
		return nil, err
	}
	for _, path := range mounts {
		left = append(left, "mount "+path)
	}
	if tree.Exists(c.dir) {
		left = append(left, "folder "+c.dir)
	}
	return left, nil
}

// shared are the leftovers whose names are the same for every cluster of this machine, so that there can be one only.
func shared() ([]string, error) {
	var left []string
	running, err := leftProcesses()
	if err != nil {
		return nil, err
	}
	for _, p := range running {
		left = append(left, fmt.Sprintf("process %d (%s)", p.PID, p.Program))
	}
	groups, err := leftCgroups()
	if err != nil {
		return nil, err
	}
	for _, group := range groups {
		left = append(left, "cgroup "+group)
	}
	link, err := hasLink()
	if link {
		left = append(left, "network link "+hostLink)
	}
	return left, err
}

// firstProcesses are those first processes that run: the cluster's own, also if its folder was removed under it, and the
// folder of another cluster that is up on this machine.
func (c *cluster) firstProcesses() (own []process, other string, err error) {
	running, err := leftProcesses()
	if err != nil {
		return nil, "", err
	}
	for _, p := range running {
		line, err := os.ReadFile(procFile(p.PID, "cmdline"))
		if err != nil {
			continue // it ended meanwhile
		}
		switch dir := folderOf(string(line)); dir {
		case "":
		case c.dir:
			own = append(own, p)
		default:
			other = dir
		}
	}
	return own, other, nil
}

// folderOf returns the folder of the cluster whose first process has this command line; "" if it is another process.
func folderOf(line string) string {
	args := strings.Split(strings.TrimSuffix(line, "\x00"), "\x00")
	if len(args) == 4 && (args[1] == commandInit || args[1] == commandInside) {
		return args[2]
	}
	return ""
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

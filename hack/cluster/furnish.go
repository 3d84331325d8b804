// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelSettings are what the kubelet wants of the kernel, and would set for the whole machine if it did not find it.
var kernelSettings = map[string]string{
	"kernel/keys/root_maxbytes": "25000000",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
}

// furnish gives the cluster's mount namespace folders of its own wherever its programs write to fixed paths, so that nothing
// of them is on the machine, and its view of processes, devices' names and cgroups.
func furnish(dir string) error {
	if err := unix.Sethostname([]byte(nodeName)); err != nil {
		return err
	}
	// First nothing passes to the machine any more; then containers may receive what is mounted later.
	for _, propagation := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|propagation, ""); err != nil {
			return fmt.Errorf("part from the machine's mounts: %w", err)
		}
	}
	groups, err := machineHierarchies()
	if err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", ""); err != nil {
		return err
	}
	if err := mountSys(groups); err != nil {
		return err
	}
	if err := mount("tmpfs", "/run", "tmpfs", "mode=755"); err != nil {
		return err
	}
	for _, folder := range []string{"lib", "log"} {
		source := filepath.Join(dir, "var", folder)
		if err := bind(source, "/var/"+folder); err != nil {
			return err
		}
	}
	return coverKernelSettings()
}

// mountSys mounts /sys anew, for the network devices of the namespace, and the hierarchies of cgroups below it, whose roots
// are the cluster's cgroups.
func mountSys(groups []hierarchy) error {
	if err := unix.Unmount("/sys", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount /sys: %w", err)
	}
	if err := mount("sysfs", "/sys", "sysfs", ""); err != nil {
		return err
	}
	const root = "/sys/fs/cgroup"
	if err := mount("tmpfs", root, "tmpfs", "mode=755"); err != nil {
		return err
	}
	for _, group := range groups {
		name := filepath.Base(group.path)
		path := filepath.Join(root, name)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup", path, "cgroup", group.options); err != nil {
			return err
		}
		// Controllers that share a hierarchy are found by their own names too.
		for controller := range strings.SplitSeq(group.options, ",") {
			if controller == name || strings.Contains(controller, "=") {
				continue
			}
			if err := os.Symlink(name, filepath.Join(root, controller)); err != nil {
				return err
			}
		}
	}
	return nil
}

// coverKernelSettings shows the kubelet what it wants to see. The settings are the machine's, and stay as they are.
func coverKernelSettings() error {
	for name, value := range kernelSettings {
		cover := "/run/kernel-settings/" + name
		if err := os.MkdirAll(filepath.Dir(cover), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(cover, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := bind(cover, "/proc/sys/"+name); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind, options string) error {
	if err := unix.Mount(source, target, kind, 0, options); err != nil {
		return fmt.Errorf("mount %s (%s): %w", target, options, err)
	}
	return nil
}

func bind(source, target string) error {
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", source, target, err)
	}
	return nil
}

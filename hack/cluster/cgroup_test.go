// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

const someMounts = `22 27 0:21 / /proc rw,relatime - proc none rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs none rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup none rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup none rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup none rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup none rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw
not a mount
`

func TestHierarchiesOfCgroups(t *testing.T) {
	g := NewWithT(t)
	found := hierarchies(someMounts)
	g.Expect(found).To(Equal([]hierarchy{
		{"/sys/fs/cgroup/cpu,cpuacct", "cpu,cpuacct"},
		{"/sys/fs/cgroup/cpuset", "cpuset"},
		{"/sys/fs/cgroup/memory", "memory"},
		{"/sys/fs/cgroup/systemd", "name=systemd"},
	}))
	g.Expect(checkControllers(found)).To(Succeed())
	g.Expect(checkControllers(found[:2])).To(MatchError(ContainSubstring("controller memory")))
	g.Expect(checkControllers(nil)).To(MatchError(ContainSubstring("use kind or any other cluster")))
}

func TestCpusetIsInherited(t *testing.T) {
	g := NewWithT(t)
	parent := t.TempDir()
	group := filepath.Join(parent, "group")
	g.Expect(os.Mkdir(group, 0o755)).To(Succeed())
	g.Expect(inheritCpuset(parent, group)).To(Succeed(), "another controller's has none")
	for name, value := range map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n"} {
		g.Expect(os.WriteFile(filepath.Join(parent, name), []byte(value), 0o600)).To(Succeed())
	}
	g.Expect(inheritCpuset(parent, group)).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(group, "cpuset.cpus"))).To(BeEquivalentTo("0-1"))
	g.Expect(os.ReadFile(filepath.Join(group, "cpuset.mems"))).To(BeEquivalentTo("0"))
}

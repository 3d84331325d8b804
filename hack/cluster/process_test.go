// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestLinesOfStat(t *testing.T) {
	g := NewWithT(t)
	state, started, err := parseStat("12 (a) b (c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 100 200")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{state, started}).To(Equal([]string{"S", "4711"}))
	for _, bad := range []string{"", "12 (a) S 1 2", "12 a S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 100 200"} {
		_, _, err := parseStat(bad)
		g.Expect(err).To(HaveOccurred(), bad)
	}
}

func TestAProcessIsKnownByMoreThanItsID(t *testing.T) {
	g := NewWithT(t)
	own, err := processOf(os.Getpid())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(own.alive()).To(BeTrue())
	earlier, other := own, own
	earlier.Started, other.Program = "1", "another"
	g.Expect(earlier.alive()).To(BeFalse(), "the id was another's before")
	g.Expect(other.alive()).To(BeFalse())

	file := filepath.Join(t.TempDir(), "own.json")
	_, err = recorded(file)
	g.Expect(err).To(MatchError(errNoProcess))
	g.Expect(own.record(file)).To(Succeed())
	g.Expect(recorded(file)).To(Equal(own))
	g.Expect(earlier.record(file)).To(Succeed())
	_, err = recorded(file)
	g.Expect(err).To(MatchError(errNoProcess))
	g.Expect(os.WriteFile(file, []byte("{"), 0o600)).To(Succeed())
	_, err = recorded(file)
	g.Expect(err).To(MatchError(ContainSubstring("read " + file)))
}

func TestEndingAProcess(t *testing.T) {
	for name, script := range map[string]string{
		"that obeys":         "echo ready; read line",
		"that does not obey": "trap '' TERM; echo ready; read line",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			cmd := exec.Command("sh", "-c", script)
			in, err := cmd.StdinPipe() // open, so that the shell waits
			g.Expect(err).NotTo(HaveOccurred())
			out, err := cmd.StdoutPipe()
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(cmd.Start()).To(Succeed())
			defer func() { _, _ = in.Close(), cmd.Wait() }()
			g.Expect(bufio.NewReader(out).ReadString('\n')).To(Equal("ready\n"))
			p, err := processOf(cmd.Process.Pid)
			g.Expect(err).NotTo(HaveOccurred())

			g.Expect(p.end(t.Context(), 300*time.Millisecond)).To(Succeed())
			g.Expect(p.alive()).To(BeFalse(), "though nobody waited for it yet")
			g.Expect(p.end(t.Context(), time.Second)).To(Succeed(), "it has ended")
		})
	}
}

func TestTheIDInside(t *testing.T) {
	g := NewWithT(t)
	g.Expect(innerPID("Name:\tetcd\nNSpid:\t4711\t17\nVmRSS:\t1 kB\n")).To(Equal(17))
	g.Expect(innerPID("NSpid:\t4711\n")).To(Equal(4711))
	for _, bad := range []string{"", "NSpid:\n", "NSpid:\tx\n", "Name:\tetcd\n"} {
		g.Expect(innerPID(bad)).To(BeZero(), bad)
	}
}

func TestFirstProcessesAreKnownByTheirCommandLine(t *testing.T) {
	g := NewWithT(t)
	g.Expect(folderOf("cluster\x00inside\x00/cache/cluster\x0010.9.0.0/16\x00")).To(Equal("/cache/cluster"))
	g.Expect(folderOf("/proc/self/exe\x00init\x00/cache/cluster\x0010.9.0.0/16\x00")).To(Equal("/cache/cluster"))
	for _, other := range []string{"", "etcd\x00--data-dir=/cache\x00", "cluster\x00up\x00", "cluster\x00inside\x00/cache\x00"} {
		g.Expect(folderOf(other)).To(BeEmpty(), other)
	}
}

func TestMountsOfTheFolder(t *testing.T) {
	g := NewWithT(t)
	const mountinfo = "27 1 254:0 / / rw - ext4 /dev/vda rw\n" +
		"50 27 0:50 / /cache/cluster/var/lib/x rw - tmpfs none rw\n" +
		"51 27 254:0 /cache/cluster/var/lib /var/lib rw - ext4 /dev/vda rw\n" +
		"52 27 0:52 / /cache/clusters rw - tmpfs none rw\n" +
		"no mount\n"
	g.Expect(mountsOf(mountinfo, "/cache/cluster")).To(Equal([]string{"/cache/cluster/var/lib/x", "/var/lib"}))
	g.Expect(mountsOf(mountinfo, "/elsewhere")).To(BeEmpty())
}

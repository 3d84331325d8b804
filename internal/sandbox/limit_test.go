// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"errors"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

func limitReached(g *WithT, err error) string {
	var limit *sandbox.LimitError
	g.Expect(errors.As(err, &limit)).To(BeTrue(), "%v", err)
	g.Expect(err.Error()).To(Equal("limit of " + limit.Limit + " reached: " + limit.Value))
	return limit.Limit
}

func TestAFloodIsCutAtOnce(t *testing.T) {
	for _, one := range []struct{ limit, redirect string }{
		{sandbox.LimitStdout, ""},
		{sandbox.LimitStderr, " >&2"},
	} {
		t.Run(one.limit, func(t *testing.T) {
			g := NewWithT(t)
			limits := sandbox.DefaultLimits()
			limits.Stdout, limits.Stderr = 100_000, 100_000
			result, err := run(t, shell("exec head -c 1073741824 /dev/zero"+one.redirect), limits)
			g.Expect(limitReached(g, err)).To(Equal(one.limit))
			g.Expect(len(result.Stdout) + len(result.Stderr)).To(Equal(100_000))
			g.Expect(result.Signal).To(Equal(syscall.SIGKILL), "it was not let run to its end")
		})
	}
}

func TestOutputUpToTheLimitIsWhole(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.DefaultLimits()
	limits.Stdout, limits.Stderr = 100_000, 50_000
	result, err := run(t, shell("head -c 100000 /dev/zero; head -c 50000 /dev/zero >&2"), limits)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Stdout).To(HaveLen(100_000))
	g.Expect(result.Stderr).To(HaveLen(50_000))
}

func TestCPUTime(t *testing.T) {
	for name, script := range map[string]string{
		"endless loop":                   "while :; do :; done",
		"endless loop that ignores XCPU": "trap '' XCPU; while :; do :; done",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			limits := sandbox.DefaultLimits()
			limits.CPU = 200 * time.Millisecond
			result, err := run(t, shell(script), limits)
			g.Expect(limitReached(g, err)).To(Equal(sandbox.LimitCPU))
			g.Expect(err).To(MatchError(ContainSubstring("1 s")))
			g.Expect(result.CPU).To(BeNumerically("~", 1500*time.Millisecond, 700*time.Millisecond))
		})
	}
}

func TestFileSize(t *testing.T) {
	g := NewWithT(t)
	command := shell("exec head -c 2000000 /dev/zero > file")
	command.Dir = t.TempDir()
	_, err := run(t, command, sandbox.DefaultLimits())
	g.Expect(limitReached(g, err)).To(Equal(sandbox.LimitFileSize))
}

func TestEveryLimitIsTheProcesss(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.Limits{CPU: 7 * time.Second, AddressSpace: 512 << 20, FileSize: 4096, OpenFiles: 33,
		Stdout: 1 << 20, Stderr: 1 << 20}
	result, err := run(t, shell("cat /proc/self/limits; grep NoNewPrivs /proc/self/status"), limits)
	g.Expect(err).NotTo(HaveOccurred())
	text := string(result.Stdout)
	g.Expect(text).To(MatchRegexp(`Max cpu time +7 +8 +seconds`))
	g.Expect(text).To(MatchRegexp(`Max file size +4096 +4096 +bytes`))
	g.Expect(text).To(MatchRegexp(`Max open files +33 +33 +files`))
	g.Expect(text).To(MatchRegexp(`Max address space +536870912 +536870912 +bytes`))
	g.Expect(text).To(MatchRegexp(`Max core file size +0 +0 +bytes`))
	g.Expect(text).To(MatchRegexp(`NoNewPrivs:\s+1`))
}

func TestASmallAddressSpaceNeverBreaksTheHelper(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.DefaultLimits()
	limits.AddressSpace = 32 << 20
	box, err := sandbox.New(helper)
	g.Expect(err).NotTo(HaveOccurred())
	for range 100 {
		result, err := box.Run(t.Context(), sandbox.Command{Path: "/bin/true"}, limits)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.ExitCode).To(BeZero(), string(result.Stderr))
	}
}

func TestWhatYieldsHasTheLowestPriority(t *testing.T) {
	bothWays(t, func(t *testing.T, helper string) {
		g := NewWithT(t)
		for yielding, want := range map[bool]string{true: "19\n", false: "0\n"} {
			command := shell("read go; cut -d' ' -f19 /proc/self/stat")
			command.Yielding = yielding
			command.Stdin = []byte("go\n")
			result, err := runIn(t.Context(), t, helper, command, sandbox.DefaultLimits())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal(want))
		}
	})
}

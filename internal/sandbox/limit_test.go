// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"errors"
	"strings"
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
	for _, one := range []struct{ limit, step string }{
		{sandbox.LimitStdout, "zeros"},
		{sandbox.LimitStderr, "ezeros"},
	} {
		t.Run(one.limit, func(t *testing.T) {
			g := NewWithT(t)
			limits := roomy()
			limits.Stdout, limits.Stderr = 100_000, 100_000
			result, err := run(t, held(one.step+"=1073741824"), limits)
			g.Expect(limitReached(g, err)).To(Equal(one.limit))
			g.Expect(len(result.Stdout) + len(result.Stderr)).To(Equal(100_000))
			g.Expect(result.Signal).To(Equal(syscall.SIGKILL), "it was not let run to its end")
		})
	}
}

func TestOutputUpToTheLimitIsWhole(t *testing.T) {
	g := NewWithT(t)
	limits := roomy()
	limits.Stdout, limits.Stderr = 100_000, 50_000
	result, err := run(t, held("zeros=100000", "ezeros=50000"), limits)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.Stdout).To(HaveLen(100_000))
	g.Expect(result.Stderr).To(HaveLen(50_000))
}

func TestCPUTime(t *testing.T) {
	for name, steps := range map[string][]string{
		"endless loop":                   {"loop"},
		"endless loop that ignores XCPU": {"ignore=XCPU", "loop"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			limits := roomy()
			limits.CPU = 200 * time.Millisecond
			result, err := run(t, held(steps...), limits)
			g.Expect(limitReached(g, err)).To(Equal(sandbox.LimitCPU))
			g.Expect(err).To(MatchError(ContainSubstring("1 s")))
			g.Expect(result.CPU).To(BeNumerically("~", 1500*time.Millisecond, 700*time.Millisecond))
		})
	}
}

// Nothing is writable in the sandbox, so the kernel's signal is sent by hand.
func TestFileSize(t *testing.T) {
	g := NewWithT(t)
	_, err := run(t, held("signal=XFSZ"), roomy())
	g.Expect(limitReached(g, err)).To(Equal(sandbox.LimitFileSize))
}

func TestEveryLimitIsTheProcesss(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.Limits{CPU: 7 * time.Second, AddressSpace: 5 << 30, FileSize: 4096, OpenFiles: 33,
		Stdout: 1 << 20, Stderr: 1 << 20}
	result, err := run(t, held("limits"), limits)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(strings.TrimSpace(string(result.Stdout)), "\n")).To(Equal([]string{
		"cpu 7 8", "file-size 4096 4096", "open-files 33 33", "address-space 5368709120 5368709120", "core 0 0",
		"no_new_privs 1", "seccomp 2", "capabilities 0 0",
	}))
}

func TestASmallAddressSpaceNeverBreaksTheHelper(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.DefaultLimits()
	limits.AddressSpace = 128 << 20 // less than the helper itself has reserved
	box, command := newBox(t, helper), nu(t, "exit 0")
	for range 100 {
		result, err := box.Run(t.Context(), command, limits)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.ExitCode).To(BeZero(), string(result.Stderr))
	}
}

func TestWhatYieldsHasTheLowestPriority(t *testing.T) {
	bothWays(t, func(t *testing.T, helper string) {
		g := NewWithT(t)
		for yielding, want := range map[bool]string{true: "19\n", false: "0\n"} {
			command := held("sleep=200ms", "nice")
			command.Yielding = yielding
			result, err := runIn(t.Context(), t, helper, command, roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal(want))
		}
	})
}

// A short output may be read when its writer is gone: it is cut all the same.
func TestAShortOutputThatIsCutIsAlwaysALimit(t *testing.T) {
	g := NewWithT(t)
	box, limits := newBox(t, ""), roomy()
	limits.Stdout = 20
	for range 200 {
		_, err := box.Run(t.Context(), held("out="+strings.Repeat("x", 60)), limits)
		var limit *sandbox.LimitError
		g.Expect(errors.As(err, &limit)).To(BeTrue(), "%v", err)
		g.Expect(limit.Limit).To(Equal(sandbox.LimitStdout))
	}
}

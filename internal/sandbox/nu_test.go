// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// nu is the command of a Nushell that runs one program.
func nu(t testing.TB, program string) sandbox.Command {
	t.Helper()
	path := os.Getenv("NUSHELL_PATH")
	if path == "" {
		t.Fatal("NUSHELL_PATH is not set: run make test")
	}
	return sandbox.Command{
		Path: path,
		Args: []string{"-n", "--no-std-lib", "--no-history", "--error-style", "plain", "-c", program},
		Env:  []string{"HOME=/", "PATH="},
	}
}

func TestNushellAnswers(t *testing.T) {
	bothWays(t, func(t *testing.T, helper string) {
		g := NewWithT(t)
		command := nu(t, "let text = (open --raw /dev/stdin); print -r ({env: ($env | columns | where $it in [HOME PATH CANARY]), text: $text} | to json -r); exit 0")
		command.Stdin = []byte("from stdin")
		result, err := runIn(context.Background(), t, helper, command, sandbox.DefaultLimits())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(result.ExitCode).To(BeZero(), string(result.Stderr))
		g.Expect(string(result.Stdout)).To(MatchJSON(`{"env": ["HOME", "PATH"], "text": "from stdin"}`))
	})
}

func TestNushellFails(t *testing.T) {
	g := NewWithT(t)
	result, err := run(t, nu(t, "use /nonexistent/mod.nu"), sandbox.DefaultLimits())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.ExitCode).To(Equal(1))
	g.Expect(string(result.Stderr)).To(ContainSubstring("mod.nu"))
}

func TestNushellLoopsForEver(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.DefaultLimits()
	limits.CPU = time.Second
	// Many sums, because one that takes as long takes all memory first.
	_, err := run(t, nu(t, strings.Repeat("const x = (1..500000 | math sum)\n", 2000)), limits)
	g.Expect(limitReached(g, err)).To(Equal(sandbox.LimitCPU))
}

func TestNushellWaitsForEver(t *testing.T) {
	g := NewWithT(t)
	result, err := runIn(withTimeout(t, 500*time.Millisecond), t, helper, nu(t, "sleep 1hr"), sandbox.DefaultLimits())
	g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue(), "%v", err)
	g.Expect(result.Signal).To(Equal(syscall.SIGKILL))
}

func TestNushellTakesAllMemory(t *testing.T) {
	g := NewWithT(t)
	limits := sandbox.DefaultLimits()
	limits.AddressSpace = 256 << 20
	result, err := run(t, nu(t, "mut x = 'xxxxxxxxxxxxxxxx'; loop { $x = $x + $x }"), limits)
	g.Expect(err).NotTo(HaveOccurred(), "a program that runs out of memory ends by itself")
	g.Expect(result.Signal).To(Equal(syscall.SIGABRT), string(result.Stderr))
}

func TestNushellsChildrenDieWithIt(t *testing.T) {
	g := NewWithT(t)
	_, err := endOnceReady(t, func(fifo string) sandbox.Command {
		return nu(t, "^/bin/sh -c '/bin/sleep 1000 & echo $PPID > "+fifo+"; /bin/sleep 1000'")
	})
	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
}

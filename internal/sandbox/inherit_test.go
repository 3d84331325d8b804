// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// bothWays runs a test with the helper and without.
func bothWays(t *testing.T, test func(t *testing.T, helper string)) {
	t.Run("with helper", func(t *testing.T) { test(t, helper) })
	t.Run("without helper", func(t *testing.T) { test(t, "") })
}

func TestTheEnvironmentIsExact(t *testing.T) {
	t.Setenv("SANDBOX_CANARY", "of the manager")
	bothWays(t, func(t *testing.T, helper string) {
		for _, env := range [][]string{
			nil,
			{"HOME=/", "PATH="},
			{"ODD=a=b\nc \xff", "EMPTY=", "PWD=/elsewhere"},
		} {
			g := NewWithT(t)
			result, err := runIn(context.Background(), t, helper,
				sandbox.Command{Path: captive, Args: []string{"env"}, Env: env}, roomy())
			g.Expect(err).NotTo(HaveOccurred())
			var want strings.Builder
			for _, entry := range env {
				want.WriteString(entry + "\x00")
			}
			g.Expect(string(result.Stdout)).To(Equal(want.String()))
		}
	})
}

func TestArgumentsArriveUnchanged(t *testing.T) {
	odd := []string{"", " ", "--", "--cpu=1", "-c", "a\nb", "\xff\xfe", "'\"`$(id)", "r####'x'####", strings.Repeat("é", 50_000)}
	bothWays(t, func(t *testing.T, helper string) {
		g := NewWithT(t)
		result, err := runIn(context.Background(), t, helper,
			held(append([]string{"args"}, odd...)...), roomy())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(result.Stdout)).To(Equal(strings.Join(odd, "\x00") + "\x00"))
	})
}

func TestNoDescriptorIsInherited(t *testing.T) {
	// One that is not closed on exec, as a careless library might open it.
	leak, err := syscall.Open("/etc/passwd", syscall.O_RDONLY, 0)
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = syscall.Close(leak) }()
	g.Expect(unix.Dup3(leak, 200, 0)).To(Succeed())
	defer func() { _ = syscall.Close(200) }()
	result, err := run(t, held("open"), roomy())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Fields(string(result.Stdout))).To(Equal([]string{"0", "1", "2"}))
}

func TestTheWorkingFolder(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	bothWays(t, func(t *testing.T, helper string) {
		for given, want := range map[string]string{"": "/", dir: dir} {
			g := NewWithT(t)
			command := held("pwd")
			command.Dir = given
			result, err := runIn(context.Background(), t, helper, command, roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal(want + "\n"))
		}
	})
}

func TestStandardInput(t *testing.T) {
	bothWays(t, func(t *testing.T, helper string) {
		limits := roomy()
		limits.Stdout = 16 << 20
		for name, one := range map[string]struct {
			step  string
			stdin int
			want  int
		}{
			"empty":          {"cat", 0, 0},
			"ten MiB echoed": {"cat", 10 << 20, 10 << 20},
			"never read":     {"exit=0", 10 << 20, 0},
			"a part is read": {"head=5", 10 << 20, 5},
		} {
			t.Run(name, func(t *testing.T) {
				g := NewWithT(t)
				command := held(one.step)
				command.Stdin = make([]byte, one.stdin)
				result, err := runIn(context.Background(), t, helper, command, limits)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(result.ExitCode).To(BeZero())
				g.Expect(result.Stdout).To(HaveLen(one.want))
			})
		}
	})
}

func TestStandardInputThatOthersHold(t *testing.T) {
	for name, script := range map[string]string{"closed": "exec <&-", "held by children": "sleep 1000 <&0 & exit 0"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			command := shell(script)
			command.Stdin = make([]byte, 10<<20)
			result, err := runIn(t.Context(), t, "", command, sandbox.DefaultLimits())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.ExitCode).To(BeZero())
		})
	}
}

func TestTheManagersFolderIsNotInherited(t *testing.T) {
	g := NewWithT(t)
	here, err := os.Getwd()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(here).NotTo(Equal("/"))
	result, err := run(t, held("pwd"), roomy())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(result.Stdout)).To(Equal("/\n"))
}

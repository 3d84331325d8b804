// SPDX-License-Identifier: Apache-2.0

//go:build linux

package nushell

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// unprivileged is the user of the shipped image.
const unprivileged = 65532

// hostile is a stage with an extension in it, and what attacks go for beside it: SECRET is in each of them, and neither parses
// as part of a module.
type hostile struct {
	sample
	outside string
}

func newHostile(t *testing.T, root files) hostile {
	t.Helper()
	folder := t.TempDir()
	stagesBelow(t, folder)
	h := hostile{stage(t, filepath.Join(folder, "sample"), root, nil), filepath.Join(folder, "outside")}
	files{"token": "SECRET {\n", "mod.nu": "export def SECRET [ {\n"}.write(t, h.outside)
	if err := os.Symlink(filepath.Join(h.outside, "mod.nu"), filepath.Join(h.stage, "taskserv/sample/link.nu")); err != nil {
		t.Fatal(err)
	}
	return h
}

// leavesNothing runs what it is given and fails the test if a process, a descriptor, a goroutine or a file is left of it, or if
// a good extension does not load after it.
func (h hostile) leavesNothing(t *testing.T, runner *Runner, attack func()) {
	t.Helper()
	g := NewWithT(t)
	good := stage(t, t.TempDir(), files{"mod.nu": install}, nil)
	load := func() {
		_, err := runner.Check(t.Context(), good.plan, false)
		g.Expect(err).NotTo(HaveOccurred())
	}
	load() // the runtime keeps what it opens first
	routines, descriptors, entries := goleak.IgnoreCurrent(), count(g, "/proc/self/fd"), h.entries(g)
	attack()
	g.Expect(count(g, "/proc/self/fd")).To(Equal(descriptors), "descriptors")
	g.Expect(goleak.Find(routines)).To(Succeed())
	g.Expect(h.entries(g)).To(Equal(entries), "files")
	g.Expect(children(g)).To(BeEmpty(), "processes")
	load()
}

func count(g *WithT, folder string) int {
	entries, err := os.ReadDir(folder)
	g.Expect(err).NotTo(HaveOccurred())
	return len(entries)
}

// entries are the files below the stage and beside it, with their lengths and times.
func (h hostile) entries(g *WithT) []string {
	var found []string
	err := filepath.Walk(filepath.Dir(h.outside), func(path string, info os.FileInfo, err error) error {
		if err == nil && path != filepath.Dir(h.outside) { // stages came and went there
			found = append(found, fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime()))
		}
		return err
	})
	g.Expect(err).NotTo(HaveOccurred())
	return found
}

// children are the processes that this one started and that are not reaped.
func children(g *WithT) []string {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	g.Expect(err).NotTo(HaveOccurred())
	var found []string
	for _, path := range stats {
		text, _ := os.ReadFile(path) // it may have ended
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			found = append(found, string(text))
		}
	}
	return found
}

// Modules: what parsing and constants can do, which is all that a load lets them.
func TestHostileModules(t *testing.T) {
	o := options(t)
	o.Limits.CPU = time.Second
	runner := New(o)
	for name, one := range hostileModules {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, files{"mod.nu": ""})
			text := strings.ReplaceAll(one.module, "OUTSIDE", h.outside)
			files{"mod.nu": text}.write(t, filepath.Join(h.stage, "taskserv/sample"))
			h.leavesNothing(t, runner, func() {
				g := NewWithT(t)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				checked, err := check(ctx, t, runner, h.sample)
				if one.message == "" {
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(checked.Enforcement).To(Equal(extension.Enforcement{Level: sandbox.LevelEnforced}))
					return
				}
				fault := extension.AsFault(err)
				g.Expect(fault.Message).To(MatchRegexp(one.message))
				g.Expect(len(fault.Message)).To(BeNumerically("<=", maxMessage))
				g.Expect(fault.Message + fault.Cause.Error()).NotTo(Or(ContainSubstring("SECRET"), ContainSubstring("root:x:0")))
			})
		})
	}
}

// Code: what a module could do if it came to run, as by an error of Nushell's.
func TestHostileCode(t *testing.T) {
	runner := sharedRunner(t)
	for name, one := range hostileCode {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, files{"mod.nu": install})
			h.leavesNothing(t, runner, func() {
				g := NewWithT(t)
				l, err := runner.prepare(t.Context(), h.plan, false)
				g.Expect(err).NotTo(HaveOccurred())
				defer l.end()
				g.Expect(l.stage.Fill(t.Context(), h.plan.Members)).To(Succeed())
				code := strings.NewReplacer("OUTSIDE", h.outside, "STAGE", l.dir, "NU", nuPath, "PARENT", strconv.Itoa(os.Getpid()),
					"SURVIVED", "('SUR' + 'VIVED')").Replace(one.code)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				result, err := runner.options.Sandbox.Run(ctx, l.command("-c", code+"\nexit 0\n"), runner.options.Limits)
				said := fmt.Sprint(string(result.Stdout), string(result.Stderr), err, result.Signal)
				g.Expect(said).To(MatchRegexp(one.answer))
				g.Expect(said).NotTo(Or(ContainSubstring("SECRET"), ContainSubstring("root:x:0"), ContainSubstring("SURVIVED")))
			})
		})
	}
}

// As root the tests run again as the image's user, without capabilities; whoever else runs them is unprivileged already.
func TestHostileAsTheImagesUser(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	g := NewWithT(t)
	tools := filepath.Dir(helperPath) // every user can read it
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	for from, to := range map[string]string{
		self: "again.test", nuPath: "nu", filepath.Join(provisioning, programFile): programFile,
	} {
		g.Expect(copyFile(from, filepath.Join(tools, to))).To(Succeed())
	}
	cmd := exec.Command(filepath.Join(tools, "again.test"), "-test.run=^(TestHostileModules|TestHostileCode|TestGoodExtensionsLoad)$", "-test.v")
	cmd.Env = []string{toolsVariable + "=" + tools, "PATH=/usr/bin:/bin"}
	cmd.Dir = tools
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	g.Expect(strings.Count(string(output), "--- PASS")).To(BeNumerically(">", len(hostileModules)+len(hostileCode)+len(goodExtensions)))
	g.Expect(string(output)).NotTo(ContainSubstring("--- SKIP"))
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Close()
}

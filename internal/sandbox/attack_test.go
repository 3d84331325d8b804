// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// unprivileged is the user of the shipped image.
const unprivileged = 65532

// prey is what attacks go for, all of it readable and writable but for the sandbox.
type prey struct {
	root string // of everything below
	// stage may be read: file, link (to a file outside) and tool (a native program).
	stage string
}

func newPrey(t *testing.T) prey {
	t.Helper()
	g := NewWithT(t)
	root := t.TempDir()
	p := prey{root: root, stage: filepath.Join(root, "stage")}
	for _, folder := range []string{p.stage, filepath.Join(root, "other")} {
		g.Expect(os.Mkdir(folder, 0o755)).To(Succeed())
	}
	for name, text := range map[string]string{"stage/file": "of the stage", "other/mod.nu": "of another", "token": "SECRET"} {
		g.Expect(os.WriteFile(filepath.Join(root, name), []byte(text), 0o666)).To(Succeed())
	}
	g.Expect(os.Symlink("../token", filepath.Join(p.stage, "link"))).To(Succeed())
	program, err := os.ReadFile(captive)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(filepath.Join(p.stage, "tool"), program, 0o755)).To(Succeed())
	return p
}

// state is every file below the root, by what an attack could change.
func (p prey) state(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(p.root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path] = info.Mode().String() + info.ModTime().String()
		if info.Mode().IsRegular() && info.Size() < 1<<10 {
			text, err := os.ReadFile(path)
			found[path] += string(text)
			return err
		}
		return nil
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return found
}

func (p prey) command(steps ...string) sandbox.Command {
	command := held(steps...)
	command.Read, command.Dir = []string{p.stage}, p.stage
	for i, step := range steps {
		command.Args[i] = strings.NewReplacer("STAGE", p.stage, "ROOT", p.root, "SELF", captive).Replace(step)
	}
	return command
}

// goodRun fails the test if the sandbox does not work for a good program any more.
func (p prey) goodRun(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	result, err := run(t, p.command("try=read STAGE/file", "try=list STAGE"), roomy())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(result.Stdout)).To(Equal(strings.Repeat("done\n", 2)), string(result.Stderr))
	g.Expect(result.Report).To(Equal(sandbox.Report{Level: sandbox.LevelEnforced}))
}

func TestAttacks(t *testing.T) {
	p := newPrey(t)
	before := p.state(t)
	for _, one := range attacks {
		name, answer := one[0], one[1]
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			result, err := run(t, p.command("try="+name), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal(answer+"\n"), string(result.Stderr))
			g.Expect(p.state(t)).To(Equal(before))
		})
	}
	p.goodRun(t)
}

// The same without a sandbox succeeds, so it is the sandbox that stops it.
func TestAttacksSucceedWithoutASandbox(t *testing.T) {
	for _, name := range []string{
		"read /etc/passwd", "read STAGE/link", "read ROOT/other/mod.nu", "read-parent environ", "list-parent fd", "create STAGE/new", "write STAGE/file",
		"cut STAGE/file", "truncate ROOT/token", "mkdir ROOT/new", "chmod STAGE/file", "times STAGE/file", "rename STAGE/file STAGE/moved", "memfd",
		"tcp", "udp", "netlink", "unix", "kill-probe", "prlimit-read", "watch", "spawn /bin/true",
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			result, err := runIn(t.Context(), t, "", newPrey(t).command("try="+name), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal("done\n"), string(result.Stderr))
		})
	}
}

// What cannot come back as an answer: it ends the program, and nothing else.
func TestAttacksThatEnd(t *testing.T) {
	p := newPrey(t)
	for name, one := range map[string]struct {
		steps  []string
		signal syscall.Signal
	}{
		"abort of ourselves": {[]string{"signal=ABRT"}, syscall.SIGABRT},
		"int 0x80":           {[]string{"try=int80", "out=survived"}, syscall.SIGSYS},
		"x32":                {[]string{"try=x32", "out=survived"}, syscall.SIGSYS},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(name, "abort") && !hasForeignCalls {
				return // the architecture has no other's calls
			}
			g := NewWithT(t)
			result, err := run(t, p.command(one.steps...), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(result.Signal).To(Equal(one.signal), "%d %s", result.ExitCode, result.Stderr)
			g.Expect(string(result.Stdout)).To(BeEmpty())
			p.goodRun(t)
		})
	}
}

func TestAttacksOnResources(t *testing.T) {
	p := newPrey(t)
	limits := roomy()
	limits.CPU, limits.Stdout, limits.Stderr = time.Second, 100_000, 100_000
	for name, one := range map[string]struct {
		steps []string
		err   string
		wait  time.Duration
	}{
		"endless loop":          {[]string{"loop"}, "limit of CPU time reached: 1 s", time.Minute},
		"ignored limit":         {[]string{"ignore=XCPU", "loop"}, "limit of CPU time reached: 1 s", time.Minute},
		"flood of output":       {[]string{"zeros=1073741824"}, "limit of standard output reached: 100000 bytes", time.Minute},
		"flood of errors":       {[]string{"ezeros=1073741824"}, "limit of standard error reached: 100000 bytes", time.Minute},
		"sleep":                 {[]string{"sleep=1000s"}, "context deadline exceeded", time.Second},
		"half an answer":        {[]string{"out={\"ok\":", "sleep=1000s"}, "context deadline exceeded", time.Second},
		"a signal of the limit": {[]string{"signal=XFSZ"}, "limit of file size reached: 1048576 bytes", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := runIn(withTimeout(t, one.wait), t, helper, p.command(one.steps...), limits)
			g.Expect(err).To(MatchError(ContainSubstring(one.err)))
			p.goodRun(t)
		})
	}
}

// As root the tests run again as the image's user, without capabilities; whoever else runs them is unprivileged already.
func TestAttacksAsTheImagesUser(t *testing.T) {
	if os.Getuid() != 0 {
		return
	}
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	again := filepath.Join(filepath.Dir(captive), "again.test")
	g.Expect(copyFile(self, again)).To(Succeed())
	cmd := exec.Command(again, "-test.run=^(TestAttacks|TestAttacksThatEnd|TestAttacksOnResources)$", "-test.v")
	cmd.Env = []string{builtVariable + "=" + filepath.Dir(captive), "PATH=/usr/bin:/bin"}
	cmd.Dir = filepath.Dir(captive)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: unprivileged, Gid: unprivileged}}
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	g.Expect(strings.Count(string(output), "--- PASS")).To(BeNumerically(">", len(attacks)))
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

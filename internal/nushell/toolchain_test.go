// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

func TestToolchainOfTheRealNushell(t *testing.T) {
	g := NewWithT(t)
	toolchain, err := sharedRunner(t).Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(toolchain.Nushell.Valid()).To(BeTrue())
	g.Expect(toolchain.Program.Valid()).To(BeTrue())
	g.Expect(toolchain.Protocol).To(Equal(Protocol))
	g.Expect(Supported(toolchain.NushellVersion)).To(BeTrue(), "tests run with a supported version, not %s", toolchain.NushellVersion)
	g.Expect(Supported("0.11.0")).To(BeFalse())
	g.Expect(Supported("0.1150.0")).To(BeFalse())
}

// versions answers --version with the content of the program that is run, and counts.
type versions struct {
	fakeSandbox
	asked atomic.Int32
}

func (v *versions) Run(_ context.Context, c sandbox.Command, _ sandbox.Limits) (sandbox.Result, error) {
	v.asked.Add(1)
	text, err := os.ReadFile(c.Path)
	return sandbox.Result{Stdout: text}, err
}

func TestReplacedFilesAreNoticed(t *testing.T) {
	g := NewWithT(t)
	counted := &versions{}
	runner, nu := fakeTools(t, counted)
	program := filepath.Join(filepath.Dir(nu), programFile)

	first, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(first.NushellVersion).To(Equal("0.115.1"))
	g.Expect(runner.Toolchain(t.Context())).To(Equal(first))
	g.Expect(counted.asked.Load()).To(BeEquivalentTo(1))

	g.Expect(os.WriteFile(program, []byte("exit 1"), 0o644)).To(Succeed())
	second, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second.Program).NotTo(Equal(first.Program))
	g.Expect(second.Nushell).To(Equal(first.Nushell))
	g.Expect(counted.asked.Load()).To(BeEquivalentTo(1))

	g.Expect(os.Remove(nu)).To(Succeed())
	_, err = runner.Toolchain(t.Context())
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.NushellUnavailable))

	g.Expect(os.WriteFile(nu, []byte("0.99.1\n"), 0o755)).To(Succeed())
	third, err := runner.Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(third.NushellVersion).To(Equal("0.99.1"))
	g.Expect(Supported(third.NushellVersion)).To(BeFalse())
	g.Expect(third.Nushell).NotTo(Equal(first.Nushell))
	g.Expect(third.Program).To(Equal(second.Program))
}

func TestUnusableNushellSaysWhatToDo(t *testing.T) {
	folder := t.TempDir()
	path := func(name, text string, mode os.FileMode) string {
		full := filepath.Join(folder, name)
		if err := os.WriteFile(full, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return full
	}
	t.Setenv("PATH", "/nowhere:"+folder)
	for name, c := range map[string]struct{ nushell, message string }{
		"a script":       {path("wrapper", "#!/bin/sh\necho 0.115.1\n", 0o755), "it must be a static binary, no script"},
		"absent":         {"/nowhere/nu", "/nowhere/nu: no such file"},
		"not executable": {path("plain", "", 0o644), "is not an executable file"},
		"a folder":       {folder, "is not an executable file"},
		"not in PATH":    {"nushell-that-is-not", "no executable nushell-that-is-not in PATH (/nowhere, " + folder + ")"},
		"not a program":  {path("text", "hello", 0o755), "cannot execute"},
		"something else": {path("other", "#!/bin/sh\necho hello\n", 0o755), "does not answer --version as Nushell does"},
		"fails":          {path("fails", "#!/bin/sh\nexit 3\n", 0o755), "does not answer --version as Nushell does"},
		"hangs":          {path("hangs", "#!/bin/sh\nwhile :; do /bin/sleep 1; done\n", 0o755), "--version does not answer within 5s"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := options(t)
			o.Nushell = c.nushell
			if strings.Contains(c.message, "--version") { // these are scripts
				o.Sandbox = noSandbox(t)
			}
			_, err := New(o).Toolchain(t.Context())
			fault := extension.AsFault(err)
			g.Expect(fault.Code).To(Equal(extension.NushellUnavailable))
			g.Expect(fault.Class()).To(Equal(extension.Retryable))
			g.Expect(fault.Message).To(ContainSubstring(c.message))
			g.Expect(fault.Message).To(HaveSuffix("install Nushell 0.115.x or set --nushell-path"))
		})
	}
}

// hanging is a sandbox in which every program hangs until it is stopped.
type hanging struct {
	fakeSandbox
	asked atomic.Int32
}

func (h *hanging) Run(ctx context.Context, _ sandbox.Command, _ sandbox.Limits) (sandbox.Result, error) {
	h.asked.Add(1)
	<-ctx.Done()
	return sandbox.Result{}, ctx.Err()
}

// fakeTools writes a nu and a loading program that only a made-up sandbox runs, and makes a Runner of them.
func fakeTools(t *testing.T, box Sandbox) (runner *Runner, nu string) {
	t.Helper()
	folder := t.TempDir()
	nu = filepath.Join(folder, "nu")
	for path, text := range map[string]string{nu: "0.115.1\n", filepath.Join(folder, programFile): "exit 0"} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return New(Options{Nushell: nu, Provisioning: folder, Sandbox: box, Limits: sandbox.DefaultLimits()}), nu
}

func TestManyWhoAskShareOneHangingNushell(t *testing.T) {
	box := &hanging{}
	runner, nu := fakeTools(t, box)
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		impatient, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() { _, err := runner.Toolchain(impatient); gaveUp <- err }()
		synctest.Wait()
		var askers sync.WaitGroup
		for range 64 {
			askers.Go(func() {
				_, err := runner.Toolchain(t.Context())
				g.Expect(err).To(MatchError(ContainSubstring("does not answer within 5s")))
			})
		}
		synctest.Wait()
		began := time.Now()
		cancel()
		err := <-gaveUp
		g.Expect(err).To(MatchError(context.Canceled))
		g.Expect(extension.AsFault(err).Code).To(Equal(extension.NushellUnavailable))
		g.Expect(time.Since(began)).To(BeZero(), "whoever gives up waits for nobody")
		askers.Wait()
		g.Expect(time.Since(began)).To(Equal(versionWait), "whoever gives up ends nothing for others")
		g.Expect(box.asked.Load()).To(BeEquivalentTo(1))

		_, err = runner.Toolchain(t.Context())
		g.Expect(err).To(MatchError(ContainSubstring("does not answer within 5s")))
		g.Expect(time.Since(began)).To(Equal(versionWait), "a failure is remembered")
		g.Expect(box.asked.Load()).To(BeEquivalentTo(1))
		time.Sleep(failureStands)
		_, err = runner.Toolchain(t.Context())
		g.Expect(err).To(HaveOccurred())
		g.Expect(box.asked.Load()).To(BeEquivalentTo(2), "but not for ever")

		g.Expect(os.WriteFile(nu, []byte("another\n"), 0o755)).To(Succeed())
		_, err = runner.Toolchain(t.Context())
		g.Expect(err).To(HaveOccurred())
		g.Expect(box.asked.Load()).To(BeEquivalentTo(3), "another file is tried at once")
	})
}

func TestNushellIsFoundInPath(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", "/nowhere:"+filepath.Dir(nuPath))
	o := options(t)
	o.Nushell = filepath.Base(nuPath)
	toolchain, err := New(o).Toolchain(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(toolchain.NushellVersion).NotTo(BeEmpty())
}

func TestUnavailableSandboxIsNotBlamedOnNushell(t *testing.T) {
	g := NewWithT(t)
	missing, err := sandbox.New(sandbox.Require, "/nowhere/extension-sandbox")
	g.Expect(err).NotTo(HaveOccurred())
	o := options(t)
	o.Sandbox = missing
	_, err = New(o).Toolchain(t.Context())
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.SandboxUnavailable))
}

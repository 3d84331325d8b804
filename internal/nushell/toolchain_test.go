// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

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
type versions struct{ asked atomic.Int32 }

func (v *versions) Run(_ context.Context, c sandbox.Command, _ sandbox.Limits) (sandbox.Result, error) {
	v.asked.Add(1)
	text, err := os.ReadFile(c.Path)
	return sandbox.Result{Stdout: text}, err
}

func TestReplacedFilesAreNoticed(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	nu, program := filepath.Join(folder, "nu"), filepath.Join(folder, programFile)
	g.Expect(os.WriteFile(nu, []byte("0.115.1\n"), 0o755)).To(Succeed())
	g.Expect(os.WriteFile(program, []byte("exit 0"), 0o644)).To(Succeed())
	counted := &versions{}
	runner := New(Options{Nushell: nu, Provisioning: folder, Sandbox: counted, Limits: sandbox.DefaultLimits()})

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
		"absent":         {"/nowhere/nu", "/nowhere/nu: no such file"},
		"not executable": {path("plain", "", 0o644), "is not an executable file"},
		"a folder":       {folder, "is not an executable file"},
		"not in PATH":    {"nushell-that-is-not", "no executable nushell-that-is-not in PATH (/nowhere, " + folder + ")"},
		"not a program":  {path("text", "hello", 0o755), "cannot execute"},
		"something else": {path("other", "#!/bin/sh\necho hello\n", 0o755), "does not answer --version as Nushell does"},
		"fails":          {path("fails", "#!/bin/sh\nexit 3\n", 0o755), "does not answer --version as Nushell does"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := options(t)
			o.Nushell = c.nushell
			_, err := New(o).Toolchain(t.Context())
			fault := extension.AsFault(err)
			g.Expect(fault.Code).To(Equal(extension.NushellUnavailable))
			g.Expect(fault.Class()).To(Equal(extension.Retryable))
			g.Expect(fault.Message).To(ContainSubstring(c.message))
			g.Expect(fault.Message).To(HaveSuffix("install Nushell 0.115.x or set --nushell-path"))
		})
	}
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
	missing, err := sandbox.New("/nowhere/extension-sandbox")
	g.Expect(err).NotTo(HaveOccurred())
	o := options(t)
	o.Sandbox = missing
	_, err = New(o).Toolchain(t.Context())
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.SandboxUnavailable))
}

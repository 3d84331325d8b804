// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// fakeSandbox stands for processes whose end cannot be brought about for real.
type fakeSandbox func(sandbox.Command) (sandbox.Result, error)

func (f fakeSandbox) Run(_ context.Context, c sandbox.Command, _ sandbox.Limits) (sandbox.Result, error) {
	if slices.Contains(c.Args, "--version") {
		return sandbox.Result{Stdout: []byte("0.115.1\n")}, nil
	}
	return f(c)
}

// Start starts nothing in advance: there is no process.
func (f fakeSandbox) Start(sandbox.Command, sandbox.Limits) (*sandbox.Worker, error) {
	return nil, errors.New("no worker")
}

func TestEndsOfProcessesAreFaults(t *testing.T) {
	s := stage(t, t.TempDir(), files{"mod.nu": ""}, nil)
	for name, end := range map[string]struct {
		result  sandbox.Result
		err     error
		code    extension.Code
		class   extension.Class
		message string
	}{
		"no sandbox":     {sandbox.Result{}, &sandbox.UnavailableError{Layer: sandbox.LayerHelper, Err: syscall.ENOENT}, extension.SandboxUnavailable, extension.Retryable, "extension-sandbox"},
		"nu vanished":    {sandbox.Result{}, &sandbox.ExecError{Path: "/opt/nu", Err: syscall.ENOENT}, extension.NushellUnavailable, extension.Retryable, "cannot execute /opt/nu"},
		"no descriptors": {sandbox.Result{}, &sandbox.SystemError{Op: "make a pipe", Err: syscall.EMFILE}, extension.LoadFailed, extension.Retryable, "cannot make a pipe: too many open files"},
		"wrong command":  {sandbox.Result{}, &sandbox.InvalidError{Problem: "x"}, extension.InternalError, extension.Retryable, "report this"},
		"escaped":        {sandbox.Result{}, &sandbox.EscapeError{}, extension.LoadFailed, extension.Retryable, "left its process group"},
		"file too large": {sandbox.Result{}, &sandbox.LimitError{Limit: sandbox.LimitFileSize, Value: "1 bytes"}, extension.LimitExceeded, extension.Terminal, "the limit of file size (1 bytes)"},
		"unknown error":  {sandbox.Result{}, errors.New("oh"), extension.LoadFailed, extension.Retryable, "oh"},
		"deadline":       {sandbox.Result{}, &sandbox.EndedError{Err: context.DeadlineExceeded, Cause: context.DeadlineExceeded}, extension.LoadTimeout, extension.Retryable, "--load-timeout"},
		"killed":         {sandbox.Result{ExitCode: -1, Signal: syscall.SIGKILL}, nil, extension.LoadFailed, extension.Retryable, "a signal (killed)"},
		"out of memory":  {sandbox.Result{ExitCode: -1, Signal: syscall.SIGABRT, Stdout: []byte(goodAnswer)}, nil, extension.LoadFailed, extension.Retryable, "a signal (aborted)"},
		"panicked":       {sandbox.Result{ExitCode: 101}, nil, extension.LoadFailed, extension.Terminal, "Nushell panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			o := options(t)
			o.Sandbox = fakeSandbox(func(sandbox.Command) (sandbox.Result, error) { return end.result, end.err })
			checked, err := New(o).Check(t.Context(), s.plan, false)
			fault := extension.AsFault(err)
			g.Expect(fault.Code).To(Equal(end.code))
			g.Expect(fault.Class()).To(Equal(end.class))
			g.Expect(fault.Message).To(ContainSubstring(end.message))
			g.Expect(checked.Hooks).To(BeNil())
			g.Expect(checked.Process.ExitCode).To(Equal(end.result.ExitCode))
			if end.err != nil {
				g.Expect(errors.Is(err, end.err)).To(BeTrue(), "the sandbox's error is behind the Fault")
			}
		})
	}
}

// The processes that gather errors may fail as well: what passes is told so, what does not leaves the first error.
func TestEndsWhileGatheringErrors(t *testing.T) {
	s := stage(t, t.TempDir(), files{"mod.nu": ""}, nil)
	refused := sandbox.Result{ExitCode: 1, Stderr: []byte("Error: Oh no.\nBegin snippet for source starting at line 1, column 1\n\n    label at line 9, column 4\n")}
	check := func(err error) error {
		o := options(t)
		o.Sandbox = fakeSandbox(func(c sandbox.Command) (sandbox.Result, error) {
			if slices.Contains(c.Args, "--ide-check") {
				return sandbox.Result{}, err
			}
			return refused, nil
		})
		_, fault := New(o).Check(t.Context(), s.plan, false)
		return fault
	}
	g := NewWithT(t)
	g.Expect(check(nil)).To(MatchError("taskserv sample 1.0.0 does not load: load.nu:9:4: Oh no."))
	g.Expect(check(&sandbox.LimitError{Limit: sandbox.LimitCPU})).To(MatchError("taskserv sample 1.0.0 does not load: load.nu:9:4: Oh no."))
	g.Expect(extension.AsFault(check(&sandbox.SystemError{Op: "fork", Err: syscall.EAGAIN})).Transient).To(BeTrue())
	g.Expect(extension.AsFault(check(&sandbox.EndedError{Err: context.DeadlineExceeded})).Code).To(Equal(extension.LoadTimeout))
}

func TestMessagesAreBounded(t *testing.T) {
	g := NewWithT(t)
	var many []diagnostic
	for range 50 {
		many = append(many, diagnostic{File: "mod.nu", Line: 1, Column: 2, Message: strings.Repeat("é", 400), Code: "x"})
	}
	message := summary("it does not load", many)
	g.Expect(len(message)).To(BeNumerically("<=", maxMessage))
	g.Expect(message).To(HaveSuffix("; and 47 more"))
	g.Expect(clip("a\nb\x00c\xffd", 20)).To(Equal("a b c?d"))
	g.Expect(clip("ééé", 5)).To(Equal("é…"))
}

func TestLogWordsHoldNoLineOfAFile(t *testing.T) {
	g := NewWithT(t)
	o := options(t)
	o.Sandbox = fakeSandbox(func(c sandbox.Command) (sandbox.Result, error) {
		text := "Error: " + strings.Repeat("x", 20<<10) + "\nsnippet line 1: SECRET\nat " + c.Dir + "/taskserv\n" + strings.Repeat("y\n", 20<<10)
		return sandbox.Result{ExitCode: 1, Stderr: []byte(text)}, nil
	})
	s := stage(t, t.TempDir(), files{"mod.nu": ""}, nil)
	_, err := New(o).Check(t.Context(), s.plan, false)
	words := extension.AsFault(err).Cause.Error()
	g.Expect(len(words)).To(BeNumerically("<=", maxWords+100))
	g.Expect(words).NotTo(ContainSubstring("SECRET"))
	g.Expect(words).To(ContainSubstring("at <stage>/taskserv"))
}

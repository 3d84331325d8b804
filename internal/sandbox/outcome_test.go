// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/sandbox"
)

func TestAProgramsOwnEndIsAResult(t *testing.T) {
	for _, one := range []struct {
		name, end string
		code      int
		signal    syscall.Signal
	}{
		{"success", "exit=0", 0, 0},
		{"exit code", "exit=42", 42, 0},
		{"signal", "signal=SEGV", -1, syscall.SIGSEGV},
		{"killed by itself", "signal=KILL", -1, syscall.SIGKILL},
	} {
		t.Run(one.name, func(t *testing.T) {
			g := NewWithT(t)
			result, err := run(t, held("out=out\n", "err=err\n", one.end), roomy())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(result.Stdout)).To(Equal("out\n"))
			g.Expect(string(result.Stderr)).To(Equal("err\n"))
			g.Expect(result.ExitCode).To(Equal(one.code))
			g.Expect(result.Signal).To(Equal(one.signal))
			g.Expect(result.CPU).To(BeNumerically(">", 0))
			g.Expect(result.Wall).To(BeNumerically(">", 0))
			g.Expect(result.Report).To(Equal(sandbox.Report{Level: sandbox.LevelEnforced}))
			g.Expect(result.Report.Has(sandbox.LayerRlimits)).To(BeTrue())
			g.Expect(result.Report.Has("nonsense")).To(BeFalse())
		})
	}
}

func TestWithoutHelperNothingIsEnforced(t *testing.T) {
	g := NewWithT(t)
	result, err := runIn(context.Background(), t, "", shell("echo out; exit 3"), sandbox.DefaultLimits())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(result.Stdout)).To(Equal("out\n"))
	g.Expect(result.ExitCode).To(Equal(3))
	g.Expect(result.Report).To(Equal(sandbox.Report{Level: sandbox.LevelNone, Missing: []string{
		sandbox.LayerDescriptors, sandbox.LayerNoNewPrivs, sandbox.LayerLandlock, sandbox.LayerNetwork,
		sandbox.LayerScope, sandbox.LayerSeccomp, sandbox.LayerRlimits}}))
	g.Expect(result.Report.Has(sandbox.LayerSeccomp)).To(BeFalse())
}

func TestAProgramThatCannotBeExecuted(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	NewWithT(t).Expect(os.WriteFile(plain, []byte("text"), 0o644)).To(Succeed())
	for name, with := range map[string]string{"with helper": helper, "without": ""} {
		for path, errno := range map[string]syscall.Errno{
			"/nonexistent/nu": syscall.ENOENT,
			"/etc/passwd/nu":  syscall.ENOTDIR,
			plain:             syscall.EACCES,
			"/usr":            syscall.EACCES,
		} {
			t.Run(name+path, func(t *testing.T) {
				g := NewWithT(t)
				result, err := runIn(context.Background(), t, with, sandbox.Command{Path: path}, sandbox.DefaultLimits())
				var exec *sandbox.ExecError
				g.Expect(errors.As(err, &exec)).To(BeTrue(), "%v", err)
				g.Expect(exec.Path).To(Equal(path))
				g.Expect(errors.Is(err, errno)).To(BeTrue(), "%v", err)
				g.Expect(err.Error()).To(Equal("cannot execute " + path + ": " + errno.Error()))
				g.Expect(result.Stdout).To(BeEmpty())
			})
		}
	}
}

// A script and a dynamic loader are other files to execute, and only one is granted.
func TestOnlyAStaticProgramRuns(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	NewWithT(t).Expect(os.WriteFile(script, []byte("#!/bin/sh\necho must not run\n"), 0o755)).To(Succeed())
	for path, errno := range map[string]syscall.Errno{script: syscall.ENOENT, "/bin/sh": syscall.EACCES} {
		g := NewWithT(t)
		result, err := run(t, sandbox.Command{Path: path, Args: []string{"-c", "echo must not run"}}, sandbox.DefaultLimits())
		g.Expect(errors.Is(err, errno)).To(BeTrue(), "%v", err)
		g.Expect(err).To(MatchError(ContainSubstring("it must be a static binary")))
		g.Expect(result.Stdout).To(BeEmpty())
		g.Expect(result.Report.Level).To(Equal(sandbox.LevelEnforced))
	}
}

func TestAFolderToReadThatVanishedMayComeBack(t *testing.T) {
	for _, folder := range []string{"/nonexistent", "/etc/passwd"} {
		g := NewWithT(t)
		command := held("exit=0")
		command.Read = []string{folder}
		_, err := run(t, command, roomy())
		var system *sandbox.SystemError
		g.Expect(errors.As(err, &system)).To(BeTrue(), "%v", err)
		g.Expect(err).To(MatchError(ContainSubstring("open a folder to read")))
	}
}

func TestAVanishedFolderMayComeBack(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	NewWithT(t).Expect(os.WriteFile(plain, nil, 0o755)).To(Succeed())
	for _, with := range []string{helper, ""} {
		for _, dir := range []string{"/nonexistent", plain} {
			g := NewWithT(t)
			command := shell("true")
			command.Dir = dir
			_, err := runIn(context.Background(), t, with, command, sandbox.DefaultLimits())
			var system *sandbox.SystemError
			g.Expect(errors.As(err, &system)).To(BeTrue(), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring("working folder " + dir)))
		}
	}
}

func TestAWrongCommandStartsNothing(t *testing.T) {
	limits := sandbox.DefaultLimits()
	noCPU, noFiles := limits, limits
	noCPU.CPU, noFiles.OpenFiles = 0, -1
	for problem, one := range map[string]struct {
		command sandbox.Command
		limits  sandbox.Limits
	}{
		"not an absolute path":       {sandbox.Command{Path: "nu"}, limits},
		"folder \"x\" is not an abs": {sandbox.Command{Path: "/bin/sh", Dir: "x"}, limits},
		"a path holds a NUL":         {sandbox.Command{Path: "/bin/sh\x00"}, limits},
		"read \"x\" is not an abs":   {sandbox.Command{Path: "/bin/sh", Read: []string{"x"}}, limits},
		"argument 2 holds a NUL":     {sandbox.Command{Path: "/bin/sh", Args: []string{"a", "\x00"}}, limits},
		"entry 0 is not KEY=VALUE":   {sandbox.Command{Path: "/bin/sh", Env: []string{"HOME"}}, limits},
		"HOME is given twice":        {sandbox.Command{Path: "/bin/sh", Env: []string{"HOME=1", "HOME=2"}}, limits},
		"limit CPU must be":          {sandbox.Command{Path: "/bin/sh"}, noCPU},
		"limit OpenFiles must be":    {sandbox.Command{Path: "/bin/sh"}, noFiles},
		"are too long": {sandbox.Command{Path: "/bin/true",
			Args: []string{strings.Repeat("x", 1<<20)}}, limits},
	} {
		t.Run(problem, func(t *testing.T) {
			g := NewWithT(t)
			result, err := run(t, one.command, one.limits)
			var invalid *sandbox.InvalidError
			g.Expect(errors.As(err, &invalid)).To(BeTrue(), "%v", err)
			g.Expect(err).To(MatchError(ContainSubstring(problem)))
			g.Expect(result.ExitCode).To(Equal(-1))
		})
	}
}

func TestTheEndOfTheContext(t *testing.T) {
	t.Run("deadline", func(t *testing.T) {
		g := NewWithT(t)
		result, err := runIn(withTimeout(t, 2*time.Second), t, helper,
			held("sleep=1000s"), roomy())
		g.Expect(errors.Is(err, context.DeadlineExceeded)).To(BeTrue(), "%v", err)
		g.Expect(errors.Is(err, context.Canceled)).To(BeFalse())
		g.Expect(result.Signal).To(Equal(syscall.SIGKILL))
		g.Expect(result.ExitCode).To(Equal(-1))
	})
	t.Run("cancel with a cause", func(t *testing.T) {
		g := NewWithT(t)
		cause := errors.New("the manager stops")
		ctx, cancel := context.WithCancelCause(context.Background())
		timer := time.AfterFunc(2*time.Second, func() { cancel(cause) })
		defer timer.Stop()
		_, err := runIn(ctx, t, helper, held("sleep=1000s"), roomy())
		g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
		g.Expect(errors.Is(err, cause)).To(BeTrue(), "%v", err)
		var ended *sandbox.EndedError
		g.Expect(errors.As(err, &ended)).To(BeTrue())
		g.Expect(ended.After).To(BeNumerically(">", 0))
	})
	t.Run("before the start", func(t *testing.T) {
		g := NewWithT(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := runIn(ctx, t, helper, shell("true"), sandbox.DefaultLimits())
		var ended *sandbox.EndedError
		g.Expect(errors.As(err, &ended)).To(BeTrue(), "%v", err)
		g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
	})
}

func TestManyRunsAtOnce(t *testing.T) {
	g := NewWithT(t)
	box := newBox(t, helper)
	warmUp(g, box)
	before := openDescriptors(g)
	var group sync.WaitGroup
	results, errs := make([]sandbox.Result, 32), make([]error, 32)
	for i := range results {
		group.Go(func() {
			command := held("cat", "exit="+string('0'+rune(i%8)))
			command.Stdin = []byte(strings.Repeat("x", 1000*i))
			results[i], errs[i] = box.Run(context.Background(), command, roomy())
		})
	}
	group.Wait()
	for i, result := range results {
		g.Expect(errs[i]).NotTo(HaveOccurred())
		g.Expect(result.ExitCode).To(Equal(i % 8))
		g.Expect(result.Stdout).To(HaveLen(1000 * i))
	}
	g.Expect(openDescriptors(g)).To(Equal(before))
}

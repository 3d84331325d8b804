// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/sandbox"
)

func TestNothingOutlivesANormalEnd(t *testing.T) {
	g := NewWithT(t)
	started := time.Now()
	// Ten children, all of which hold both outputs open; the parent ends at once.
	result, err := runIn(t.Context(), t, "", shell("echo $$; for i in 0 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; exit 7"), sandbox.DefaultLimits())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.ExitCode).To(Equal(7))
	g.Expect(members(g, number(g, string(result.Stdout)))).To(BeEmpty())
	g.Expect(time.Since(started)).To(BeNumerically("<", 30*time.Second), "it did not wait for the children")
}

func TestNothingOutlivesTheContext(t *testing.T) {
	g := NewWithT(t)
	// A tree of processes of which some ignore every signal they can, each starting more.
	_, err := endOnceReady(t, func(fifo string) sandbox.Command {
		return shell(`for i in 0 1 2 3; do (trap '' TERM INT HUP; while :; do sleep 0.01 & sleep 0.01; done) & done
			sleep 0.2; echo $$ > '` + fifo + `'; wait`)
	})
	g.Expect(errors.Is(err, context.Canceled)).To(BeTrue(), "%v", err)
}

// In a pod the manager is process 1, so orphans become its children; a subreaper sees the same.
func TestOrphansThatBecomeOursAreReaped(t *testing.T) {
	g := NewWithT(t)
	g.Expect(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)).To(Succeed())
	defer func() { g.Expect(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)).To(Succeed()) }()
	// run itself fails the test when a child, a zombie too, is left.
	for range 20 {
		_, err := runIn(t.Context(), t, "", shell("for i in 0 1 2 3 4 5 6 7 8 9; do (sleep 1000 & true) & done; exit 0"), sandbox.DefaultLimits())
		g.Expect(err).NotTo(HaveOccurred())
	}
}

func TestOneThatLeavesTheGroupDoesNotHoldTheRun(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "pid")
	command := shell(`setsid sh -c 'echo $$ > "$0"; exec sleep 1000' "$0" & while ! test -s "$0"; do sleep 0.01; done`)
	command.Args = append(command.Args, file)
	// The one that left is ours to end.
	_, err := runIn(t.Context(), t, "", command, sandbox.DefaultLimits())
	content, readErr := os.ReadFile(file)
	g.Expect(readErr).NotTo(HaveOccurred())
	g.Expect(syscall.Kill(number(g, string(content)), syscall.SIGKILL)).To(Succeed())
	var escape *sandbox.EscapeError
	g.Expect(errors.As(err, &escape)).To(BeTrue(), "%v", err)
}

func TestTheProgramDiesWithTheManager(t *testing.T) {
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	manager := exec.Command(self, "program:manager")
	manager.Env = append(os.Environ(), builtVariable+"="+filepath.Dir(helper))
	manager.Stderr = os.Stderr
	g.Expect(manager.Start()).To(Succeed())
	program := 0
	g.Eventually(func() bool {
		for _, one := range processes(g) {
			exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", one.pid))
			if one.parent == manager.Process.Pid && exe == captive {
				program = one.pid
			}
		}
		return program != 0
	}, 10*time.Second, 10*time.Millisecond).Should(BeTrue())
	t.Cleanup(func() { // in case it does not
		for _, one := range members(g, program) {
			_ = syscall.Kill(one.pid, syscall.SIGKILL)
		}
	})

	g.Expect(manager.Process.Kill()).To(Succeed())
	_ = manager.Wait()
	g.Eventually(func() []entry { return members(g, program) }, 10*time.Second, 10*time.Millisecond).Should(BeEmpty())
}

// managerProgram is a manager that runs one long program.
func managerProgram([]string) error {
	built := os.Getenv(builtVariable)
	box, err := sandbox.New(sandbox.Require, filepath.Join(built, "extension-sandbox"))
	if err != nil {
		return err
	}
	_, err = box.Run(context.Background(), sandbox.Command{Path: filepath.Join(built, "captive"), Args: []string{"sleep=1000s"}}, roomy())
	return err
}

func TestNoDescriptorsLeftIsTransient(t *testing.T) {
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	for _, with := range []string{helper, ""} {
		output, err := exec.Command(self, "program:starved", with).CombinedOutput()
		g.Expect(err).NotTo(HaveOccurred(), string(output))
		g.Expect(strings.TrimSpace(string(output))).To(HavePrefix("*sandbox.SystemError true"))
	}
}

// starvedProgram runs something with no descriptor left and prints the kind of the error.
func starvedProgram(args []string) error {
	mode := sandbox.Require
	if args[0] == "" {
		mode = sandbox.Off
	}
	box, err := sandbox.New(mode, args[0])
	if err != nil {
		return err
	}
	for err == nil {
		_, err = syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	}
	_, err = box.Run(context.Background(), shell("true"), sandbox.DefaultLimits())
	_, printErr := fmt.Printf("%T %t %v\n", err, errors.Is(err, syscall.EMFILE), err)
	return printErr
}

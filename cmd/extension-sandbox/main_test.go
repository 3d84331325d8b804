// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

// captive is what the tests hold (test/captive): a static program, as every program here must be.
var captive string

// TestMain makes the test binary the helper itself when it is asked for, so that the tests start a real one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "as-helper" {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
		os.Exit(0)
	}
	if len(os.Args) > 3 && os.Args[1] == "as-failure" {
		descriptor, err := strconv.Atoi(os.Args[3])
		if err != nil {
			os.Exit(1)
		}
		(&reporter{descriptor: descriptor, program: "/bin/nu"}).fail(os.Args[2], "step", syscall.EPERM)
	}
	os.Exit(runWithCaptive(m))
}

func runWithCaptive(m *testing.M) int {
	dir, err := os.MkdirTemp("", "extension-sandbox-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	captive = filepath.Join(dir, "captive")
	build := exec.Command("go", "build", "-o", captive, "provisioning.dev/extension-operator/test/captive")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build the captive: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// outcome is what one run of the helper gave.
type outcome struct {
	code                   int
	stdout, stderr, report string
}

// start runs this test binary with arguments; its descriptor 3 is the report's pipe.
func start(t *testing.T, args ...string) outcome {
	t.Helper()
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	reader, writer, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(self, args...)
	cmd.Env = []string{"CANARY=kept", "PATH=/usr/bin:/bin"}
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = &stdout, &stderr, []*os.File{writer}
	err = cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(writer.Close()).To(Succeed())
	report, err := io.ReadAll(reader)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reader.Close()).To(Succeed())
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), string(report)}
}

func helper(t *testing.T, args ...string) outcome {
	t.Helper()
	return start(t, append([]string{"as-helper"}, args...)...)
}

// lines are answers as the captive prints them.
func lines(answers ...string) string { return strings.Join(answers, "\n") + "\n" }

// everyLimit leaves room for a Go program, which reserves much address space.
var everyLimit = []string{"--cpu=10", "--open-files=64", "--file-size=4096", "--address-space=4294967296"}

const (
	enforcedAll      = `{"enforced":["descriptors","no_new_privs","landlock","landlock_network","landlock_scope","seccomp","rlimits"]}` + "\n"
	enforcedNoLimits = `{"enforced":["descriptors","no_new_privs","landlock","landlock_network","landlock_scope","seccomp"]}` + "\n"
	onlyStatic       = "; only a static program can run here, no script and none that needs a loader"
)

func TestItBecomesTheProgram(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, append(everyLimit, "--report-fd=3", "--", captive, "open", "env", "args", "a", "--b")...)
	g.Expect(got).To(Equal(outcome{0, "0\n1\n2\nCANARY=kept\x00PATH=/usr/bin:/bin\x00a\x00--b\x00", "", enforcedAll}))
	g.Expect(helper(t, "--", captive, "exit=9")).To(Equal(outcome{9, "", "", ""}))
}

func TestALimitLeftOutIsNotReported(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, "--cpu=10", "--report-fd=3", "--", captive, "limits")
	g.Expect(got.report).To(Equal(enforcedNoLimits))
	g.Expect(got.stdout).To(And(HavePrefix("cpu 10 11\n"), ContainSubstring("\nno_new_privs 1\nseccomp 2\ncapabilities 0 0\n")))
}

func TestATighterLimitIsKept(t *testing.T) {
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 50; exec "$0" as-helper --open-files=1000 -- "$1" limits`, self, captive)
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	g.Expect(string(output)).To(ContainSubstring("open-files 50 50\n"))
}

func TestOnlyTheFoldersOfReadAreRead(t *testing.T) {
	g := NewWithT(t)
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{one, two} {
		g.Expect(os.WriteFile(filepath.Join(dir, "file"), nil, 0o644)).To(Succeed())
	}
	read := []string{"try=read " + one + "/file", "try=read " + two + "/file", "try=write " + one + "/file"}
	g.Expect(helper(t, append([]string{"--read=" + one, "--", captive}, read...)...).stdout).To(Equal(lines("done", "EACCES", "EACCES")))
	g.Expect(helper(t, append([]string{"--read=" + one, "--read=" + two, "--", captive}, read...)...).stdout).To(Equal(lines("done", "done", "EACCES")))
	g.Expect(helper(t, append([]string{"--", captive}, read...)...).stdout).To(Equal(lines("EACCES", "EACCES", "EACCES")))

	for _, path := range []string{"/nonexistent", one + "/file"} {
		byHand := helper(t, "--read="+path, "--", captive)
		g.Expect(byHand.code).To(Equal(exitSandbox))
		g.Expect(byHand.stderr).To(HavePrefix("extension-sandbox: cannot open a folder of --read: "))
		g.Expect(helper(t, "--report-fd=3", "--read="+path, "--", captive).report).To(HavePrefix(`{"failed":"read","step":"open","errno":`))
	}
}

// The one exec that is allowed is over: its descriptor's number is beyond the limit of open files.
func TestTheProgramIsExecutedOnce(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, append(everyLimit, "--", captive, "try=execveat "+captive+" 64 empty", "try=execveat "+captive, "try=exec "+captive)...)
	g.Expect(got.stdout).To(Equal(lines("EBADF", "EPERM", "EPERM")))
}

func TestCheckExecutesNothing(t *testing.T) {
	g := NewWithT(t)
	g.Expect(helper(t, append(everyLimit, "--report-fd=3", "--check")...)).To(Equal(outcome{0, "", "", enforcedAll}))
	g.Expect(helper(t, "--check")).To(Equal(outcome{0,
		"enforced: descriptors, no_new_privs, landlock, landlock_network, landlock_scope, seccomp\n", "", ""}))
	g.Expect(helper(t, "--best-effort", "--check").code).To(BeZero())
}

func TestAProgramThatCannotBeExecuted(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		NewWithT(t).Expect(os.WriteFile(path, []byte(text), mode)).To(Succeed())
		return path
	}
	for path, want := range map[string]struct {
		code   int
		errno  syscall.Errno
		step   string
		advice string
	}{
		"/nonexistent":                       {exitNotFound, syscall.ENOENT, "open", ""},
		file("plain", "text", 0o644):         {exitNotExecutable, syscall.EACCES, "open", ""},
		folder:                               {exitNotExecutable, syscall.EACCES, "open", ""},
		file("text", "text", 0o755):          {exitNotExecutable, syscall.ENOEXEC, "execveat", onlyStatic},
		file("script", "#!/bin/sh\n", 0o755): {exitNotFound, syscall.ENOENT, "execveat", onlyStatic},
		"/bin/sh":                            {exitNotExecutable, syscall.EACCES, "execveat", onlyStatic},
	} {
		g := NewWithT(t)
		byHand := helper(t, append(everyLimit, "--", path)...)
		g.Expect(byHand).To(Equal(outcome{want.code, "",
			"extension-sandbox: cannot execute " + path + ": " + want.errno.Error() + want.advice + "\n", ""}))
		report := `{"failed":"exec","step":"` + want.step + `","errno":` + strconv.Itoa(int(want.errno)) + "}\n"
		if want.step != "open" {
			report = enforcedAll + report
		}
		reported := helper(t, append(everyLimit, "--report-fd=3", "--", path)...)
		g.Expect(reported).To(Equal(outcome{want.code, "", "", report}))
	}
}

func TestALayerThatFails(t *testing.T) {
	for _, layer := range []string{layerDescriptors, layerNoNewPrivs, layerLandlock, layerNetwork, layerScope, layerSeccomp, layerRlimits} {
		g := NewWithT(t)
		g.Expect(start(t, "as-failure", layer, "-1")).To(Equal(outcome{exitSandbox, "",
			"extension-sandbox: cannot set " + layer + " (step): operation not permitted\n", ""}))
		g.Expect(start(t, "as-failure", layer, "3")).To(Equal(outcome{exitSandbox, "", "",
			`{"failed":"` + layer + `","step":"step","errno":1}` + "\n"}))
	}
}

func TestHelpIsForPeople(t *testing.T) {
	for _, flag := range []string{"--help", "-h"} {
		g := NewWithT(t)
		got := helper(t, flag)
		g.Expect(got).To(Equal(outcome{0, help, "", ""}))
		for _, l := range limitFlags {
			g.Expect(help).To(ContainSubstring("--" + l.name + "="))
		}
		for _, layer := range append(layersOf(abiScope, len(limitFlags)), "--read=", "--best-effort", "--check", "--report-fd=") {
			g.Expect(help).To(ContainSubstring("\n  " + layer))
		}
	}
}

func TestWrongArgumentsSayWhatIsWrong(t *testing.T) {
	for problem, args := range map[string][]string{
		"no program: name it after --":                     {"--cpu=1", "--"},
		"no program":                                       {},
		`unknown option "--cpus=1" before --`:              {"--cpus=1", "--", "/bin/true"},
		`unknown option "/bin/true" before --`:             {"/bin/true"},
		"--cpu needs a whole number above 0, as --cpu=100": {"--cpu", "--", "/bin/true"},
		"--cpu needs a whole number":                       {"--cpu=0", "--", "/bin/true"},
		"--open-files needs a whole number":                {"--open-files=-1", "--", "/bin/true"},
		"--file-size needs a whole number":                 {"--file-size=99999999999999999999", "--", "/bin/true"},
		"--cpu is given twice":                             {"--cpu=1", "--cpu=2", "--", "/bin/true"},
		"--read needs an absolute folder":                  {"--read=srv", "--", "/bin/true"},
		"--check executes nothing: leave out the program":  {"--check", "--", "/bin/true"},
		`unknown option "--check=1" before --`:             {"--check=1"},
		"--report-fd must be 3 or higher":                  {"--report-fd=2", "--", "/bin/true"},
	} {
		g := NewWithT(t)
		got := helper(t, args...)
		g.Expect(got.code).To(Equal(exitSandbox))
		g.Expect(got.stderr).To(And(HavePrefix("extension-sandbox: "+problem), ContainSubstring("--help")))
		g.Expect(got.stdout + got.report).To(BeEmpty())
	}
}

func TestAReportNobodyReadsEndsIt(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, "--report-fd=77", "--", "/bin/echo", "must not run")
	g.Expect(got).To(Equal(outcome{exitSandbox, "", "", ""}))
}

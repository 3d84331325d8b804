// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"
)

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
	os.Exit(m.Run())
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

var everyLimit = []string{"--cpu=10", "--open-files=64", "--file-size=4096", "--address-space=1073741824"}

func TestItBecomesTheProgram(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, append(everyLimit, "--report-fd=3", "--", "/bin/sh", "-c",
		`echo $0 $1 $CANARY; grep NoNewPrivs /proc/self/status; test -e /proc/$$/fd/3 || echo closed; exit 9`, "a", "--b")...)
	g.Expect(got).To(Equal(outcome{9, "a --b kept\nNoNewPrivs:\t1\nclosed\n", "",
		`{"enforced":["descriptors","no_new_privs","rlimits"]}` + "\n"}))
}

func TestALimitLeftOutIsNotReported(t *testing.T) {
	g := NewWithT(t)
	got := helper(t, "--cpu=10", "--report-fd=3", "--", "/bin/sh", "-c", "ulimit -t; ulimit -c; ulimit -v")
	g.Expect(got).To(Equal(outcome{0, "10\n0\nunlimited\n", "", `{"enforced":["descriptors","no_new_privs"]}` + "\n"}))
}

func TestATighterLimitIsKept(t *testing.T) {
	g := NewWithT(t)
	self, err := os.Executable()
	g.Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 50; exec "$0" as-helper --open-files=1000 -- /bin/sh -c 'ulimit -n'`, self)
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	g.Expect(string(output)).To(Equal("50\n"))
}

func TestAProgramThatCannotBeExecuted(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	NewWithT(t).Expect(os.WriteFile(plain, []byte("text"), 0o644)).To(Succeed())
	for path, want := range map[string]struct {
		code  int
		errno syscall.Errno
	}{
		"/nonexistent": {exitNotFound, syscall.ENOENT},
		plain:          {exitNotExecutable, syscall.EACCES},
	} {
		g := NewWithT(t)
		byHand := helper(t, append(everyLimit, "--", path)...)
		g.Expect(byHand).To(Equal(outcome{want.code, "",
			"extension-sandbox: cannot execute " + path + ": " + want.errno.Error() + "\n", ""}))
		reported := helper(t, append(everyLimit, "--report-fd=3", "--", path)...)
		g.Expect(reported).To(Equal(outcome{want.code, "", "",
			`{"enforced":["descriptors","no_new_privs","rlimits"]}` + "\n" +
				`{"failed":"exec","step":"execve","errno":` + strconv.Itoa(int(want.errno)) + "}\n"}))
	}
}

func TestALayerThatFails(t *testing.T) {
	for _, layer := range []string{layerDescriptors, layerNoNewPrivs, layerRlimits} {
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

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package sandbox_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/sandbox"
)

// helper is the real extension-sandbox, captive what is held in it (test/captive); both are built once for all tests. Where
// a test wants no helper it says "".
var helper, captive string

// builtVariable names the folder of both for a test binary that was started by another (attack_test.go).
const builtVariable = "SANDBOX_TEST_BUILT"

// programs are what this test binary becomes when it is started with one of these names as its first argument.
var programs = map[string]func(args []string) error{
	"program:manager": managerProgram,
	"program:starved": starvedProgram,
}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		if program, ok := programs[os.Args[1]]; ok {
			if err := program(os.Args[2:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(runWithPrograms(m))
}

func runWithPrograms(m *testing.M) int {
	dir := os.Getenv(builtVariable)
	if dir == "" {
		var err error
		if dir, err = build(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
	}
	helper, captive = filepath.Join(dir, "extension-sandbox"), filepath.Join(dir, "captive")
	return m.Run()
}

// build builds the programs, static, into a folder that every user can read.
func build() (string, error) {
	dir, err := os.MkdirTemp("", "sandbox-test-")
	if err != nil {
		return "", err
	}
	const module = "provisioning.dev/extension-operator/"
	command := exec.Command("go", "build", "-o", dir, module+"cmd/extension-sandbox", module+"test/captive")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("cannot build the programs: %w\n%s", err, output), os.RemoveAll(dir))
	}
	return dir, os.Chmod(dir, 0o755)
}

// held is the captive that does these steps.
func held(steps ...string) sandbox.Command { return sandbox.Command{Path: captive, Args: steps} }

// roomy are limits with room for a Go program, which reserves much address space.
func roomy() sandbox.Limits {
	limits := sandbox.DefaultLimits()
	limits.AddressSpace = 4 << 30
	return limits
}

// newBox is a sandbox that requires every layer, or has none where helper is "".
func newBox(t testing.TB, helper string) *sandbox.Sandbox {
	t.Helper()
	mode := sandbox.Require
	if helper == "" {
		mode = sandbox.Off
	}
	box, err := sandbox.New(mode, helper)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// run runs a command in a sandbox with the helper and fails the test if anything is left of it.
func run(t *testing.T, c sandbox.Command, l sandbox.Limits) (sandbox.Result, error) {
	t.Helper()
	return runIn(context.Background(), t, helper, c, l)
}

func runIn(ctx context.Context, t *testing.T, helper string, c sandbox.Command, l sandbox.Limits) (sandbox.Result, error) {
	t.Helper()
	g := NewWithT(t)
	box := newBox(t, helper)
	warmUp(g, box)
	routines := goleak.IgnoreCurrent()
	descriptors, children := openDescriptors(g), childProcesses(g)
	result, err := box.Run(ctx, c, l)
	g.Expect(openDescriptors(g)).To(Equal(descriptors), "descriptors of this process")
	g.Expect(childProcesses(g)).To(Equal(children), "children of this process")
	g.Expect(goleak.Find(routines)).To(Succeed())
	return result, err
}

// warmUp lets the runtime open what it keeps open (the poller) before anything is counted.
func warmUp(g *WithT, box *sandbox.Sandbox) {
	_, _ = box.Run(context.Background(), held("exit=0"), roomy())
	reader, writer, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reader.Close()).To(Succeed())
	g.Expect(writer.Close()).To(Succeed())
}

// shell is for tests without a helper: in the sandbox no shell can run, and it could start nothing.
func shell(script string) sandbox.Command {
	return sandbox.Command{Path: "/bin/sh", Args: []string{"-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// withTimeout is a context that is cancelled with the test.
func withTimeout(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

// endOnceReady runs a command, without a helper, that writes its process id as a line to the FIFO it is made with, cancels the run then, and
// fails the test if anything of its process group is left.
func endOnceReady(t *testing.T, command func(fifo string) sandbox.Command) (sandbox.Result, error) {
	t.Helper()
	g := NewWithT(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	g.Expect(unix.Mkfifo(fifo, 0o600)).To(Succeed())
	pipe, err := os.OpenFile(fifo, os.O_RDWR, 0) // for both, so that opening waits for nobody
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = pipe.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	first := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(pipe).ReadString('\n')
		first <- line
		cancel()
	}()
	result, err := runIn(ctx, t, "", command(fifo), sandbox.DefaultLimits())
	g.Expect(members(g, number(g, <-first))).To(BeEmpty())
	return result, err
}

func openDescriptors(g *WithT) int {
	entries, err := os.ReadDir("/proc/self/fd")
	g.Expect(err).NotTo(HaveOccurred())
	return len(entries)
}

// entry is what /proc says of one process.
type entry struct {
	pid, parent, group int
	state              string
}

// processes lists all processes, zombies too.
func processes(g *WithT) []entry {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	g.Expect(err).NotTo(HaveOccurred())
	var all []entry
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (name, which may hold anything) state parent group …
		after := content[bytes.LastIndexByte(content, ')')+1:]
		fields := strings.Fields(string(after))
		one := entry{pid: number(g, filepath.Base(filepath.Dir(file))), state: fields[0]}
		one.parent, one.group = number(g, fields[1]), number(g, fields[2])
		all = append(all, one)
	}
	return all
}

func childProcesses(g *WithT) int {
	count := 0
	for _, one := range processes(g) {
		if one.parent == os.Getpid() {
			count++
		}
	}
	return count
}

// members are the living processes of a group.
func members(g *WithT, group int) []entry {
	var found []entry
	for _, one := range processes(g) {
		if one.group == group && one.state != "Z" && one.state != "X" {
			found = append(found, one)
		}
	}
	return found
}

func number(g *WithT, text string) int {
	value, err := strconv.Atoi(strings.TrimSpace(text))
	g.Expect(err).NotTo(HaveOccurred())
	return value
}

// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"gopkg.in/natefinch/lumberjack.v2"
)

// The kernel's own full disk, by way of the library that writes files.
func TestDevFull(t *testing.T) {
	g := NewWithT(t)
	said := &told{}
	l := New(Options{Out: &lumberjack.Logger{Filename: "/dev/full", MaxSize: 1}, Queue: 9, Log: said.logger(), Now: time.Now})
	for range 9 {
		l.Loaded(goodLoad)
	}
	g.Expect(l.Start(ended(t))).To(Succeed())
	g.Expect(said.all()).To(HaveLen(2))
	g.Expect(said.all()[0]).To(ContainSubstring("no space left on device"))
	g.Expect(said.all()[1]).To(ContainSubstring(`"lost"=9`))
}

// tinyFolder names the folder that TestATinyFileSystem has in a process of its own.
const tinyFolder = "AUDIT_TEST_TINY_FOLDER"

// A file system of 64 KiB is mounted in user and mount namespaces of their own, which needs no root.
func TestATinyFileSystem(t *testing.T) {
	folder := os.Getenv(tinyFolder)
	if folder != "" {
		fillUp(t, folder)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestATinyFileSystem$")
	cmd.Env = append(os.Environ(), tinyFolder+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v; where it says that an operation is not permitted, this test needs user namespaces\n%s", err, out)
	}
}

func fillUp(t *testing.T, folder string) {
	g := NewWithT(t)
	g.Expect(syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=64k")).To(Succeed())
	path, ballast := filepath.Join(folder, "audit.log"), filepath.Join(folder, "ballast")
	g.Expect(os.WriteFile(ballast, make([]byte, 32<<10), 0o600)).To(Succeed())
	out, err := Open(path, 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	said := &told{}
	l := New(Options{Out: out, Queue: 200, Log: said.logger(), Now: time.Now})
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() { g.Expect(l.Start(ctx)).To(Succeed()) })
	for range 100 {
		l.Loaded(goodLoad)
	}
	g.Eventually(func() int { return len(l.queue) }).Should(BeZero())
	g.Expect(said.all()).To(ConsistOf(ContainSubstring("no space left on device")))

	g.Expect(os.Remove(ballast)).To(Succeed())
	l.Refused(refusal)
	cancel()
	writing.Wait()
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	last := decode(t, lines[len(lines)-1])
	g.Expect(last.Verb).To(Equal("refuse"))
	lost := decode(t, lines[len(lines)-2])
	g.Expect(lost.Verb).To(Equal("lose"))
	whole := 0
	for _, line := range lines {
		if strings.HasSuffix(line, "}") && strings.Contains(line, `"verb":"load"`) {
			decode(t, line)
			whole++
		}
	}
	var n int
	_, err = fmt.Sscan(annotation(lost, "lost"), &n)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(whole + n).To(Equal(100))
}

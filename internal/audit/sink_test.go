// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
)

// into writes n events to a path as the manager does.
func into(g Gomega, t *testing.T, path string, maxSize, maxBackups, n int) {
	out, err := Open(path, maxSize, maxBackups)
	g.Expect(err).NotTo(HaveOccurred())
	l := New(Options{Out: out, Queue: n, Log: logr.Discard(), Now: time.Now})
	for range n {
		l.Loaded(goodLoad)
	}
	g.Expect(l.Start(ended(t))).To(Succeed())
}

func TestAFileIsMadeWithItsFolderAndGoesOnAfterARestart(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "log", "audit.log")
	into(g, t, path, 1, 1, 2)
	into(g, t, path, 1, 1, 3)
	text, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Count(text, []byte("\n"))).To(Equal(5))
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode()).To(Equal(os.FileMode(0o600)), "who asked for what is for the operator's eyes")
}

func TestAFileIsMovedAsideWhenItIsFullAndAsManyAreKeptAsTheSettingSays(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	into(g, t, path, 1, 2, 4000) // some 5 MiB
	old := filepath.Join(filepath.Dir(path), "audit-*.log")
	g.Eventually(func() ([]string, error) { return filepath.Glob(old) }).Should(HaveLen(2))
	files, err := filepath.Glob(old)
	g.Expect(err).NotTo(HaveOccurred())
	for _, file := range append(files, path) {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(len(text)).To(BeNumerically("<=", 1<<20))
		for _, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			decode(t, line) // none is cut in two
		}
	}
}

func TestStandardOutputIsNotClosed(t *testing.T) {
	g := NewWithT(t)
	out, err := Open(Stdout, 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out.Close()).To(Succeed())
	_, err = os.Stdout.Stat()
	g.Expect(err).NotTo(HaveOccurred())
}

func TestAPathWhereNoFileCanBeIsRefusedAtOnce(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(folder, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, message := range map[string]string{
		folder:                        folder + " is not a regular file; name one, or - for standard output",
		fifo:                          fifo + " is not a regular file; name one, or - for standard output",
		filepath.Join(file, "x"):      filepath.Join(file, "x") + " cannot be written: not a directory",
		filepath.Join(file, "x", "y"): filepath.Join(file, "x", "y") + " cannot be written: not a directory",
	} {
		_, err := Open(path, 1, 1)
		NewWithT(t).Expect(err).To(MatchError(message))
	}
}

func TestAnErrorOfClosingIsTold(t *testing.T) {
	said := &told{}
	l := New(Options{Out: unclosable{}, Queue: 1, Log: said.logger(), Now: time.Now})
	NewWithT(t).Expect(l.Start(ended(t))).To(Succeed())
	NewWithT(t).Expect(said.all()).To(ConsistOf(ContainSubstring("stale file handle")))
}

type unclosable struct{ bytes.Buffer }

func (unclosable) Write(text []byte) (int, error) { return len(text), nil }
func (unclosable) Close() error                   { return errors.New("stale file handle") }

// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/test/docs"
	"provisioning.dev/extension-operator/test/env"
)

// quickstartTime bounds all that is done with one: it builds the programs and starts an API server.
const quickstartTime = 8 * time.Minute

// outside has make not take itself for a part of the make that runs this test.
var outside = []string{"MAKEFLAGS=", "MAKELEVEL=0"}

// quickstart is one that runs, and what it has printed: the exports for another terminal, where the library is, and what to try.
type quickstart struct {
	cmd                        *exec.Cmd
	rest                       chan string
	exports, extensions, guide string
}

// startQuickstart runs it as README.md says, until it has said all.
func startQuickstart(ctx context.Context, t *testing.T) *quickstart {
	t.Helper()
	g := NewWithT(t)
	sessions, err := docs.Sessions(os.DirFS(root), "start")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(sessions).To(HaveLen(1))
	cmd, err := env.Command("/bin/sh", "-euc", sessions[0].Commands)
	g.Expect(err).NotTo(HaveOccurred())
	cmd.Dir, cmd.Env = root, append(os.Environ(), outside...)
	out, in, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	cmd.Stdout, cmd.Stderr = in, in
	g.Expect(cmd.Start()).To(Succeed())
	context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	q := &quickstart{cmd: cmd, rest: make(chan string, 1)}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_, _ = q.stop() // the test has failed for another reason
		}
	})
	g.Expect(in.Close()).To(Succeed())

	var said strings.Builder
	lines := bufio.NewReader(out)
	for !strings.HasSuffix(said.String(), "Ctrl-C here stops everything and removes the copy.\n") {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		g.Expect(err).NotTo(HaveOccurred(), said.String())
	}
	go func() {
		text, _ := io.ReadAll(lines) // it ends when it does
		q.rest <- string(text)
	}()
	q.read(g, said.String())
	return q
}

// read takes what a reader takes of it.
func (q *quickstart) read(g Gomega, said string) {
	for _, line := range regexp.MustCompile(`(?m)^  (export .*)$`).FindAllStringSubmatch(said, -1) {
		q.exports += line[1] + "\n"
	}
	g.Expect(strings.Count(q.exports, "\n")).To(Equal(2), said)
	library := regexp.MustCompile(`(?m)^The library is a copy that you may edit: (.*)$`).FindStringSubmatch(said)
	g.Expect(library).To(HaveLen(2), said)
	q.extensions = library[1]
	_, guide, _ := strings.Cut(said, "things to try:\n")
	guide, _, _ = strings.Cut(guide, "Ctrl-C here")
	for line := range strings.Lines(guide) {
		if !regexp.MustCompile(`^([0-9]\. |$)`).MatchString(strings.TrimSuffix(line, "\n")) {
			q.guide += strings.TrimPrefix(line, "     ")
		}
	}
	g.Expect(q.guide).To(ContainSubstring("kubectl apply"), said)
}

// stop is Ctrl-C, and returns the last words.
func (q *quickstart) stop() (string, error) {
	err := syscall.Kill(-q.cmd.Process.Pid, syscall.SIGINT)
	_ = q.cmd.Wait() // make says that it was interrupted
	return <-q.rest, err
}

// TestDocumentsBesideTheQuickstart does what the documents say that needs this machine and no cluster: with the quickstart in one terminal, it
// types in another what is marked so, the tutorial among it, and then what the quickstart itself proposes.
func TestDocumentsBesideTheQuickstart(t *testing.T) {
	g := NewWithT(t)
	nu, err := env.Nushell()
	g.Expect(err).NotTo(HaveOccurred())
	here, err := filepath.Abs(root)
	g.Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), quickstartTime) // it is stopped in order after the test
	t.Cleanup(cancel)
	q := startQuickstart(ctx, t)
	path := filepath.Join(here, "bin") + ":" + filepath.Dir(nu) + ":" + os.Getenv("PATH")
	typed := func(s docs.Session, dir string) (string, error) {
		s.Commands = q.exports + s.Commands
		return s.Run(ctx, dir, append(outside, "PATH="+path)...)
	}
	sessions := func(word string, instead ...string) []docs.Session {
		found, err := docs.Sessions(os.DirFS(root), word, instead...)
		g.Expect(err).NotTo(HaveOccurred())
		return found
	}

	for _, s := range sessions("quickstart", "library=…/extensions", "library="+q.extensions, "$HOME", t.TempDir(), "./my-library", "./extensions") {
		_, err = typed(s, root)
		g.Expect(err).NotTo(HaveOccurred())
	}
	for _, s := range sessions("anywhere") {
		_, err = typed(s, t.TempDir())
		g.Expect(err).NotTo(HaveOccurred())
	}
	for _, s := range sessions("denied") {
		out, err := typed(s, root)
		g.Expect(err).To(HaveOccurred())
		g.Expect(out).To(ContainSubstring("Permission denied"))
	}
	out, err := typed(docs.Session{Document: "the quickstart's guide", Commands: q.guide}, root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(And(ContainSubstring("not found; available:"), ContainSubstring("Extension etcd reloaded")))

	last, err := q.stop()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(last).To(ContainSubstring("stopped; nothing is left running"))
}

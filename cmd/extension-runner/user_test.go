// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/step"
)

// imageUser is who the shipped image runs as.
const imageUser = 65532

// asImageUser has the containers of a pod run as the image's user, from programs that this one may reach. Where the tests have no
// right to become another, they are not root, and every test is one of an ordinary user.
func (p *pod) asImageUser() *pod {
	p.t.Helper()
	if os.Getuid() != 0 {
		return p
	}
	g := NewWithT(p.t)
	tools, err := os.MkdirTemp("", "runner-test-")
	g.Expect(err).NotTo(HaveOccurred())
	p.t.Cleanup(func() { _ = os.RemoveAll(tools) })
	g.Expect(os.Chmod(tools, 0o755)).To(Succeed())
	for _, program := range []*string{&p.runner, &p.order.Nushell, &p.order.SandboxHelper} {
		copied := filepath.Join(tools, filepath.Base(*program))
		text, err := os.ReadFile(*program)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.WriteFile(copied, text, 0o755)).To(Succeed())
		*program = copied
	}
	g.Expect(os.CopyFS(filepath.Join(tools, "nushell"), os.DirFS(p.order.Provisioning))).To(Succeed())
	p.order.Provisioning = filepath.Join(tools, "nushell")
	for folder := filepath.Dir(p.order.Work); folder != os.TempDir() && folder != "/"; folder = filepath.Dir(folder) {
		g.Expect(os.Chmod(folder, 0o755)).To(Succeed())
	}
	p.write(p.order.TerminationLog, "")
	g.Expect(os.Chown(p.order.TerminationLog, imageUser, imageUser)).To(Succeed())
	g.Expect(os.Chown(p.order.Work, imageUser, imageUser)).To(Succeed())
	p.user = &syscall.Credential{Uid: imageUser, Gid: imageUser}
	return p
}

// An ordinary user is enough for every step, and what that user may not read or write is told.
func TestAsTheUserOfTheImage(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, configureHook("{files: {who: ($values.who)}, objects: []}")+
		hook("install", `"x" | save file; {message: $"installed ($ctx.config.files.who)"}`)).values("who: me").asImageUser()
	g.Expect(p.run(step.Configure).State).To(Equal(step.Succeeded))
	g.Expect(p.run(step.Install).Message).To(Equal("installed me"))

	for name, folder := range map[string]string{
		"work": p.order.Work, "payload": p.order.Payload, "values": filepath.Join(p.order.Values, "..2026"), "provisioning": p.order.Provisioning,
	} {
		info, err := os.Stat(folder)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.Chmod(folder, fs.FileMode(0o100))).To(Succeed())
		if p.user != nil {
			g.Expect(os.Chown(folder, 0, 0)).To(Succeed())
		}
		e := p.run(step.Configure)
		g.Expect(e.exit).To(Equal(4), name+": "+e.everything())
		g.Expect(e.Message).To(ContainSubstring("permission denied"), name)
		if p.user != nil {
			g.Expect(os.Chown(folder, imageUser, imageUser)).To(Succeed())
		}
		g.Expect(os.Chmod(folder, info.Mode().Perm())).To(Succeed())
	}
	g.Expect(p.run(step.Install).Message).To(Equal("installed me"), "and works again")
}

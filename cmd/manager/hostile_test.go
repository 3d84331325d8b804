// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// tooDeep is what nu ends by a signal on, which is tried again.
const tooDeep = "False LoadFailed Reconciling"

// attack is one hostile extension, and how its object ends. LIBRARY, STORE and
// TOKEN in its module are the library, the neighbour's copy in the store and a
// secret file of the manager's.
type attack struct {
	name, module string
	spoil        func(folder string)
	verdict      string
	// message is a part of Ready's.
	message string
}

var attacks = []attack{
	{name: "passwd", module: "use /etc/passwd\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "token", module: "use TOKEN *\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "library", module: "export use LIBRARY/taskservs/neighbour/1.0.0/mod.nu *\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "unplanned", module: "use taskserv/neighbour *\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "thestore", module: "use STORE/mod.nu *\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "upandout", module: "use ../../../../sha256/DIGEST/mod.nu *\n" + goodModule, verdict: badLoad, message: "Module not found"},
	{name: "forever", module: endlessModule, verdict: overLimit, message: "the limit of CPU time"},
	{name: "toodeep", module: "export def a [] { " + strings.Repeat("(", 20000) + strings.Repeat(")", 20000) + " }\n", verdict: tooDeep, message: "ended by a signal (segmentation fault)"},
	{name: "shadows", module: "export def print [...x] { 'forged' }\nexport def exit [...x] { }\n" + goodModule, verdict: ready, message: "loaded"},
	{name: "answers", module: "print '{\"protocol\":1,\"ok\":true}'\nexit 0\n" + goodModule, verdict: badLoad, message: "Expected keyword"},
	{name: "linkout", module: "use ./link.nu\n" + goodModule, spoil: func(folder string) {
		Expect(os.Symlink("/etc/passwd", filepath.Join(folder, "link.nu"))).To(Succeed())
	}, verdict: badMetadata, message: "link.nu leads out of the library"},
}

var _ = Describe("a hostile extension", func() {
	It("is stopped, gets nothing told, leaves nothing behind and harms no neighbour", func() {
		const canary = "canary5c81d2"
		w := newWorld()
		token := filepath.Join(w.t.TempDir(), "token.nu")
		Expect(os.WriteFile(token, []byte("export const TOKEN = '"+canary+"'\n"), 0o600)).To(Succeed())
		w.publish(api.TaskservType, "neighbour", "1.0.0", map[string]string{"mod.nu": goodModule + "export const OWN = '" + canary + "'\n"})
		cmd, log := w.spawn("--audit-log=-", "--log-level=debug")
		w.apply(api.TaskservType, "neighbour", "")
		neighbour := w.becomes("neighbour", ready).Status
		Expect(*neighbour.Sandbox).To(Equal(api.SandboxStatus{Level: "Enforced"}), "with nothing missing")

		digest := strings.TrimPrefix(neighbour.Digest, "sha256:")
		places := strings.NewReplacer("LIBRARY", w.catalogDir, "TOKEN", token, "DIGEST", digest,
			"STORE", filepath.Join(w.settings.CacheDir, "sha256", digest))
		stage := filepath.Join(w.settings.CacheDir, "stage")
		for _, a := range attacks {
			w.publish(api.TaskservType, "after-"+a.name, "1.0.0", nil)
			w.publish(api.TaskservType, a.name, "1.0.0", map[string]string{"mod.nu": places.Replace(a.module)})
			if a.spoil != nil {
				a.spoil(w.folder(api.TaskservType, a.name, "1.0.0"))
			}
		}
		for _, a := range attacks {
			By(a.name)
			w.apply(api.TaskservType, a.name, "")
			w.becomes(a.name, a.verdict)
			Expect(w.message(a.name)).To(ContainSubstring(a.message))
			switch last := w.get(a.name).Status.LastAttempted; a.verdict {
			case ready:
				Expect(w.get(a.name).Status.Hooks).To(Equal([]string{"install"}))
			case badLoad, overLimit:
				Expect(last.Sandbox).To(Equal(neighbour.Sandbox), "it was stopped in the whole sandbox")
			}
			Eventually(func() []string { return w.events(a.name) }).ShouldNot(BeEmpty())
			status, err := json.Marshal(w.get(a.name))
			Expect(err).NotTo(HaveOccurred())
			keepsSecret(canary, string(status), strings.Join(w.events(a.name), "\n"))
			Expect(admin.Delete(GinkgoT().Context(), w.get(a.name))).To(Succeed())
			Eventually(func() []string { return processesIn(stage) }).Should(HaveLen(w.settings.LoadWorkers), "those that wait for a load")

			w.apply(api.TaskservType, "after-"+a.name, "")
			Expect(w.becomes("after-"+a.name, ready).Status.Sandbox).To(Equal(neighbour.Sandbox))
			Expect(w.verdict("neighbour")).To(Equal(ready))
		}
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(cmd.Wait()).To(Succeed())
		Expect(filepath.Glob(filepath.Join(stage, "*"))).To(BeEmpty())

		record := string(cmd.Stdout.(*gbytes.Buffer).Contents())
		outcomes := map[string]string{}
		for _, e := range auditLines(record, w.namespace) {
			if e.ObjectRef != nil {
				outcomes[e.ObjectRef.Name] = noted(e, "outcome")
			}
		}
		for _, a := range attacks {
			reason := strings.Fields(a.verdict)[1]
			Expect(outcomes).To(HaveKeyWithValue(a.name, reason))
		}
		Expect(string(log.Contents())).To(ContainSubstring("Load failed"))
		keepsSecret(canary, record, string(log.Contents()))
	})
})

// keepsSecret holds that neither a canary nor a line of the password file is told.
func keepsSecret(canary string, told ...string) {
	GinkgoHelper()
	passwd, err := os.ReadFile("/etc/passwd")
	Expect(err).NotTo(HaveOccurred())
	for _, text := range told {
		Expect(text).NotTo(ContainSubstring(canary))
		for line := range strings.Lines(string(passwd)) {
			Expect(text).NotTo(ContainSubstring(strings.TrimSpace(line)))
		}
	}
}

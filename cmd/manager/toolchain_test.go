// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// withProgram gives a world a loading program of its own.
func (w *world) withProgram(text string) {
	GinkgoHelper()
	w.settings.ProvisioningPath = GinkgoT().TempDir()
	Expect(os.WriteFile(filepath.Join(w.settings.ProvisioningPath, "load.nu"), []byte(text), 0o644)).To(Succeed())
}

var _ = Describe("a toolchain that is not right", func() {
	DescribeTable("the loading program", func(text, verdict, message string) {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.withProgram(text)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", verdict)
		Expect(w.message("etcd")).To(ContainSubstring(message))
	},
		Entry("prints nothing", "exit 0\n", badLoad, "answer"),
		Entry("prints garbage", "print 'I am fine'\nexit 0\n", badLoad, "answer"),
		Entry("prints half a document", "print '{\"protocol\": 1, '\nexit 0\n", badLoad, "answer"),
		Entry("does not parse", "def {\n", badLoad, ""),
		Entry("dies by a signal", "exit 139\n", "False LoadFailed Reconciling", "139"),
	)

	It("says that nu is away, and loads once it is back", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.NushellPath = filepath.Join(GinkgoT().TempDir(), "nu")
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False NushellUnavailable Reconciling")
		Expect(w.message("etcd")).To(ContainSubstring("--nushell-path"))
		Expect(os.WriteFile(w.settings.NushellPath, []byte("#!/bin/sh\n"), 0o644)).To(Succeed())
		w.stays("etcd", "False NushellUnavailable Reconciling")
		Expect(os.Remove(w.settings.NushellPath)).To(Succeed())
		Expect(os.Symlink(nu, w.settings.NushellPath)).To(Succeed())
		w.becomes("etcd", ready)
	})

	It("leaves what is loaded as it is when nu goes away over a restart", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.stop()
		w.writes.Store(0)
		w.settings.NushellPath = "/nonexistent/nu"
		w.start()
		w.stays("etcd", ready)
		Expect(w.writes.Load()).To(BeZero())
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		s := w.becomes("etcd", "False NushellUnavailable Reconciling").Status
		Expect(s.Version).To(Equal("3.5.9"))
	})

	It("warns of another version of nu, and goes on", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.NushellPath = filepath.Join(w.t.TempDir(), "nu")
		script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *--version*) echo 0.999.0 ;; *) exec %q \"$@\" ;; esac\n", nu)
		Expect(os.WriteFile(w.settings.NushellPath, []byte(script), 0o755)).To(Succeed())
		_, log := w.spawn("--sandbox=off") // which runs scripts
		Eventually(log).Should(gbytes.Say(`WARNING: this version of Nushell.*0\.999\.0`))
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
	})

	It("says that the sandbox is away", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.SandboxPath = "/nonexistent/extension-sandbox"
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False SandboxUnavailable Reconciling")
		Expect(w.message("etcd")).To(ContainSubstring("/nonexistent/extension-sandbox"))
	})

	It("loads without a sandbox where that is asked for, and says so", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.Sandbox, w.settings.SandboxPath = "off", ""
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		Expect(w.becomes("etcd", ready).Status.Sandbox).To(Equal(&api.SandboxStatus{Level: "None", Missing: []string{
			"descriptors", "landlock", "landlock_network", "landlock_scope", "no_new_privs", "rlimits", "seccomp",
		}}))
	})

	It("runs nothing on a kernel below the floor, says which layer lacks, and is not ready", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		old := filepath.Join(w.t.TempDir(), "extension-sandbox")
		script := "#!/bin/sh\necho '{\"failed\":\"landlock\",\"step\":\"ask for the version\",\"errno\":38}' >&3\nexit 125\n"
		Expect(os.WriteFile(old, []byte(script), 0o755)).To(Succeed())
		probes := freeAddress()
		_, log := w.spawn("--sandbox=best-effort", "--sandbox-path="+old, "--health-probe-bind-address="+probes)
		Eventually(log).Should(gbytes.Say("The sandbox cannot be set up.*landlock"))
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False SandboxUnavailable Reconciling")
		Expect(w.message("etcd")).To(And(ContainSubstring("landlock"), ContainSubstring("Linux 5.13 or newer")))
		status, body := ask("http://" + probes + "/readyz")
		Expect(status).To(Equal(http.StatusInternalServerError))
		Expect(body).To(ContainSubstring("[-]sandbox failed: sandbox unavailable: landlock: "))
	})

	It("does not let loads that hang slow others, and ends this object's waiting by its timeout", func() {
		w, other := newWorld(), newWorld()
		w.alsoIn = other.namespace
		for i := range 8 {
			w.publish(api.TaskservType, fmt.Sprint("hangs-", i), "1.0.0", map[string]string{"mod.nu": endlessModule + fmt.Sprint("# ", i)})
		}
		w.publish(api.TaskservType, "good", "1.0.0", nil)
		w.start()
		for i := range 8 {
			w.apply(api.TaskservType, fmt.Sprint("hangs-", i), "", func(ext *api.Extension) { ext.Spec.Timeout = seconds(1) })
		}
		for i := range 8 {
			w.becomes(fmt.Sprint("hangs-", i), "False LoadTimeout Reconciling")
		}
		Expect(w.message("hangs-0")).To(ContainSubstring("spec.timeout (1s)"))
		other.apply(api.TaskservType, "good", "")
		other.becomes("good", ready)
		Eventually(func() string { return w.verdict("hangs-0") }, time.Minute).Should(Equal(overLimit))
	})
})

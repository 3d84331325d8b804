// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

// auditLines reads what a manager has recorded of a namespace, and of none.
func auditLines(text, namespace string) []auditv1.Event {
	GinkgoHelper()
	var events []auditv1.Event
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var e auditv1.Event
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		Expect(decoder.Decode(&e)).To(Succeed(), line)
		if e.ObjectRef == nil || e.ObjectRef.Namespace == namespace {
			events = append(events, e)
		}
	}
	return events
}

func noted(e auditv1.Event, name string) string {
	return e.Annotations["extensions.provisioning.dev/"+name]
}

// summary is what an event tells in short.
func summary(e auditv1.Event) string {
	name := "-"
	if e.ObjectRef != nil {
		name = e.ObjectRef.Name
	}
	return fmt.Sprintf("%s %s %s %s", e.Verb, name, noted(e, "key"), noted(e, "outcome"))
}

const brokenModule = "export def install [] {\n"

var _ = Describe("the audit log", func() {
	It("has a line for each load, reload, refusal and cleared cache", func() {
		w := newWorld()
		w.settings.AuditLog = filepath.Join(w.t.TempDir(), "audit.log")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "kubernetes", "1.28.0", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "kubernetes", "1.28.0") + "dependencies = [\"etcd\"]\n",
		})
		w.publish(api.TaskservType, "broken", "1.0.0", map[string]string{"mod.nu": brokenModule})
		w.start()
		w.apply(api.TaskservType, "kubernetes", "")
		good := w.becomes("kubernetes", ready).Status
		w.apply(api.TaskservType, "broken", "")
		w.becomes("broken", badLoad)
		w.apply(api.TaskservType, "missing", "")
		w.becomes("missing", "False ExtensionNotFound Stalled")
		w.reload("kubernetes", "again")
		Eventually(func() string { return w.get("kubernetes").Status.LastHandledReloadAt }).Should(Equal("again"))
		Eventually(func() (string, error) {
			text, err := os.ReadFile(w.settings.AuditLog)
			return string(text), err
		}).Should(ContainSubstring(`"verb":"reload"`), "a moment after the status is written")
		Expect(w.loader.Clear(extension.Key{}, "")).To(Equal(3))
		w.stop()

		text, err := os.ReadFile(w.settings.AuditLog)
		Expect(err).NotTo(HaveOccurred())
		events := auditLines(string(text), w.namespace)
		summaries := make([]string, len(events))
		for i, e := range events {
			summaries[i] = summary(e)
		}
		Expect(summaries).To(Equal([]string{
			"load kubernetes taskserv:etcd:3.5.9 Loaded",
			"load kubernetes taskserv:kubernetes:1.28.0 Loaded",
			"load broken taskserv:broken:1.0.0 LoadFailed",
			"refuse broken taskserv:broken:1.0.0 LoadFailed",
			"refuse missing  ExtensionNotFound",
			"load kubernetes taskserv:etcd:3.5.9 Loaded",
			"load kubernetes taskserv:kubernetes:1.28.0 Loaded",
			"reload kubernetes taskserv:kubernetes:1.28.0 Loaded",
			"clear -  Cleared",
		}))
		Expect(noted(events[0], "asked-by")).To(Equal("extension " + w.namespace + "/kubernetes, as a dependency of taskserv:kubernetes:1.28.0"))
		Expect(noted(events[1], "asked-by")).To(Equal("extension " + w.namespace + "/kubernetes"))
		Expect(noted(events[1], "digest")).To(Equal(good.Digest))
		Expect(noted(events[1], "input-digest")).To(Equal(good.InputDigest))
		Expect(noted(events[1], "catalog")).To(Equal("extensions"))
		Expect(noted(events[1], "sandbox")).To(Equal(good.Sandbox.Level))
		Expect(noted(events[1], "nu-version")).To(HavePrefix("0."))
		Expect(noted(events[1], "exit-code")).To(Equal("0"))
		Expect(noted(events[1], "argv")).To(And(HavePrefix(`["`+nu+`",`), MatchRegexp(`"-c","<program sha256:[0-9a-f]{64}>"\]$`)))
		Expect(noted(events[2], "exit-code")).To(Equal("1"))
		Expect(events[2].ResponseStatus.Message).To(Equal(w.message("broken")))
		Expect(noted(events[7], "reload-token")).To(Equal("again"))
		Expect(noted(events[8], "entries")).To(Equal("3"))
	})

	It("records a load that the stop has ended", func() {
		w := newWorld()
		w.settings.AuditLog = filepath.Join(w.t.TempDir(), "audit.log")
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": endlessModule})
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		stage := filepath.Join(w.settings.CacheDir, "stage")
		Eventually(func() []string { return processesIn(stage) }).Should(HaveLen(w.settings.LoadWorkers+1), "one loads, the others wait")
		w.stop()
		text, err := os.ReadFile(w.settings.AuditLog)
		Expect(err).NotTo(HaveOccurred())
		events := auditLines(string(text), w.namespace)
		Expect(events).To(HaveLen(1))
		Expect(noted(events[0], "exit-code")).To(Equal("-1"))
		Expect(events[0].ResponseStatus.Message).To(ContainSubstring("cancelled"))
	})

	It("loses no load to a disk that is full", func() {
		w := newWorld()
		w.settings.AuditLog = filepath.Join(w.t.TempDir(), "gone", "audit.log")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		Expect(os.RemoveAll(filepath.Dir(w.settings.AuditLog))).To(Succeed())
		Expect(os.WriteFile(filepath.Dir(w.settings.AuditLog), nil, 0o600)).To(Succeed(), "as unwritable as a full disk, also for root")
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.stop()
	})

	It("does not start where no file can be", func() {
		w := newWorld()
		cmd, log := w.spawn("--audit-log", w.catalogDir)
		Expect(cmd.Wait()).NotTo(Succeed())
		Expect(string(log.Contents())).To(ContainSubstring("--audit-log: " + w.catalogDir + " is not a regular file"))
	})
})

// leaks are modules that try to have a file's text, or the environment, come back in an error.
func leaks(file string) map[string]string {
	quoted := "'" + file + "'"
	return map[string]string{
		"use":      "use " + quoted + "\n" + goodModule,
		"useall":   "use " + quoted + " *\n" + goodModule,
		"reexport": "export use " + quoted + " *\n" + goodModule,
		"module":   "export module " + quoted + "\n" + goodModule,
		"source":   goodModule + "export def x [] { source " + quoted + " }\n",
		"constant": "const X = (open " + quoted + ")\n" + goodModule + "export def y [] { nothing-like $X }\n",
		"ofenv":    "const X = $env.MANAGER_CANARY\n" + goodModule,
		"hidden":   goodModule + "export def z [a = $env.MANAGER_CANARY] { }\n",
	}
}

var _ = Describe("a secret of the manager", func() {
	It("reaches no log, no audit line, no status and no Event", func() {
		const canary = "canary7f3a9e"
		GinkgoT().Setenv("MANAGER_CANARY", canary)
		w := newWorld()
		token := filepath.Join(w.t.TempDir(), "token")
		Expect(os.WriteFile(token, []byte("eyJhbGciOiJSUzI1NiJ9."+canary+".c2lnbmF0dXJl\n"), 0o600)).To(Succeed())
		cmd, log := w.spawnWith(func(kubeconfig string) {
			text, err := os.ReadFile(kubeconfig)
			Expect(err).NotTo(HaveOccurred())
			Expect(os.WriteFile(kubeconfig, append(text, "\n# "+canary+"\n"...), 0o600)).To(Succeed())
		}, "--audit-log=-", "--log-level=debug")
		environment := fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid)
		Eventually(func() (string, error) {
			text, err := os.ReadFile(environment)
			return string(text), err
		}).Should(ContainSubstring(canary), "there is something to leak")
		var names []string
		for source, file := range map[string]string{"token": token, "config": kubeconfigOf(cmd.Args), "environ": environment} {
			for way, module := range leaks(file) {
				name := source + "-" + way
				w.publish(api.TaskservType, name, "1.0.0", map[string]string{"mod.nu": module})
				names = append(names, name)
			}
		}
		for _, name := range names {
			w.apply(api.TaskservType, name, "")
		}
		refused := 0
		for _, name := range names {
			Eventually(func() string { return w.verdict(name) }).Should(Or(Equal(ready), Equal(badLoad), Equal(overLimit)), name)
			object, err := json.Marshal(w.get(name))
			Expect(err).NotTo(HaveOccurred())
			Expect(string(object)).NotTo(ContainSubstring(canary), name)
			if w.verdict(name) != ready {
				refused++
				Eventually(func() []string { return w.events(name) }).ShouldNot(BeEmpty())
			}
			Expect(strings.Join(w.events(name), "\n")).NotTo(ContainSubstring(canary))
		}
		Expect(refused).To(BeNumerically(">", len(names)/2), "most of these are errors, which is what is tried")
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(cmd.Wait()).To(Succeed())
		record := string(cmd.Stdout.(*gbytes.Buffer).Contents())
		Expect(len(auditLines(record, w.namespace))).To(BeNumerically(">=", len(names)+refused))
		Expect(record).NotTo(ContainSubstring(canary))
		Expect(string(log.Contents())).To(ContainSubstring("Load failed"))
		Expect(string(log.Contents())).NotTo(ContainSubstring(canary))
	})
})

// kubeconfigOf finds the path behind --kubeconfig.
func kubeconfigOf(args []string) string {
	for i, arg := range args {
		if arg == "--kubeconfig" {
			return args[i+1]
		}
	}
	return ""
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/test/env"
)

// program builds the manager as it is shipped.
func program() string {
	GinkgoHelper()
	path, err := env.Build("./cmd/manager")
	Expect(err).NotTo(HaveOccurred())
	return path
}

// spawn runs the shipped program for a world.
func (w *world) spawn(more ...string) (*exec.Cmd, *gbytes.Buffer) {
	GinkgoHelper()
	return w.spawnWith(func(string) {}, more...)
}

// spawnWith runs it with a kubeconfig that was changed, its standard output kept in a buffer too.
func (w *world) spawnWith(change func(kubeconfig string), more ...string) (*exec.Cmd, *gbytes.Buffer) {
	GinkgoHelper()
	kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(env.WriteKubeconfig(kubeconfig, asManager)).To(Succeed())
	change(kubeconfig)
	cmd, err := env.Command(program(), append([]string{
		"--kubeconfig", kubeconfig, "--library", w.catalogDir, "--nushell-path", w.settings.NushellPath,
		"--provisioning-path", w.settings.ProvisioningPath, "--sandbox-path", helper, "--cache-dir", w.settings.CacheDir,
		"--leader-elect=false", "--leader-election-namespace", shippedNamespace, "--metrics-bind-address", "0", "--health-probe-bind-address", "0",
		"--api-bind-address", "0", "--controllers", "extension",
	}, more...)...)
	Expect(err).NotTo(HaveOccurred())
	log := gbytes.NewBuffer()
	cmd.Stdout, cmd.Stderr = gbytes.NewBuffer(), log
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()
	})
	return cmd, log
}

// processesIn lists the processes whose command line or working folder names dir.
func processesIn(dir string) []string {
	var found []string
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range folders {
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		if strings.HasPrefix(cwd, dir) {
			line, _ := os.ReadFile(filepath.Join(p, "cmdline"))
			found = append(found, fmt.Sprintf("%s %q", filepath.Base(p), bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return found
}

var _ = Describe("the program", func() {
	It("leaves nothing behind when it is killed in mid-load, and loads after the restart", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": endlessModule})
		cmd, _ := w.spawn()
		w.apply(api.TaskservType, "etcd", "")
		stage := filepath.Join(w.settings.CacheDir, "stage")
		Eventually(func() []string { return processesIn(stage) }).Should(HaveLen(w.settings.LoadWorkers+1), "one loads, the others wait")
		Expect(syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)).To(Succeed())
		_ = cmd.Wait() // it was killed
		Eventually(func() []string { return processesIn(stage) }).Should(BeEmpty())
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.becomes("etcd", ready)
	})

	It("stops in its grace period, with loads under way ended", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": endlessModule})
		cmd, log := w.spawn("--grace-period=10s")
		w.apply(api.TaskservType, "etcd", "")
		stage := filepath.Join(w.settings.CacheDir, "stage")
		Eventually(func() []string { return processesIn(stage) }).Should(HaveLen(w.settings.LoadWorkers+1), "one loads, the others wait")
		Expect(cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		stopped := time.Now()
		Expect(cmd.Wait()).To(Succeed(), func() string { return string(log.Contents()) })
		Expect(time.Since(stopped)).To(BeNumerically("<", 10*time.Second))
		Expect(processesIn(stage)).To(BeEmpty())
		Expect(filepath.Glob(filepath.Join(stage, "*"))).To(BeEmpty())
		Expect(w.verdict("etcd")).NotTo(HavePrefix("False InternalError"))
	})

	It("does not start with wrong settings, and names each flag", func() {
		cmd := exec.Command(program(), "--cache-size=0", "--log-level=loud", "--library=/a/b", "--library=/c/b")
		out, err := cmd.CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(string(out)).To(And(ContainSubstring("--cache-size is 0"), ContainSubstring("--log-level"), ContainSubstring("NAME=")))
	})

	It("tells its version, and its flags in groups", func() {
		out, err := exec.Command(program(), "version").CombinedOutput()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(MatchRegexp(`extension-operator .+ supports Nushell 0\.\d+`))
		out, err = exec.Command(program(), "--help").CombinedOutput()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(And(ContainSubstring("Extensions flags:"), ContainSubstring("Loading flags:"), ContainSubstring("--library")))
		out, err = exec.Command(program(), "--librarry=x").CombinedOutput()
		Expect(err).To(HaveOccurred())
		Expect(string(out)).To(ContainSubstring("manager --help"))
	})
})

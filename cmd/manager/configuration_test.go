// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
)

// configured writes a configuration file.
func configured(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "config.toml")
	NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

// say runs a command of the manager in this process.
func say(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command()
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.Execute()
	return out.String(), err
}

func TestConfigPrint(t *testing.T) {
	g := NewWithT(t)
	file := configured(t, "[manager]\nworkers = 5\n")
	t.Setenv("EXTOP_MANAGER_WORKERS", "6")
	t.Setenv("EXTOP_MANAGER_LOG_FORMAT", "text")
	out, err := say("config", "print", "--config", file, "--cache-size=7")
	g.Expect(err).NotTo(HaveOccurred())
	for _, line := range []string{
		"workers = 6 # EXTOP_MANAGER_WORKERS, over " + file + ":2 (5)\n", "log_format = \"text\" # EXTOP_MANAGER_LOG_FORMAT\n",
		"cache_size = 7 # --cache-size\n", "auto_load = true # default\n", "cache_dir = \"/var/lib/extension-operator/extensions\" # default\n",
	} {
		g.Expect(out).To(ContainSubstring(line))
	}
	out, err = say("config", "print", "--config", file, "-o", "json")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Valid([]byte(out))).To(BeTrue(), out)

	_, err = say("config", "print", "-o", "yaml")
	g.Expect(err).To(MatchError(`-o is "yaml"; it can be toml, json`))
	t.Setenv("EXTOP_MANAGER_WORKERS", "x")
	_, err = say("config", "print")
	g.Expect(err).To(MatchError(`EXTOP_MANAGER_WORKERS is "x", not a whole number such as 4`))
	_, err = say("config", "print", "anything")
	g.Expect(err).To(HaveOccurred())
}

func TestConfigCheck(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("EXTOP_NOTHING", "1") // the environment here is not the manager's
	out, err := say("config", "check", configured(t, config.DefaultsFile))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(HaveSuffix("config.toml is right\n"))
	file := configured(t, "[manager]\nworkers = 0\nworker = 0\n")
	_, err = say("config", "check", file)
	g.Expect(err).To(MatchError("the manager would not start with this file\n" + file + ":2: manager.workers is 0; at least 1 is needed\n" +
		file + ":3: unknown key manager.worker; did you mean manager.workers?"))
	_, err = say("config", "check")
	g.Expect(err).To(HaveOccurred())
}

func TestConfigDefaults(t *testing.T) {
	g := NewWithT(t)
	out, err := say("config", "defaults")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal(config.DefaultsFile))
}

func TestEachCommandHasAHelpOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	for args, texts := range map[string][]string{
		"--help":                    {"Extensions flags:", "--config", "manager config, manager graph,", "manager release-finalizers, manager version"},
		"config --help":             {"check ", "defaults ", "print ", "EXTOP_"},
		"config print --help":       {"--output", "--workers", "--config"},
		"config check --help":       {"check FILE"},
		"graph --help":              {"--output", "--library"},
		"release-finalizers --help": {"--dry-run"},
	} {
		out, err := say(strings.Fields(args)...)
		g.Expect(err).NotTo(HaveOccurred())
		for _, text := range texts {
			g.Expect(out).To(ContainSubstring(text), args)
		}
		if args != "--help" && args != "config print --help" {
			g.Expect(out).NotTo(ContainSubstring("--workers"), args)
		}
	}
}

// What docs/configuration.md shows is what the manager takes. How a cluster gives it a file is tried by test/chart.
func TestTheExampleOfTheDocsIsRight(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "configuration.md"))
	g.Expect(err).NotTo(HaveOccurred())
	example := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(text)
	g.Expect(example).To(HaveLen(2))
	_, err = config.Load(config.Sources{File: configured(t, string(example[1]))})
	g.Expect(err).NotTo(HaveOccurred())
}

var _ = Describe("the configuration file", func() {
	It("has the program run by it, and its changes are said and not applied", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		settings := "[orchestrator.extensions]\nauto_load = false\n"
		file := configured(w.t, settings)
		address := freeAddress()
		_, log := w.spawn(append(serveMetrics(address), "--config", file)...)
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", "False AwaitingRequest")
		Expect(series(address, "restart_needed")()).To(BeEmpty())

		Expect(os.WriteFile(file, []byte("[orchestrator.extensions]\nauto_load = true\n"), 0o600)).To(Succeed())
		Eventually(log, "20s").Should(gbytes.Say(`restart the manager.*auto_load: false → true`))
		Eventually(series(address, "restart_needed")).Should(Equal(counts{"": 1}))
		w.stays("etcd", "False AwaitingRequest")
		Expect(os.WriteFile(file, []byte("[orchestrator.extensions]\nauto_laod = true\n"), 0o600)).To(Succeed())
		Eventually(log, "20s").Should(gbytes.Say(`The configuration file is wrong now.*config.toml:2: unknown key orchestrator.extensions.auto_laod`))
		Expect(os.WriteFile(file, []byte(settings), 0o600)).To(Succeed())
		Eventually(log, "20s").Should(gbytes.Say(`in force again`))
		Eventually(series(address, "restart_needed")).Should(BeEmpty())
	})

	It("ends the start when it is wrong, with each line and exit code 1", func() {
		file := configured(GinkgoTB(), "[manager]\nworkers = \"4\"\n[loading]\nload_timeout = \"1ms\"\n")
		for _, args := range [][]string{{"--config", file, "--log-level=loud"}, {"config", "check", file}, {"config", "print", "--config", file}} {
			out, err := exec.Command(program(), args...).CombinedOutput()
			var exit *exec.ExitError
			Expect(errors.As(err, &exit)).To(BeTrue())
			Expect(exit.ExitCode()).To(Equal(1))
			Expect(string(out)).To(And(
				ContainSubstring(file+":2: manager.workers is a string, not a whole number such as 4\n"),
				ContainSubstring(file+":4: loading.load_timeout is 1ms; at least 1s is needed\n")))
		}
	})
})

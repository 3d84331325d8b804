// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestTheDefaultsAreValid(t *testing.T) {
	g := NewWithT(t)
	g.Expect(config.Default().Validate()).To(Succeed())
}

func TestValidateNamesTheFlagAndWhatItMayBe(t *testing.T) {
	for message, spoil := range map[string]func(*config.Settings){
		"--library-interval is 99ms; at least 100ms is needed":   func(s *config.Settings) { s.LibraryInterval = 99 * time.Millisecond },
		"--not-found-grace is -1ns; at least 0s is needed":       func(s *config.Settings) { s.NotFoundGrace = -1 },
		"--load-timeout is 999ms; at least 1s is needed":         func(s *config.Settings) { s.LoadTimeout = 999 * time.Millisecond },
		"--grace-period is -1s; at least 1s is needed":           func(s *config.Settings) { s.GracePeriod = -time.Second },
		"--cache-size is 0; at least 1 is needed":                func(s *config.Settings) { s.CacheSize = 0 },
		"--load-slots is -3; at least 1 is needed":               func(s *config.Settings) { s.LoadSlots = -3 },
		"--load-workers is -1; at least 0 is needed":             func(s *config.Settings) { s.LoadWorkers = -1 },
		"--load-worker-idle is 999ms; at least 1s is needed":     func(s *config.Settings) { s.LoadWorkerIdle = 999 * time.Millisecond },
		"--workers is 0; at least 1 is needed":                   func(s *config.Settings) { s.Workers = 0 },
		`--sandbox is "on"; it can be require, best-effort, off`: func(s *config.Settings) { s.Sandbox = "on" },
		"--sandbox-path is empty; it must name the extension-sandbox helper, or give --sandbox=off to run nu without protection":    func(s *config.Settings) { s.SandboxPath = "" },
		`--log-level is "loud"; it can be debug, info, error`:                                                                       func(s *config.Settings) { s.LogLevel = "loud" },
		`--log-format is ""; it can be json, text`:                                                                                  func(s *config.Settings) { s.LogFormat = "" },
		"--cache-dir is empty; it must name a folder that the manager can write":                                                    func(s *config.Settings) { s.CacheDir = "" },
		"--nushell-path is empty; it must name the nu binary":                                                                       func(s *config.Settings) { s.NushellPath = "" },
		"--provisioning-path is empty; it must name the folder with the loading program":                                            func(s *config.Settings) { s.ProvisioningPath = "" },
		`--library: "one=" names no folder; write [NAME=]DIR`:                                                                       func(s *config.Settings) { s.Libraries = []string{"one="} },
		"--audit-log-max-size is 0; at least 1 is needed":                                                                           func(s *config.Settings) { s.AuditLogMaxSize = 0 },
		"--load-slots-per-namespace is -1; at least 0 is needed":                                                                    func(s *config.Settings) { s.LoadSlotsPerNamespace = -1 },
		"--load-cpu is 999ms; at least 1s is needed":                                                                                func(s *config.Settings) { s.LoadCPU = 999 * time.Millisecond },
		"--load-memory-mib is 63; at least 64 is needed":                                                                            func(s *config.Settings) { s.LoadMemory = 63 },
		"--load-memory-mib is 1048577; at most 1048576 is possible":                                                                 func(s *config.Settings) { s.LoadMemory = 1<<20 + 1 },
		"--load-open-files is 15; at least 16 is needed":                                                                            func(s *config.Settings) { s.LoadOpenFiles = 15 },
		"--load-file-size is 0; at least 1 is needed":                                                                               func(s *config.Settings) { s.LoadFileSize = 0 },
		"--load-output is 4095; at least 4096 is needed":                                                                            func(s *config.Settings) { s.LoadOutput = 4095 },
		"--extension-max-files is 1; at least 2 is needed":                                                                          func(s *config.Settings) { s.ExtensionMaxFiles = 1 },
		"--extension-max-depth is 0; at least 1 is needed":                                                                          func(s *config.Settings) { s.ExtensionMaxDepth = 0 },
		"--extension-max-file-size is 0; at least 1 is needed":                                                                      func(s *config.Settings) { s.ExtensionMaxFileSize = 0 },
		"--extension-max-size is 0; at least 1 is needed":                                                                           func(s *config.Settings) { s.ExtensionMaxSize = 0 },
		"--manifest-max-size is -5; at least 1 is needed":                                                                           func(s *config.Settings) { s.ManifestMaxSize = -5 },
		"--manifest-max-size is 262145; at most 262144 is possible":                                                                 func(s *config.Settings) { s.ManifestMaxSize = 262145 },
		`--pprof-bind-address is ":6060"; only an address of this machine alone is possible, such as 127.0.0.1:6060, or 0 for none`: func(s *config.Settings) { s.PprofBindAddress = ":6060" },
		"--audit-log-max-backups is 0; at least 1 is needed":                                                                        func(s *config.Settings) { s.AuditLogMaxBackups = 0 },
	} {
		t.Run(message, func(t *testing.T) {
			settings := config.Default()
			spoil(&settings)
			NewWithT(t).Expect(settings.Validate()).To(MatchError(message))
		})
	}
}

func TestTheLeastThatIsAllowedIsValid(t *testing.T) {
	s := config.Default()
	s.LibraryInterval, s.LoadTimeout, s.GracePeriod = 100*time.Millisecond, time.Second, time.Second
	s.CacheSize, s.LoadSlots, s.Workers = 1, 1, 1
	s.AuditLogMaxSize, s.AuditLogMaxBackups = 1, 1
	s.LoadWorkers, s.LoadWorkerIdle = 0, time.Second
	s.LoadSlotsPerNamespace, s.LoadCPU, s.LoadMemory, s.LoadOpenFiles, s.LoadFileSize, s.LoadOutput = 0, time.Second, 64, 16, 1, 4096
	s.ExtensionMaxFiles, s.ExtensionMaxDepth, s.ExtensionMaxFileSize, s.ExtensionMaxSize, s.ManifestMaxSize = 2, 1, 1, 1, 1
	s.APIMaxConnections, s.APIRequestsPerSecond, s.APIBurst = 1, 0, 1
	s.Libraries, s.Sandbox, s.SandboxPath, s.Kubeconfig = nil, "off", "", ""
	NewWithT(t).Expect(s.Validate()).To(Succeed())
}

func TestValidateTellsEveryMistakeAtOnce(t *testing.T) {
	g := NewWithT(t)
	s := config.Default()
	s.Workers, s.LogLevel, s.Libraries = 0, "loud", []string{""}
	err := s.Validate()
	g.Expect(err).To(MatchError(And(ContainSubstring("--workers"), ContainSubstring("--log-level"), ContainSubstring("--library"))))
}

func TestParseLibraries(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		entries []string
		want    []config.Library
		fails   string
	}{
		"none":                {},
		"named by its folder": {entries: []string{"/srv/extensions"}, want: []config.Library{{Name: "extensions", Dir: "/srv/extensions"}}},
		"named":               {entries: []string{"builtin=/srv/My Files"}, want: []config.Library{{Name: "builtin", Dir: "/srv/My Files"}}},
		"in their order": {entries: []string{"b=/srv/b", "/srv/a/"},
			want: []config.Library{{Name: "b", Dir: "/srv/b"}, {Name: "a", Dir: "/srv/a"}}},
		"relative":                {entries: []string{"own=../x", "lib"}, want: []config.Library{{Name: "own", Dir: filepath.Join(here, "../x")}, {Name: "lib", Dir: filepath.Join(here, "lib")}}},
		"a folder with an equals": {entries: []string{"a=/srv/a=b"}, want: []config.Library{{Name: "a", Dir: "/srv/a=b"}}},
		"the same folder twice":   {entries: []string{"a=/srv/x", "b=/srv/x"}, want: []config.Library{{Name: "a", Dir: "/srv/x"}, {Name: "b", Dir: "/srv/x"}}},
		"a folder whose name is no label": {entries: []string{"/srv/My Files"},
			fails: `/srv/My Files: "My Files" cannot name a catalog (a DNS label is needed); write NAME=/srv/My Files`},
		"a name that is no label": {entries: []string{"Mine=/srv/a"},
			fails: `Mine=/srv/a: "Mine" cannot name a catalog (a DNS label is needed); write NAME=/srv/a`},
		"an empty name": {entries: []string{"=/srv/a"},
			fails: `=/srv/a: "" cannot name a catalog (a DNS label is needed); write NAME=/srv/a`},
		"the root": {entries: []string{"/"},
			fails: `/: "/" cannot name a catalog (a DNS label is needed); write NAME=/`},
		"a name twice": {entries: []string{"/srv/extensions", "/opt/extensions"},
			fails: `/opt/extensions: the name "extensions" is taken by /srv/extensions; write NAME=/opt/extensions`},
		"no folder":       {entries: []string{""}, fails: `"" names no folder; write [NAME=]DIR`},
		"a name and none": {entries: []string{"a="}, fails: `"a=" names no folder; write [NAME=]DIR`},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := config.ParseLibraries(c.entries)
			if c.fails != "" {
				g.Expect(err).To(MatchError(c.fails))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(c.want))
		})
	}
}

func TestAbsolute(t *testing.T) {
	g := NewWithT(t)
	here, err := os.Getwd()
	g.Expect(err).NotTo(HaveOccurred())
	s := config.Default()
	s.CacheDir, s.ProvisioningPath, s.NushellPath, s.SandboxPath = "cache", "../nushell", "./nu", "bin/sandbox"
	s.AuditLog = "audit.log"
	s.APICertFile, s.APIKeyFile = "tls.crt", "tls.key"
	got, err := s.Absolute()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.CacheDir).To(Equal(filepath.Join(here, "cache")))
	g.Expect(got.ProvisioningPath).To(Equal(filepath.Join(here, "../nushell")))
	g.Expect(got.NushellPath).To(Equal(filepath.Join(here, "nu")))
	g.Expect(got.SandboxPath).To(Equal(filepath.Join(here, "bin/sandbox")))
	g.Expect(got.AuditLog).To(Equal(filepath.Join(here, "audit.log")))
	g.Expect(got.APICertFile).To(Equal(filepath.Join(here, "tls.crt")))
	g.Expect(got.APIKeyFile).To(Equal(filepath.Join(here, "tls.key")))
	g.Expect(s.CacheDir).To(Equal("cache"), "the original stays")

	s = config.Default()
	g.Expect(s.Absolute()).To(Equal(s), "what is absolute stays")

	s.NushellPath, s.SandboxPath, s.AuditLog = "nu", "", "-"
	got, err = s.Absolute()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.NushellPath).To(Equal("nu"), "PATH finds it")
	g.Expect(got.SandboxPath).To(BeEmpty(), "none stays none")
	g.Expect(got.AuditLog).To(Equal("-"), "standard output is no file")
}

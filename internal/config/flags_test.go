// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"
	cliflag "k8s.io/component-base/cli/flag"

	"provisioning.dev/extension-operator/internal/config"
)

// flags of s, as the manager makes them one set.
func flags(s *config.Settings) *pflag.FlagSet {
	all := pflag.NewFlagSet("manager", pflag.ContinueOnError)
	groups := s.Flags()
	for _, name := range groups.Order {
		all.AddFlagSet(groups.FlagSets[name])
	}
	return all
}

func TestFlagsAreGrouped(t *testing.T) {
	g := NewWithT(t)
	s := config.Default()
	groups := s.Flags()
	g.Expect(groups.Order).To(Equal([]string{"Extensions", "Loading", "Limits", "Manager", "REST API", "Installations", "Audit"}))

	var help bytes.Buffer
	cliflag.PrintSections(&help, groups, 0)
	for _, text := range []string{
		"Extensions flags:", "--library stringArray", "may be repeated", "Loading flags:", "--nushell-path", "(default 30s)",
		"Manager flags:", "--leader-elect", "$KUBECONFIG",
	} {
		g.Expect(help.String()).To(ContainSubstring(text))
	}
}

func TestEveryFlagHasHelpThatStartsInTheMiddleOfASentence(t *testing.T) {
	g := NewWithT(t)
	s := config.Default()
	flags(&s).VisitAll(func(f *pflag.Flag) {
		g.Expect(f.Usage).NotTo(BeEmpty(), f.Name)
		g.Expect(f.Usage).NotTo(HaveSuffix("."), f.Name)
		g.Expect(f.Usage).NotTo(ContainSubstring("\n"), f.Name)
	})
}

func TestWithoutFlagsTheDefaultsStay(t *testing.T) {
	g := NewWithT(t)
	s := config.Default()
	g.Expect(flags(&s).Parse(nil)).To(Succeed())
	g.Expect(s).To(Equal(config.Default()))
}

// Every setting has a flag of its own, and no flag is without a setting.
func TestEverySettingIsBoundToOneFlag(t *testing.T) {
	g := NewWithT(t)
	want := config.Settings{
		DataDir: "/d", AutoLoad: false, Libraries: []string{"a=/srv/a", "/srv/b"}, LibraryInterval: 2 * time.Minute, NotFoundGrace: 27 * time.Second, CacheDir: "/c", CacheSize: 7,
		NushellPath: "/nu", ProvisioningPath: "/p", Sandbox: "off", SandboxPath: "/s", LoadTimeout: 3 * time.Second, LoadSlots: 9,
		LoadWorkers: 24, LoadWorkerIdle: 25 * time.Second,
		Kubeconfig: "/k", Workers: 11, LeaderElect: false, LeaderElectionNS: "ns", MetricsBindAddress: ":1",
		MetricsSecure: false, ProbeBindAddress: ":2", PprofBindAddress: "[::1]:3", GracePeriod: 4 * time.Second, LogLevel: "debug", LogFormat: "text",
		LoadSlotsPerNamespace: 14, LoadCPU: 5 * time.Minute, LoadMemory: 15, LoadOpenFiles: 16, LoadFileSize: 17, LoadOutput: 18,
		ExtensionMaxFiles: 19, ExtensionMaxDepth: 20, ExtensionMaxFileSize: 21, ExtensionMaxSize: 22, ManifestMaxSize: 23,
		APIBindAddress: ":3", APISecure: false, APICertFile: "/ac", APIKeyFile: "/ak", APIAudience: "aud",
		APIMaxConnections: 24, APIRequestsPerSecond: 25, APIBurst: 26,
		AuditLog: "/a", AuditLogMaxSize: 12, AuditLogMaxBackups: 13,
		Controllers: []string{"installation", "extension"}, RunnerImage: "r:1", RunnerSandbox: "best-effort", InstallationWorkers: 31,
		MaxInstallations: 32, MaxInstallationsPerNamespace: 33,
	}
	args := strings.Fields("--data-dir /d --auto-load=false --library a=/srv/a --library /srv/b --library-interval 2m --not-found-grace 27s --cache-dir /c --cache-size 7 " +
		"--nushell-path /nu --provisioning-path /p --sandbox off --sandbox-path /s --load-timeout 3s --load-slots 9 --load-workers 24 --load-worker-idle 25s " +
		"--kubeconfig /k --workers 11 --leader-elect=false --leader-election-namespace ns --metrics-bind-address :1 " +
		"--metrics-secure=false --health-probe-bind-address :2 --pprof-bind-address [::1]:3 --grace-period 4s --log-level debug --log-format text " +
		"--load-slots-per-namespace 14 --load-cpu 5m --load-memory-mib 15 --load-open-files 16 --load-file-size 17 --load-output 18 " +
		"--extension-max-files 19 --extension-max-depth 20 --extension-max-file-size 21 --extension-max-size 22 --manifest-max-size 23 " +
		"--api-bind-address :3 --api-secure=false --api-tls-cert-file /ac --api-tls-key-file /ak --api-audience aud " +
		"--api-max-connections 24 --api-requests-per-second 25 --api-burst 26 " +
		"--audit-log /a --audit-log-max-size 12 --audit-log-max-backups 13 " +
		"--controllers installation,extension --runner-image r:1 --runner-sandbox best-effort --installation-workers 31 " +
		"--max-installations 32 --max-installations-per-namespace 33")
	s := config.Default()
	all := flags(&s)
	g.Expect(all.Parse(args)).To(Succeed())
	g.Expect(s).To(Equal(want))

	count, changed := 0, 0
	all.VisitAll(func(f *pflag.Flag) {
		count++
		if f.Changed {
			changed++
		}
	})
	g.Expect(changed).To(Equal(count), "every flag is tried here")
	g.Expect(count).To(Equal(reflect.TypeFor[config.Settings]().NumField()))
}

func TestAnUnknownFlagAndAWrongTypeAreRefused(t *testing.T) {
	g := NewWithT(t)
	for args, say := range map[string]string{
		"--librarys=/x": "unknown flag: --librarys", "--cache-size=many": "cache-size", "--load-timeout=30": "load-timeout",
	} {
		s := config.Default()
		all := flags(&s)
		g.Expect(all.Parse([]string{args})).To(MatchError(ContainSubstring(say)))
	}
}

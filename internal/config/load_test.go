// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/config"
)

// written is a configuration file with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	NewWithT(t).Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return path
}

// from are sources with a file, an environment and a command line.
func from(t *testing.T, file string, environ []string, args ...string) config.Sources {
	t.Helper()
	s := config.Default()
	all := flags(&s)
	NewWithT(t).Expect(all.Parse(args)).To(Succeed())
	return config.Sources{File: file, Environ: environ, Flags: all}
}

// mistakes are what Load tells, without the folder of the file.
func mistakes(t *testing.T, sources config.Sources) []string {
	t.Helper()
	effective, err := config.Load(sources)
	if err == nil {
		NewWithT(t).Expect(effective).NotTo(BeNil())
		return nil
	}
	NewWithT(t).Expect(effective).To(BeNil())
	return strings.Split(strings.ReplaceAll(err.Error(), filepath.Dir(sources.File)+"/", ""), "\n")
}

// The shipped file and the program have the same defaults: what the file says is what a
// manager without it has, and nothing is missing from it.
func TestTheShippedFileHasTheDefaults(t *testing.T) {
	g := NewWithT(t)
	shipped, err := config.Load(config.Sources{File: written(t, config.DefaultsFile)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(shipped.Settings).To(Equal(config.Default()))
	without, err := config.Load(config.Sources{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(without.Settings).To(Equal(config.Default()))
	g.Expect(strings.Count(without.TOML(), " # default\n")).To(Equal(reflect.TypeFor[config.Settings]().NumField()))
	g.Expect(strings.Split(shipped.TOML(), "\n")).To(ContainElement(HaveSuffix(" # default")), "that of the machine")
	g.Expect(strings.Count(shipped.TOML(), " # default\n")).To(Equal(1), "and no other is left out")
}

func TestTheDefaultsAreThoseOfTheReplacedSystem(t *testing.T) {
	g := NewWithT(t)
	g.Expect(config.DefaultsFile).To(And(
		ContainSubstring("[orchestrator.paths]\n"), ContainSubstring("\ndata_dir = "), ContainSubstring("[orchestrator.extensions]\n"),
		ContainSubstring("\nauto_load = true\n"), ContainSubstring("\ncache_dir = \"{{orchestrator.paths.data_dir}}/extensions\"\n"),
	))
	g.Expect(config.Default().AutoLoad).To(BeTrue())
	g.Expect(config.Default().CacheDir).To(Equal(config.Default().DataDir + "/extensions"))
}

func TestEverySettingCanComeFromTheFile(t *testing.T) {
	g := NewWithT(t)
	path := written(t, `
[orchestrator]
paths.data_dir = "/d"
extensions = {auto_load = false, cache_dir = "/c", cache_size = 7, libraries = ["a=/srv/a", "/srv/b"], library_interval = "2m", not_found_grace = "27s"}
[loading]
nushell_path = "/nu"
provisioning_path = "/p"
sandbox = "off"
sandbox_path = '/s'
load_timeout = "3s"
load_slots = 9
load_workers = 24
load_worker_idle = "25s"
[limits]
load_slots_per_namespace = 14
load_cpu = "5m"
load_memory_mib = 65
load_open_files = 0x10
load_file_size = 17
load_output = 5_000
extension_max_files = 19
extension_max_depth = 20
extension_max_file_size = 21
extension_max_size = 22
manifest_max_size = 23
[manager]
controllers = ["installation"]
kubeconfig = "/k"
workers = 11
leader_elect = false
leader_election_namespace = "ns"
metrics_bind_address = ":1"
metrics_secure = false
health_probe_bind_address = ":2"
pprof_bind_address = "[::1]:3"
grace_period = "4s"
log_level = "debug"
log_format = "text"
[api]
bind_address = ":3"
secure = true
tls_cert_file = "/ac"
tls_key_file = "/ak"
audience = "aud"
max_connections = 26
requests_per_second = 27
burst = 28
[audit]
log = "/a"
log_max_size = 12
log_max_backups = 13
[installation]
runner_image = "r:1"
runner_sandbox = "best-effort"
workers = 31
max_running = 32
max_running_per_namespace = 33
`)
	effective, err := config.Load(config.Sources{File: path})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(effective.Settings).To(Equal(config.Settings{
		DataDir: "/d", AutoLoad: false, Libraries: []string{"a=/srv/a", "/srv/b"}, LibraryInterval: 2 * time.Minute, NotFoundGrace: 27 * time.Second, CacheDir: "/c", CacheSize: 7,
		NushellPath: "/nu", ProvisioningPath: "/p", Sandbox: "off", SandboxPath: "/s", LoadTimeout: 3 * time.Second, LoadSlots: 9,
		LoadWorkers: 24, LoadWorkerIdle: 25 * time.Second,
		Kubeconfig: "/k", Workers: 11, LeaderElect: false, LeaderElectionNS: "ns", MetricsBindAddress: ":1",
		MetricsSecure: false, ProbeBindAddress: ":2", PprofBindAddress: "[::1]:3", GracePeriod: 4 * time.Second, LogLevel: "debug", LogFormat: "text",
		LoadSlotsPerNamespace: 14, LoadCPU: 5 * time.Minute, LoadMemory: 65, LoadOpenFiles: 16, LoadFileSize: 17, LoadOutput: 5000,
		ExtensionMaxFiles: 19, ExtensionMaxDepth: 20, ExtensionMaxFileSize: 21, ExtensionMaxSize: 22, ManifestMaxSize: 23,
		APIBindAddress: ":3", APISecure: true, APICertFile: "/ac", APIKeyFile: "/ak", APIAudience: "aud",
		APIMaxConnections: 26, APIRequestsPerSecond: 27, APIBurst: 28,
		AuditLog: "/a", AuditLogMaxSize: 12, AuditLogMaxBackups: 13,
		Controllers: []string{"installation"}, RunnerImage: "r:1", RunnerSandbox: "best-effort", InstallationWorkers: 31,
		MaxInstallations: 32, MaxInstallationsPerNamespace: 33,
	}))
	g.Expect(effective.TOML()).NotTo(ContainSubstring("default"), "every setting is tried here")
}

// Printed settings are a file that gives the same, and each can be set by the environment too.
func TestWhatIsPrintedGivesTheSameAgain(t *testing.T) {
	g := NewWithT(t)
	odd := "/a \"b\" \\ #é\t\x7f{ }"
	one, err := config.Load(from(t, "", nil, "--audit-log", odd, "--library", "a="+odd, "--library", "b=/c", "--grace-period", "1h0m5s", "--auto-load=false"))
	g.Expect(err).NotTo(HaveOccurred())
	again, err := config.Load(config.Sources{File: written(t, one.TOML())})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Settings).To(Equal(one.Settings))

	shown := map[string]struct{ Value any }{}
	text, err := one.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(json.Unmarshal([]byte(text), &shown)).To(Succeed())
	var environ []string
	for key, one := range shown {
		value, isText := one.Value.(string)
		if list, isList := one.Value.([]any); isList {
			value, isText = list[0].(string)+","+list[1].(string), true
		}
		if !isText {
			number, err := json.Marshal(one.Value)
			g.Expect(err).NotTo(HaveOccurred())
			value = string(number)
		}
		environ = append(environ, "EXTOP_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))+"="+value)
	}
	same, err := config.Load(config.Sources{Environ: environ})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(same.Settings).To(Equal(one.Settings))
}

func TestTheLaterSourceCountsAndIsNamed(t *testing.T) {
	g := NewWithT(t)
	path := written(t, "[manager]\nworkers = 5\nlog_level = \"debug\"\n[orchestrator.paths]\ndata_dir = \"/file\"\n")
	environ := []string{"EXTOP_MANAGER_WORKERS=6", "EXTOP_LOADING_SANDBOX=best-effort", "HOME=/nowhere", "EXTENSION_OPERATOR_CACHE=/x", "EXTOPICS=1"}
	effective, err := config.Load(from(t, path, environ, "--workers=7", "--log-level=info"))
	g.Expect(err).NotTo(HaveOccurred())
	s := effective.Settings
	g.Expect([]any{s.Workers, s.LogLevel, s.Sandbox, s.CacheDir}).To(Equal([]any{7, "info", "best-effort", "/file/extensions"}))
	for _, line := range []string{
		"workers = 7 # --workers, over EXTOP_MANAGER_WORKERS (6), over " + path + ":2 (5)\n",
		"log_level = \"info\" # --log-level, over " + path + ":3 (\"debug\")\n",
		"sandbox = \"best-effort\" # EXTOP_LOADING_SANDBOX\n",
		"data_dir = \"/file\" # " + path + ":5\n",
		"cache_dir = \"/file/extensions\" # default\n",
	} {
		g.Expect(effective.TOML()).To(ContainSubstring(line))
	}
	text, err := effective.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	shown := map[string]any{}
	g.Expect(json.Unmarshal([]byte(text), &shown)).To(Succeed())
	g.Expect(shown).To(HaveKeyWithValue("manager.workers", map[string]any{
		"value": 7.0, "source": "--workers", "overruled": []any{
			map[string]any{"source": "EXTOP_MANAGER_WORKERS", "value": "6"}, map[string]any{"source": path + ":2", "value": "5"},
		},
	}))
	g.Expect(shown).To(HaveKeyWithValue("orchestrator.extensions.auto_load", map[string]any{"value": true, "source": "default"}))
}

func TestMistakesInTheFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":         {"", nil},
		"comments only": {"# nothing\n\n", nil},
		"empty tables":  {"[orchestrator]\n[orchestrator.extensions]\n[manager]\n", nil},
		"a byte order mark": {"\ufeff[manager]\nworkers = 0\n",
			[]string{"config.toml:2: manager.workers is 0; at least 1 is needed"}},
		"carriage returns": {"[manager]\r\nworkers = 0\r\n", []string{"config.toml:2: manager.workers is 0; at least 1 is needed"}},
		"unknown keys": {"[manager]\nworker = 1\n[orchestrator.extensions]\nauto_laod = true\nanything = 1\n",
			[]string{
				"config.toml:2: unknown key manager.worker; did you mean manager.workers?",
				"config.toml:4: unknown key orchestrator.extensions.auto_laod; did you mean orchestrator.extensions.auto_load?",
				"config.toml:5: unknown key orchestrator.extensions.anything",
			}},
		"a key outside its table": {"auto_load = false\n[loading]\nleader_elect = true\n", []string{
			"config.toml:1: unknown key auto_load; did you mean orchestrator.extensions.auto_load?",
			"config.toml:3: unknown key loading.leader_elect; did you mean manager.leader_elect?",
		}},
		"unknown tables, told once": {"[extensions]\nauto_load = false\ncache_size = 1\n[x.y]\n[[z]]\na = 1\n", []string{
			"config.toml:1: unknown table [extensions]; did you mean orchestrator.extensions?",
			"config.toml:4: unknown table [x.y]",
			"config.toml:5: unknown key z",
		}},
		"an unknown dotted key and one in quotes": {"extensions.auto_load = false\n\"manager.workers\" = 0\nmanager.\"work\\ners\" = 1\n", []string{
			"config.toml:1: unknown key extensions.auto_load; did you mean orchestrator.extensions.auto_load?",
			"config.toml:2: unknown key \"manager.workers\"; did you mean manager.workers?",
			`config.toml:3: unknown key manager."work\ners"`,
		}},
		"wrong types": {`manager = {workers = "4", leader_elect = 1, log_level = false, kubeconfig = 1.5}
[loading]
load_timeout = 30
load_worker_idle = "30"
load_slots = 4.0
sandbox = ["off"]
[orchestrator.extensions]
libraries = "/srv"
cache_size = 1979-05-27
[limits.load_cpu]
[audit]
log_max_size = true
`, []string{
			`config.toml:1: manager.workers is a string, not a whole number such as 4`,
			`config.toml:1: manager.leader_elect is a whole number, not a boolean such as true`,
			`config.toml:1: manager.log_level is a boolean, not a string such as "text"`,
			`config.toml:1: manager.kubeconfig is a number with a fraction, not a string such as "text"`,
			`config.toml:3: loading.load_timeout is a whole number, not a duration such as "30s"`,
			`config.toml:4: loading.load_worker_idle is "30", not a duration such as "30s"`,
			`config.toml:5: loading.load_slots is a number with a fraction, not a whole number such as 4`,
			`config.toml:6: loading.sandbox is a list of strings, not a string such as "text"`,
			`config.toml:8: orchestrator.extensions.libraries is a string, not a list of strings such as ["one", "two"]`,
			`config.toml:9: orchestrator.extensions.cache_size is a date or time, not a whole number such as 4`,
			`config.toml:10: limits.load_cpu is a table, not a duration such as "30s"`,
			`config.toml:12: audit.log_max_size is a boolean, not a whole number such as 4`,
		}},
		"a list of other things": {"[orchestrator.extensions]\nlibraries = [\"/a\", 1]\n",
			[]string{`config.toml:2: orchestrator.extensions.libraries is a list of other things, not a list of strings such as ["one", "two"]`}},
		"a table that is none": {"manager = 4\n[[orchestrator]]\nx = 1\n", []string{
			"config.toml:1: manager is a whole number, not a table; write [manager] and settings below it",
			"config.toml:2: orchestrator is a list of other things, not a table; write [orchestrator] and settings below it",
		}},
		"a key twice":       {"[manager]\nworkers = 1\nworkers = 2\n", []string{"config.toml:3: key workers is already defined"}},
		"a table twice":     {"[manager]\nworkers = 1\n[manager]\n", []string{"config.toml:3: table manager already exists"}},
		"no TOML":           {"[manager]\nworkers: 4\n", []string{"config.toml:2: expected '=' after key"}},
		"half a text":       {"[manager]\nlog_level = \"debug\n", []string{"config.toml:2: basic strings cannot have new lines"}},
		"bytes of no UTF-8": {"[manager]\n# caf\xe9\n", []string{"config.toml:2: is not UTF-8; save it as UTF-8"}},
		"UTF-16":            {"\xff\xfe[\x00m\x00", []string{"config.toml:1: is not UTF-8; save it as UTF-8"}},
		"a number that is too large": {"[manager]\nworkers = 99999999999999999999\n",
			[]string{"config.toml:2: decimal number is too large to fit in a 64-bit signed integer"}},
		"a library": {"[orchestrator.extensions]\nlibraries = [\n  \"/srv/a\",\n  \"a=/srv/b\" ]\n",
			[]string{`config.toml:2: orchestrator.extensions.libraries: a=/srv/b: the name "a" is taken by /srv/a; write NAME=/srv/b`}},
		"a sandbox without its helper": {"[loading]\nsandbox_path = \"\"\n",
			[]string{"config.toml:2: loading.sandbox_path is empty; it must name the extension-sandbox helper, or give --sandbox=off to run nu without protection"}},
		"no sandbox, and so no use for the helper": {"[loading]\nsandbox = \"off\"\nsandbox_path = \"\"\n", nil},
		"nesting":  {"a = " + strings.Repeat("[", 100_000), []string{"config.toml:1: arrays and inline tables are nested more than the maximum of 10000 levels deep"}},
		"a secret": {"[manager]\nlog_level = \"{{env.HOME}}\"\n", []string{"config.toml:2: manager.log_level: {{env.HOME}} names no setting"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(mistakes(t, config.Sources{File: written(t, c.text), Environ: os.Environ()})).To(Equal(c.want))
		})
	}
}

func TestMoreMistakesThanAnybodyReadsAreCounted(t *testing.T) {
	g := NewWithT(t)
	var text strings.Builder
	for i := range 2_000 {
		fmt.Fprintf(&text, "manager.k%d = 1\n", i)
	}
	told := mistakes(t, config.Sources{File: written(t, text.String())})
	g.Expect(told).To(HaveLen(51))
	g.Expect(told[49]).To(Equal("config.toml:50: unknown key manager.k49"))
	g.Expect(told[50]).To(Equal("and 1950 more"))
}

func TestMistakesOfEverySourceAreToldAtOnce(t *testing.T) {
	environ := []string{
		"EXTOP_MANAGER_WORKER=1", "EXTOP_MANAGER_LEADER_ELECT=perhaps", "EXTOP_LOADING_LOAD_TIMEOUT=", "EXTOP_=1", "EXTOP_LIMITS_LOAD_CPU=1ms",
		"EXTOP_ORCHESTRATOR_EXTENSIONS_LIBRARIES=/srv/a,/srv/b/a",
	}
	NewWithT(t).Expect(mistakes(t, from(t, written(t, "[manager]\nworkers = true\n\n\n[audit]\nlog_max_size = 0\n"), environ, "--cache-size=0", "--log-format=xml"))).To(Equal([]string{
		"config.toml:2: manager.workers is a boolean, not a whole number such as 4",
		"config.toml:6: audit.log_max_size is 0; at least 1 is needed",
		"EXTOP_MANAGER_WORKER is no setting's environment variable; did you mean EXTOP_MANAGER_WORKERS?",
		`EXTOP_MANAGER_LEADER_ELECT is "perhaps", not a boolean such as true`,
		`EXTOP_LOADING_LOAD_TIMEOUT is "", not a duration such as 30s`,
		"EXTOP_ is no setting's environment variable",
		`EXTOP_ORCHESTRATOR_EXTENSIONS_LIBRARIES: /srv/b/a: the name "a" is taken by /srv/a; write NAME=/srv/b/a`,
		"EXTOP_LIMITS_LOAD_CPU is 1ms; at least 1s is needed",
		"--cache-size is 0; at least 1 is needed",
		`--log-format is "xml"; it can be json, text`,
	}))
}

func TestAnEmptyListInTheEnvironmentIsOne(t *testing.T) {
	g := NewWithT(t)
	effective, err := config.Load(config.Sources{Environ: []string{"EXTOP_ORCHESTRATOR_EXTENSIONS_LIBRARIES="}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(effective.Settings.Libraries).To(BeEmpty())
}

func TestInterpolation(t *testing.T) {
	g := NewWithT(t)
	effective, err := config.Load(from(t, written(t, `
[orchestrator.paths]
data_dir = "/srv"
[orchestrator.extensions]
cache_dir = "{{ orchestrator.paths.data_dir }}/{{manager.workers}}-{{manager.leader_elect}}-{{loading.load_timeout}}"
libraries = ["a={{audit.log}}", "{{loading.nushell_path}}/b", "c={{orchestrator.paths.data_dir}}{{orchestrator.paths.data_dir}}"]
[loading]
nushell_path = "{{orchestrator.extensions.cache_dir}}/nu"
`), []string{"EXTOP_AUDIT_LOG={{orchestrator.paths.data_dir}}/audit"}, "--data-dir=/flag"))
	g.Expect(err).NotTo(HaveOccurred())
	s := effective.Settings
	g.Expect(s.CacheDir).To(Equal("/flag/4-true-30s"))
	g.Expect(s.Libraries).To(Equal([]string{"a=/flag/audit", "/flag/4-true-30s/nu/b", "c=/flag/flag"}))
}

func TestMistakesInInterpolation(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown": {"[audit]\nlog = \"{{orchestrator.path.data_dir}}/x\"\n",
			[]string{"config.toml:2: audit.log: {{orchestrator.path.data_dir}} names no setting; did you mean orchestrator.paths.data_dir?"}},
		"unknown by way of another": {"[manager]\nkubeconfig = \"{{audit.log}}\"\n[audit]\nlog = \"{{x}}\"\n",
			[]string{"config.toml:4: audit.log: {{x}} names no setting"}},
		"a table":  {"[audit]\nlog = \"{{orchestrator.paths}}\"\n", []string{"config.toml:2: audit.log: {{orchestrator.paths}} is a table; name one setting of it"}},
		"a list":   {"[audit]\nlog = \"{{orchestrator.extensions.libraries}}\"\n", []string{"config.toml:2: audit.log: {{orchestrator.extensions.libraries}} is a list; name a setting of one value"}},
		"empty":    {"[audit]\nlog = \"{{}}\"\n", []string{"config.toml:2: audit.log: {{}} names no setting"}},
		"not shut": {"[audit]\nlog = \"{{orchestrator.paths.data_dir}\"\n", []string{"config.toml:2: audit.log: a {{ has no }} after it; write {{section.name}}"}},
		"itself":   {"[audit]\nlog = \"{{audit.log}}\"\n", []string{"config.toml:2: audit.log: goes in a circle: audit.log → audit.log; write one of them out"}},
		"a circle by way of a default": {"[audit]\nlog = \"x{{orchestrator.extensions.cache_dir}}\"\n[orchestrator.paths]\ndata_dir = \"{{audit.log}}\"\n",
			[]string{"config.toml:4: orchestrator.paths.data_dir: goes in a circle: orchestrator.paths.data_dir → audit.log → orchestrator.extensions.cache_dir → orchestrator.paths.data_dir; write one of them out"}},
		"a circle in a list": {"[orchestrator.extensions]\nlibraries = [\"{{manager.kubeconfig}}\", \"/b\"]\n[manager]\nkubeconfig = \"{{audit.log}}\"\n[audit]\nlog = \"{{manager.kubeconfig}}\"\n",
			[]string{"config.toml:4: manager.kubeconfig: goes in a circle: manager.kubeconfig → audit.log → manager.kubeconfig; write one of them out"}},
		"a flood": {"[orchestrator.paths]\ndata_dir = \"" + strings.Repeat("x", 100) + "\"\n[audit]\nlog = \"" + strings.Repeat("{{orchestrator.paths.data_dir}}", 7000) + "\"\n",
			[]string{"config.toml:4: audit.log: with {{orchestrator.paths.data_dir}} it has over 4096 bytes; shorten it"}},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(mistakes(t, config.Sources{File: written(t, c.text)})).To(Equal(c.want))
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	large, err := os.Create(filepath.Join(dir, "large.toml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(large.Truncate(10 << 20)).To(Succeed())
	g.Expect(large.Close()).To(Succeed())
	g.Expect(unix.Mkfifo(filepath.Join(dir, "pipe.toml"), 0o600)).To(Succeed())
	g.Expect(os.Symlink("loop.toml", filepath.Join(dir, "loop.toml"))).To(Succeed())
	g.Expect(os.Mkdir(filepath.Join(dir, "folder"), 0o700)).To(Succeed())
	for file, want := range map[string]string{
		"missing.toml": "there is no such file; name another with --config, or leave it out",
		"folder":       "is a folder; name the file in it",
		"pipe.toml":    "is no regular file; write the settings to one",
		"large.toml":   "has over 262144 bytes; a configuration file has no use for so many",
		"loop.toml":    "cannot be read: stat " + dir + "/loop.toml: too many levels of symbolic links",
	} {
		_, err := config.Load(config.Sources{File: filepath.Join(dir, file), Environ: []string{"EXTOP_X=1"}})
		g.Expect(err).To(MatchError(filepath.Join(dir, file) + ": " + want + "\nEXTOP_X is no setting's environment variable"))
	}
}

// A large file costs no more memory than a small one.
func TestALargeFileIsNotReadWhole(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "config.toml")
	g.Expect(os.WriteFile(path, nil, 0o600)).To(Succeed())
	g.Expect(os.Truncate(path, 10<<20)).To(Succeed())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := config.Load(config.Sources{File: path})
	runtime.ReadMemStats(&after)
	g.Expect(err).To(HaveOccurred())
	g.Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", 3<<20))
}

// What a file costs is bounded by its size, whatever it holds: a running manager reads one again
// when it changes.
func TestAFileOfHugeKeysCostsLittle(t *testing.T) {
	deep := func(names int) string { return strings.TrimSuffix(strings.Repeat("a.", names), ".") }
	keys := func(count int) string {
		var text strings.Builder
		for i := range count {
			fmt.Fprintf(&text, "%x=1\n", i)
		}
		return text.String()
	}
	long := strings.Repeat("a", 120_000)
	const tooMany = "a key has more than 8 names; no setting has more than three"
	const tooManyKeys = "is after 4096 keys; a configuration file has no use for so many"
	for name, c := range map[string]struct {
		text  string
		first string
	}{
		"a table of many names":         {"[" + deep(60_000) + "]\n" + keys(16_000), "config.toml:1: " + tooMany},
		"a list's table of many names":  {"\n[[" + deep(60_000) + "]]\n" + keys(16_000), "config.toml:2: " + tooMany},
		"a key of many names":           {"\n\n" + deep(120_000) + " = 1\n", "config.toml:3: " + tooMany},
		"one in a list":                 {"a = [{b = 1},\n{" + deep(120_000) + " = 1}]\n", "config.toml:2: " + tooMany},
		"a table of a long name":        {"[" + long + "]\n" + keys(4_000), `config.toml:1: unknown table ["` + long[:61] + `…"]`},
		"a list of tables, a long name": {"[[" + long + "]]\n" + keys(4_000), `config.toml:1: unknown key "` + long[:61] + `…"`},
		"a long name":                   {long + " = 1\n", `config.toml:1: unknown key "` + long[:61] + `…"`},
		"a long name twice":             {long + " = 1\n" + long + " = 1\n", "config.toml:2: key " + long[:505] + "…"},
		"tables in tables":              {strings.Repeat("a={", 4_000) + strings.Repeat("}", 4_000) + "\n", "config.toml:1: unknown table [a]; did you mean api?"},
		"many keys in a table":          {"a = {" + strings.ReplaceAll(keys(30_000), "\n", ",") + "z=1}\n", "config.toml:1: " + tooManyKeys},
		"many keys":                     {keys(30_000), "config.toml:4097: " + tooManyKeys},
		"a long name in a text":         {"[audit]\nlog = \"{{" + long + "}}\"\n", "config.toml:2: audit.log: {{" + long[:253] + "…}} names no setting"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(len(c.text)).To(BeNumerically("<", 256<<10))
			sources := config.Sources{File: written(t, c.text)}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			told := mistakes(t, sources)
			took := time.Since(began)
			runtime.ReadMemStats(&after)
			g.Expect(took).To(BeNumerically("<", 10*time.Second))
			g.Expect(after.TotalAlloc - before.TotalAlloc).To(BeNumerically("<", 64<<20))
			g.Expect(told[0]).To(Equal(c.first))
			g.Expect(len(strings.Join(told, ""))).To(BeNumerically("<", 64<<10))
		})
	}
}

// The names of the environment tell the settings apart.
func TestEveryVariableIsOneSettings(t *testing.T) {
	g := NewWithT(t)
	effective, err := config.Load(config.Sources{})
	g.Expect(err).NotTo(HaveOccurred())
	text, err := effective.JSON()
	g.Expect(err).NotTo(HaveOccurred())
	shown := map[string]any{}
	g.Expect(json.Unmarshal([]byte(text), &shown)).To(Succeed())
	names := map[string]string{}
	for key := range shown {
		name := strings.ReplaceAll(key, ".", "_")
		g.Expect(names).NotTo(HaveKey(name), key)
		names[name] = key
	}
}

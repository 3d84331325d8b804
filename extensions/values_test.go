// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// full has, for each extension, values that set every option to something other
// than its default (where a rule between options allows it).
var full = map[string]values{
	"providers/aws": {
		"region": "eu-central-1", "profile": "production", "role_arn": "arn:aws:iam::123456789012:role/deploy",
		"source_profile": "base", "retry_mode": "adaptive", "max_attempts": 5, "fips": true, "cluster_id": "demo",
		"vpc": "vpc-0a1b2c3d", "subnet": "subnet-0a1b2c3d", "storage_class": "fast", "volume_type": "io2",
		"volume_iops": 4000, "encrypted": false,
	},
	"providers/upcloud": {
		"zone": "fi-hel1", "name": "lab", "network": "10.20.0.0/24", "dhcp": false, "retry_max": 2, "retry_wait_min_s": 3,
		"retry_wait_max_s": 9, "request_timeout_s": 60, "storage_class": "slow", "storage_tier": "hdd", "reclaim_policy": "Retain",
	},
	"providers/local": {
		"nodes":  []values{{"name": "alpha", "address": "10.0.0.11"}, {"name": "beta", "address": "fd00::12"}},
		"domain": "lab.example.org", "storage_class": "disks", "reclaim_policy": "Delete",
		"volumes": []values{{"node": "alpha", "path": "/mnt/disk1", "size": "100Gi"}},
	},
	"taskservs/containerd": {
		"root": "/data/containerd", "state": "/run/c8d", "socket": "/run/c8d/c8d.sock", "registry_dir": "/etc/c8d/certs.d",
		"snapshotter": "zfs", "systemd_cgroup": false, "selinux": true, "sandbox_image": "mirror.example.org:5000/k8s/pause:3.9",
		"cni_bin_dir": "/usr/lib/cni", "cni_conf_dir": "/etc/cni", "max_concurrent_downloads": 8, "metrics_address": "127.0.0.1:1338",
		"registry_mirrors": values{"docker.io": []string{"https://b.example.org", "http://a.example.org:5000/v2"}, "_default": []string{"https://c.example.org"}},
		"log_level":        "debug",
	},
	"taskservs/etcd": {
		"name": "alpha", "address": "10.0.0.11", "data_dir": "/data/etcd", "client_port": 12379, "peer_port": 12380,
		"members":       values{"alpha": "10.0.0.11", "beta": "beta.example.org", "gamma": "fd00::13"},
		"cluster_state": "existing", "cluster_token": "lab", "quota_mib": 4096, "compaction_mode": "revision",
		"compaction_retention": "1000", "heartbeat_ms": 200, "election_ms": 2000, "snapshot_count": 5000,
		"tls_cert": "/tls/etcd.crt", "tls_key": "/tls/etcd.key", "tls_ca": "/tls/ca.crt", "log_level": "warn",
	},
	"taskservs/kubernetes/1.27.16": kubernetesFull,
	"taskservs/kubernetes/1.28.0":  kubernetesFull.with(values{"swap": true}),
	"taskservs/kubernetes/1.29.14": kubernetesFull.with(values{"swap": true, "proxy_mode": "nftables"}),
	"taskservs/postgresql/16.4.0":  postgresqlFull.with(values{"old_snapshot_threshold_min": 60}),
	"taskservs/postgresql/17.2.0": postgresqlFull.with(values{
		"transaction_timeout_ms": 60000, "incremental_backup": true, "allow_alter_system": true,
	}),
	"taskservs/hello": {"greeting": "Good morning.", "replicas": 3, "patience_s": 30},
	"clusters/buildkit": {
		"name": "builder", "root": "/data/buildkit", "addresses": []string{"tcp://0.0.0.0:4321", "unix:///run/buildkit/b.sock"},
		"tls_cert": "/certs/tls.crt", "tls_key": "/certs/tls.key", "tls_ca": "/certs/ca.crt", "tls_secret": "certs",
		"worker": "oci", "image": "mirror.example.org:5000/buildkit:rootless", "memory_mib": 2048, "unconfined": true, "patience_s": 30,
		"containerd_socket": "/run/c8d.sock", "containerd_namespace": "images", "snapshotter": "native", "platforms": []string{"linux/amd64", "linux/arm/v7"},
		"max_parallelism": 16, "cache_reserved": "5GB", "cache_max": "100GB", "disk_free": "10%", "entitlements": []string{"network.host"},
		"registry_mirrors": values{"docker.io": []string{"mirror.example.org:5000"}}, "debug": true,
	},
	"clusters/cicd": {
		"host": "https://ci.example.org", "gitea_url": "https://git.example.org", "name": "ci", "namespace": "tools",
		"admins": []string{"ada", "grace"}, "open_registration": true, "database_host": "fd00::5", "database_port": 6432,
		"database_name": "ci", "database_user": "ci_user", "database_sslmode": "require", "buildkit_address": "tcp://builder:4321",
		"max_workflows": 8, "volume_size": "20Gi", "storage_class": "fast", "shared_volumes": true, "log_level": "debug",
	},
}

// freeText are the options that take any line of text; their own tests show that it is escaped.
var freeText = map[string]bool{"archive_command": true, "log_line_prefix": true, "greeting": true}

// option is a row of the table of values in an extension's README.
type option struct {
	name, kind string
	required   bool
	fallback   any // the documented default
}

var optionRow = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([a-z][^|]*) \\| (required|`.*?`) \\|")

// documented reads the table of values of an extension's README.
func documented(t *testing.T, dir string) []option {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	table, _, _ := strings.Cut(string(text), "## Files and objects")
	var options []option
	for _, row := range optionRow.FindAllStringSubmatch(table, -1) {
		one := option{name: row[1], kind: strings.Fields(row[2])[0], required: row[3] == "required"}
		if !one.required {
			err := yaml.Unmarshal([]byte(strings.Trim(row[3], "`")), &one.fallback)
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s: %s", dir, row[0])
		}
		options = append(options, one)
	}
	return options
}

// least is the smallest set of values the extension takes.
func least(t *testing.T, dir string) values {
	t.Helper()
	set := values{}
	for _, one := range documented(t, dir) {
		if one.required {
			set[one.name] = full[dir][one.name]
		}
	}
	return set
}

func TestEveryOptionIsDocumentedWithItsDefault(t *testing.T) {
	for _, one := range configurable(t) {
		t.Run(one.Dir, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			options, base := documented(t, one.Dir), least(t, one.Dir)
			sets := []values{base, base.with(values{"no_such_option": 1})}
			names := make([]string, 0, len(options))
			for _, option := range options {
				names = append(names, option.name)
				if !option.required {
					sets = append(sets, base.with(values{option.name: option.fallback}), base.with(values{option.name: nil}))
				}
			}
			answers := configure(t, one.Dir, sets...)
			g.Expect(answers[0].Refused).To(BeEmpty())
			g.Expect(answers[1].Refused).To(Equal("unknown value no_such_option"))
			known := strings.TrimPrefix(answers[1].Help, "known values: ")
			g.Expect(strings.Split(known, ", ")).To(ConsistOf(names))
			for i, got := range answers[2:] {
				g.Expect(got).To(Equal(answers[0]), "a documented default, or null, differs from the option left out: %v", sets[i+2])
			}
		})
	}
}

func TestFullValuesSetEveryOption(t *testing.T) {
	for _, one := range configurable(t) {
		g := NewWithT(t)
		set := full[one.Dir]
		got := configured(t, one.Dir, set)
		g.Expect(configured(t, one.Dir, set)).To(Equal(got), "a second run of %s differs", one.Dir)
		for _, option := range documented(t, one.Dir) {
			if option.name == "credential_source" || option.name == "etcd_data_dir" {
				continue // the one excludes source_profile, the other has no effect beside etcd_endpoints
			}
			g.Expect(set).To(HaveKey(option.name), one.Dir)
			if option.required {
				continue
			}
			g.Expect(set[option.name]).NotTo(Equal(option.fallback), "%s: %s", one.Dir, option.name)
		}
		g.Expect(got.Files).NotTo(BeEmpty())
	}
}

func TestWrongTypesAreRefused(t *testing.T) {
	for _, one := range configurable(t) {
		t.Run(one.Dir, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			options := documented(t, one.Dir)
			var sets []values
			for _, option := range options {
				wrong := any("text")
				if option.kind == "string" {
					wrong = 42
				}
				sets = append(sets, full[one.Dir].with(values{option.name: wrong}))
			}
			for i, got := range configure(t, one.Dir, sets...) {
				if options[i].required {
					g.Expect(got.Refused).To(HavePrefix("Can't convert to record<"), options[i].name)
					g.Expect(got.Labels).To(ContainSubstring(options[i].name + ": "))
				} else {
					g.Expect(got.Refused).To(HavePrefix(options[i].name + " is of type "))
				}
			}
		})
	}
}

func TestMissingRequiredValuesAreRefused(t *testing.T) {
	for _, one := range configurable(t) {
		g := NewWithT(t)
		var sets []values
		for missing := range least(t, one.Dir) {
			without := full[one.Dir].with(nil)
			delete(without, missing)
			sets = append(sets, without)
		}
		if len(sets) == 0 {
			continue
		}
		for _, got := range configure(t, one.Dir, sets...) {
			g.Expect(got.Refused).To(HavePrefix("Can't convert to record<"), one.Dir)
		}
	}
}

// hostile are texts that mean something to TOML, YAML, INI, a shell, Terraform or
// postgresql.conf. Nothing of a configuration may be made of them.
var hostile = []string{
	"", `x"y`, "x'y", "x\ny = 1", "x\r[y]", "${x}", "`x`", `x\`, "x#y", "x: y", "[x]", "x=y;z", "x y", "x\x00y", "é",
}

func TestHostileTextsAreRefused(t *testing.T) {
	for _, one := range configurable(t) {
		t.Run(one.Dir, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var sets []values
			var names []string
			try := func(name string, value any) {
				sets, names = append(sets, full[one.Dir].with(values{name: value})), append(names, name)
			}
			for _, option := range documented(t, one.Dir) {
				for _, text := range hostile {
					switch current := full[one.Dir][option.name].(type) {
					case string:
						optional := text == "" && option.fallback == ""
						if !optional && !freeText[option.name] {
							try(option.name, text)
						}
					case []string:
						try(option.name, append([]string{text}, current...))
					case values:
						try(option.name, current.with(values{text: "10.0.0.1"}))
						try(option.name, current.with(values{"docker.io": []string{text}}))
						try(option.name, current.with(values{"beta": text}))
					}
				}
			}
			for i, got := range configure(t, one.Dir, sets...) {
				g.Expect(got.Refused).To(HavePrefix(names[i]+" "), "%q", sets[i][names[i]])
			}
		})
	}
}

var exampleBlocks = regexp.MustCompile("(?s)## Example\n\n```yaml\n(.*?)```\n\nmakes, among others:\n\n```[a-z]+\n(.*?)```")

// The example of each README is true: its values make the lines it shows.
func TestReadmeExamples(t *testing.T) {
	dense := func(text string) string {
		return strings.ReplaceAll(strings.Join(strings.Fields(text), ""), ",]", "]")
	}
	for _, one := range configurable(t) {
		g := NewWithT(t)
		text, err := os.ReadFile(filepath.Join(one.Dir, "README.md"))
		g.Expect(err).NotTo(HaveOccurred())
		blocks := exampleBlocks.FindStringSubmatch(string(text))
		g.Expect(blocks).To(HaveLen(3), one.Dir)
		var set values
		g.Expect(yaml.Unmarshal([]byte(blocks[1]), &set)).To(Succeed())
		var made strings.Builder
		for _, file := range configured(t, one.Dir, set).Files {
			made.WriteString(file)
		}
		for line := range strings.Lines(blocks[2]) {
			if !strings.HasPrefix(line, "#") {
				g.Expect(dense(made.String())).To(ContainSubstring(dense(line)), "%s: %s", one.Dir, line)
			}
		}
	}
}

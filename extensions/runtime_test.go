// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/pelletier/go-toml/v2"
)

// containerdConfig is the part of containerd's format 3 that the hook sets.
type containerdConfig struct {
	Version int    `toml:"version"`
	Root    string `toml:"root"`
	State   string `toml:"state"`
	GRPC    struct {
		Address string `toml:"address"`
	} `toml:"grpc"`
	Debug struct {
		Level string `toml:"level"`
	} `toml:"debug"`
	Metrics struct {
		Address string `toml:"address"`
	} `toml:"metrics"`
	Plugins struct {
		Images struct {
			Snapshotter  string            `toml:"snapshotter"`
			PinnedImages map[string]string `toml:"pinned_images"`
			Registry     map[string]string `toml:"registry"`
		} `toml:"io.containerd.cri.v1.images"`
		Runtime struct {
			EnableSELinux bool `toml:"enable_selinux"`
			Containerd    struct {
				DefaultRuntimeName string `toml:"default_runtime_name"`
				Runtimes           map[string]struct {
					RuntimeType string          `toml:"runtime_type"`
					Options     map[string]bool `toml:"options"`
				} `toml:"runtimes"`
			} `toml:"containerd"`
			CNI struct {
				BinDirs []string `toml:"bin_dirs"`
				ConfDir string   `toml:"conf_dir"`
			} `toml:"cni"`
		} `toml:"io.containerd.cri.v1.runtime"`
		Transfer map[string]int `toml:"io.containerd.transfer.v1.local"`
	} `toml:"plugins"`
}

func strictTOML[T any](t *testing.T, text string) T {
	t.Helper()
	var into T
	err := toml.NewDecoder(strings.NewReader(text)).DisallowUnknownFields().Decode(&into)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
	return into
}

func TestContainerd(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "taskservs/containerd", values{}, full["taskservs/containerd"])

	g.Expect(answers[0].Files).To(HaveLen(1))
	config := strictTOML[containerdConfig](t, answers[0].Files["config.toml"])
	g.Expect(config.Version).To(Equal(3))
	g.Expect(config.Root).To(Equal("/var/lib/containerd"))
	g.Expect(config.GRPC.Address).To(Equal("/run/containerd/containerd.sock"))
	g.Expect(config.Plugins.Images.Snapshotter).To(Equal("overlayfs"))
	g.Expect(config.Plugins.Images.PinnedImages).To(Equal(map[string]string{"sandbox": "registry.k8s.io/pause:3.10"}))
	g.Expect(config.Plugins.Images.Registry).To(Equal(map[string]string{"config_path": "/etc/containerd/certs.d"}))
	runtimes := config.Plugins.Runtime.Containerd
	g.Expect(runtimes.Runtimes[runtimes.DefaultRuntimeName].RuntimeType).To(Equal("io.containerd.runc.v2"))
	g.Expect(runtimes.Runtimes["runc"].Options).To(Equal(map[string]bool{"SystemdCgroup": true}))
	g.Expect(config.Plugins.Transfer).To(Equal(map[string]int{"max_concurrent_downloads": 3}))

	config = strictTOML[containerdConfig](t, answers[1].Files["config.toml"])
	g.Expect(config.State).To(Equal("/run/c8d"))
	g.Expect(config.Debug.Level).To(Equal("debug"))
	g.Expect(config.Metrics.Address).To(Equal("127.0.0.1:1338"))
	g.Expect(config.Plugins.Images.Snapshotter).To(Equal("zfs"))
	g.Expect(config.Plugins.Images.PinnedImages["sandbox"]).To(Equal("mirror.example.org:5000/k8s/pause:3.9"))
	g.Expect(config.Plugins.Runtime.EnableSELinux).To(BeTrue())
	g.Expect(config.Plugins.Runtime.Containerd.Runtimes["runc"].Options["SystemdCgroup"]).To(BeFalse())
	g.Expect(config.Plugins.Runtime.CNI.BinDirs).To(Equal([]string{"/usr/lib/cni"}))
	g.Expect(config.Plugins.Runtime.CNI.ConfDir).To(Equal("/etc/cni"))
	g.Expect(config.Plugins.Transfer["max_concurrent_downloads"]).To(Equal(8))
}

func TestContainerdMirrors(t *testing.T) {
	g := NewWithT(t)
	type hosts struct {
		Server string `toml:"server"`
		Host   map[string]struct {
			Capabilities []string `toml:"capabilities"`
		} `toml:"host"`
	}
	files := configured(t, "taskservs/containerd", full["taskservs/containerd"]).Files
	docker := files["certs.d/docker.io/hosts.toml"]
	parsed := strictTOML[hosts](t, docker)
	g.Expect(parsed.Server).To(Equal("https://registry-1.docker.io"))
	g.Expect(parsed.Host).To(HaveLen(2))
	g.Expect(parsed.Host["https://b.example.org"].Capabilities).To(Equal([]string{"pull", "resolve"}))
	// containerd asks the hosts in the order of the file.
	g.Expect(strings.Index(docker, "b.example.org")).To(BeNumerically("<", strings.Index(docker, "a.example.org")))
	g.Expect(strictTOML[hosts](t, files["certs.d/_default/hosts.toml"]).Server).To(BeEmpty())
}

func TestContainerdRefuses(t *testing.T) {
	mirrors := func(registry string, urls any) values { return values{"registry_mirrors": values{registry: urls}} }
	expectRefused(t, "taskservs/containerd", values{}, []refusal{
		{values{"root": "var/lib"}, `root is "var/lib"`},
		{values{"root": "/run/containerd"}, "root and state are both /run/containerd"},
		{values{"socket": ""}, `socket is ""`},
		{values{"snapshotter": "ext4"}, `snapshotter is "ext4"`},
		{values{"sandbox_image": "pause"}, `sandbox_image is "pause"`},
		{values{"max_concurrent_downloads": 0}, "max_concurrent_downloads is 0"},
		{values{"max_concurrent_downloads": 65}, "max_concurrent_downloads is 65"},
		{values{"log_level": "loud"}, `log_level is "loud"`},
		{values{"metrics_address": "localhost"}, `metrics_address is "localhost"`},
		{mirrors("..", []string{"https://a.example.org"}), `registry_mirrors is ".."`},
		{mirrors("a/b", []string{"https://a.example.org"}), `registry_mirrors is "a/b"`},
		{mirrors("docker.io", []string{}), "registry_mirrors has no list of addresses for docker.io"},
		{mirrors("docker.io", "https://a.example.org"), "registry_mirrors has no list of addresses for docker.io"},
		{mirrors("docker.io", []any{3}), "registry_mirrors is 3"},
		{mirrors("docker.io", []string{"ftp://a.example.org"}), `registry_mirrors is "ftp://a.example.org"`},
	})
}

func TestEtcd(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "taskservs/etcd", values{"name": "alpha", "address": "127.0.0.1"}, full["taskservs/etcd"])

	alone := environment(t, answers[0].Files["etcd.env"])
	g.Expect(alone).To(HaveKeyWithValue("ETCD_NAME", "alpha"))
	g.Expect(alone).To(HaveKeyWithValue("ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:2379"))
	g.Expect(alone).To(HaveKeyWithValue("ETCD_INITIAL_CLUSTER", "alpha=http://127.0.0.1:2380"))
	g.Expect(alone).To(HaveKeyWithValue("ETCD_INITIAL_CLUSTER_STATE", "new"))
	g.Expect(alone).To(HaveKeyWithValue("ETCD_QUOTA_BACKEND_BYTES", "2147483648"))
	g.Expect(alone).NotTo(HaveKey("ETCD_CERT_FILE"))

	g.Expect(environment(t, answers[1].Files["etcd.env"])).To(Equal(map[string]string{
		"ETCD_NAME": "alpha", "ETCD_DATA_DIR": "/data/etcd",
		"ETCD_LISTEN_PEER_URLS":            "https://10.0.0.11:12380",
		"ETCD_LISTEN_CLIENT_URLS":          "https://10.0.0.11:12379,https://127.0.0.1:12379",
		"ETCD_INITIAL_ADVERTISE_PEER_URLS": "https://10.0.0.11:12380",
		"ETCD_ADVERTISE_CLIENT_URLS":       "https://10.0.0.11:12379",
		"ETCD_INITIAL_CLUSTER":             "alpha=https://10.0.0.11:12380,beta=https://beta.example.org:12380,gamma=https://[fd00::13]:12380",
		"ETCD_INITIAL_CLUSTER_STATE":       "existing", "ETCD_INITIAL_CLUSTER_TOKEN": "lab",
		"ETCD_QUOTA_BACKEND_BYTES":  "4294967296",
		"ETCD_AUTO_COMPACTION_MODE": "revision", "ETCD_AUTO_COMPACTION_RETENTION": "1000",
		"ETCD_HEARTBEAT_INTERVAL": "200", "ETCD_ELECTION_TIMEOUT": "2000", "ETCD_SNAPSHOT_COUNT": "5000", "ETCD_LOG_LEVEL": "warn",
		"ETCD_CERT_FILE": "/tls/etcd.crt", "ETCD_KEY_FILE": "/tls/etcd.key", "ETCD_TRUSTED_CA_FILE": "/tls/ca.crt", "ETCD_CLIENT_CERT_AUTH": "true",
		"ETCD_PEER_CERT_FILE": "/tls/etcd.crt", "ETCD_PEER_KEY_FILE": "/tls/etcd.key", "ETCD_PEER_TRUSTED_CA_FILE": "/tls/ca.crt", "ETCD_PEER_CLIENT_CERT_AUTH": "true",
	}))
}

func TestEtcdRefuses(t *testing.T) {
	expectRefused(t, "taskservs/etcd", values{"name": "alpha", "address": "10.0.0.11"}, []refusal{
		{values{"name": "Alpha"}, `name is "Alpha"`},
		{values{"name": strings.Repeat("a", 64)}, "name is"},
		{values{"members": values{"alpha": "10.0.0.11", "beta": strings.Repeat("a", 64) + ".example.org"}}, "members is"},
		{values{"address": "alpha.example.org"}, "address is"},
		{values{"address": "10.0.0.011"}, "address is"},
		{values{"address": "fd00:::1"}, "address is"},
		{values{"address": "1:2:3:4:5:6:7"}, "address is"},
		{values{"address": "1:2:3:4:5:6:7:8:9"}, "address is"},
		{values{"address": "::1:2:3:4:5:6:7:8"}, "address is"},
		{values{"address": "1::2::3"}, "address is"},
		{values{"client_port": 0}, "client_port is 0"},
		{values{"peer_port": 65536}, "peer_port is 65536"},
		{values{"peer_port": 2379}, "client_port and peer_port are both 2379"},
		{values{"cluster_state": "old"}, `cluster_state is "old"`},
		{values{"cluster_token": ""}, `cluster_token is ""`},
		{values{"quota_mib": 63}, "quota_mib is 63"},
		{values{"quota_mib": 8193}, "quota_mib is 8193"},
		{values{"compaction_mode": "never"}, `compaction_mode is "never"`},
		{values{"compaction_retention": "1000"}, `compaction_retention is "1000"`},
		{values{"compaction_mode": "revision"}, `compaction_retention is "8h"`},
		{values{"heartbeat_ms": 9}, "heartbeat_ms is 9"},
		{values{"heartbeat_ms": 201}, "election_ms is 1000"},
		{values{"election_ms": 50001}, "election_ms is 50001"},
		{values{"snapshot_count": 0}, "snapshot_count is 0"},
		{values{"log_level": "trace"}, `log_level is "trace"`},
		{values{"tls_cert": "/c", "tls_key": "/k"}, "tls_cert, tls_key is set without the rest"},
		{values{"tls_ca": "/c"}, "tls_ca is set without the rest"},
		{values{"members": values{"beta": "10.0.0.12"}}, "members does not list alpha with address 10.0.0.11"},
		{values{"members": values{"alpha": "10.0.0.12"}}, "members does not list alpha with address 10.0.0.11"},
		{values{"members": values{"alpha": "10.0.0.11", "beta": 12}}, "members is 12"},
		{values{"members": values{"alpha": "10.0.0.11", "b=c,d": "10.0.0.12"}}, `members is "b=c,d"`},
	})
}

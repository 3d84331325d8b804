// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// buildkitConfig is the part of buildkitd.toml that the hook sets.
type buildkitConfig struct {
	Debug        bool     `toml:"debug"`
	Root         string   `toml:"root"`
	Entitlements []string `toml:"insecure-entitlements"`
	GRPC         struct {
		Address []string          `toml:"address"`
		TLS     map[string]string `toml:"tls"`
	} `toml:"grpc"`
	Worker struct {
		OCI struct {
			Enabled bool `toml:"enabled"`
		} `toml:"oci"`
		Containerd struct {
			Enabled        bool     `toml:"enabled"`
			Address        string   `toml:"address"`
			Namespace      string   `toml:"namespace"`
			Snapshotter    string   `toml:"snapshotter"`
			Platforms      []string `toml:"platforms"`
			MaxParallelism int      `toml:"max-parallelism"`
			GC             bool     `toml:"gc"`
			ReservedSpace  string   `toml:"reservedSpace"`
			MaxUsedSpace   string   `toml:"maxUsedSpace"`
			MinFreeSpace   string   `toml:"minFreeSpace"`
		} `toml:"containerd"`
	} `toml:"worker"`
	Registry map[string]struct {
		Mirrors []string `toml:"mirrors"`
	} `toml:"registry"`
}

func TestBuildKit(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "clusters/buildkit", values{}, full["clusters/buildkit"])

	config := strictTOML[buildkitConfig](t, answers[0].Files["buildkitd.toml"])
	g.Expect(config.GRPC.Address).To(Equal([]string{"unix:///run/buildkit/buildkitd.sock"}))
	g.Expect(config.GRPC.TLS).To(BeEmpty())
	g.Expect(config.Worker.OCI.Enabled).To(BeFalse())
	g.Expect(config.Worker.Containerd.Enabled).To(BeTrue())
	g.Expect(config.Worker.Containerd.Address).To(Equal("/run/containerd/containerd.sock"))
	g.Expect(config.Worker.Containerd.GC).To(BeTrue())
	g.Expect(config.Entitlements).To(BeEmpty())

	config = strictTOML[buildkitConfig](t, answers[1].Files["buildkitd.toml"])
	g.Expect(config.Debug).To(BeTrue())
	g.Expect(config.Root).To(Equal("/data/buildkit"))
	g.Expect(config.Entitlements).To(Equal([]string{"network.host"}))
	g.Expect(config.GRPC.Address).To(Equal([]string{"tcp://0.0.0.0:1234", "unix:///run/b.sock"}))
	g.Expect(config.GRPC.TLS).To(Equal(map[string]string{"cert": "/certs/tls.crt", "key": "/certs/tls.key", "ca": "/certs/ca.crt"}))
	worker := config.Worker.Containerd
	g.Expect(worker.Namespace).To(Equal("images"))
	g.Expect(worker.Snapshotter).To(Equal("native"))
	g.Expect(worker.Platforms).To(Equal([]string{"linux/amd64", "linux/arm/v7"}))
	g.Expect(worker.MaxParallelism).To(Equal(16))
	g.Expect([]string{worker.ReservedSpace, worker.MaxUsedSpace, worker.MinFreeSpace}).To(Equal([]string{"5GB", "100GB", "10%"}))
	g.Expect(config.Registry["docker.io"].Mirrors).To(Equal([]string{"mirror.example.org:5000"}))

	configMap := object[corev1.ConfigMap](t, answers[1], "ConfigMap")
	g.Expect(configMap.Name).To(Equal("builder"))
	g.Expect(configMap.Data).To(Equal(answers[1].Files))
}

func TestBuildKitRefuses(t *testing.T) {
	mirrors := func(registry string, hosts any) values { return values{"registry_mirrors": values{registry: hosts}} }
	expectRefused(t, "clusters/buildkit", values{}, []refusal{
		{values{"name": "Builder"}, `name is "Builder"`},
		{values{"root": ""}, `root is ""`},
		{values{"containerd_namespace": "a/b"}, `containerd_namespace is "a/b"`},
		{values{"snapshotter": "auto"}, `snapshotter is "auto"`},
		{values{"platforms": []string{"amd64"}}, `platforms is "amd64"`},
		{values{"max_parallelism": 0}, "max_parallelism is 0"},
		{values{"cache_max": "a lot"}, `cache_max is "a lot"`},
		{values{"cache_reserved": "100%"}, `cache_reserved is "100%"`},
		{values{"disk_free": "0GB"}, `disk_free is "0GB"`},
		{values{"entitlements": []string{"root"}}, `entitlements is "root"`},
		{values{"addresses": []string{}}, "addresses is empty"},
		{values{"addresses": []string{"0.0.0.0:1234"}}, `addresses is "0.0.0.0:1234"`},
		{values{"addresses": []string{"tcp://0.0.0.0:1234"}}, "a tcp address needs tls_cert"},
		{values{"addresses": []string{"tcp://127.0.0.1:1234", "tcp://127.0.0.10:1234"}}, "a tcp address needs tls_cert"},
		{values{"tls_cert": "/c"}, "tls_cert is set without the rest"},
		{mirrors("docker.io", []string{}), "registry_mirrors has no list of hosts for docker.io"},
		{mirrors("docker.io", "a.example.org"), "registry_mirrors has no list of hosts for docker.io"},
		{mirrors("docker.io", []string{"https://a.example.org"}), `registry_mirrors is "https://a.example.org"`},
		{mirrors("docker.io", []any{1}), "registry_mirrors is 1"},
		{mirrors("a b", []string{"a.example.org"}), `registry_mirrors is "a b"`},
	})
	onLoopback := values{"addresses": []string{"tcp://127.0.0.1:1234"}}
	NewWithT(t).Expect(configure(t, "clusters/buildkit", onLoopback)[0].Refused).To(BeEmpty())
}

func TestCICD(t *testing.T) {
	g := NewWithT(t)
	got := configured(t, "clusters/cicd", full["clusters/cicd"])
	server, agent := environment(t, got.Files["server.env"]), environment(t, got.Files["agent.env"])

	g.Expect(server).To(HaveKeyWithValue("WOODPECKER_HOST", "https://ci.example.org"))
	g.Expect(server).To(HaveKeyWithValue("WOODPECKER_GITEA_URL", "https://git.example.org"))
	g.Expect(server).To(HaveKeyWithValue("WOODPECKER_ADMIN", "ada,grace"))
	g.Expect(server).To(HaveKeyWithValue("WOODPECKER_OPEN", "true"))
	g.Expect(server).To(HaveKeyWithValue("WOODPECKER_ENVIRONMENT", "BUILDKIT_HOST:tcp://builder:4321"))
	source, err := url.Parse(server["WOODPECKER_DATABASE_DATASOURCE"])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(source.Host).To(Equal("[fd00::5]:6432"))
	g.Expect(source.User.Username()).To(Equal("ci_user"))
	g.Expect(source.Path).To(Equal("/ci"))
	g.Expect(source.Query().Get("sslmode")).To(Equal("require"))

	g.Expect(agent).To(Equal(map[string]string{
		"WOODPECKER_SERVER": "ci-server:9000", "WOODPECKER_MAX_WORKFLOWS": "8", "WOODPECKER_BACKEND": "kubernetes",
		"WOODPECKER_BACKEND_K8S_NAMESPACE": "tools", "WOODPECKER_BACKEND_K8S_VOLUME_SIZE": "20Gi",
		"WOODPECKER_BACKEND_K8S_STORAGE_CLASS": "fast", "WOODPECKER_BACKEND_K8S_STORAGE_RWX": "true", "WOODPECKER_LOG_LEVEL": "debug",
	}))
	g.Expect(object[corev1.ConfigMap](t, got, "ConfigMap").Data).To(Equal(server))
	g.Expect(got.Objects).To(HaveLen(5))
}

func TestCICDRights(t *testing.T) {
	g := NewWithT(t)
	got := configured(t, "clusters/cicd", full["clusters/cicd"])
	account := object[corev1.ServiceAccount](t, got, "ServiceAccount")
	role := object[rbacv1.Role](t, got, "Role")
	binding := object[rbacv1.RoleBinding](t, got, "RoleBinding")
	g.Expect(account.Name).To(Equal("ci-agent"))
	g.Expect(account.Namespace).To(Equal("tools"))
	g.Expect(binding.RoleRef).To(Equal(rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name}))
	g.Expect(binding.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: account.Namespace}}))
	for _, rule := range role.Rules {
		g.Expect(rule.APIGroups).To(Equal([]string{""}))
		g.Expect(append(rule.Verbs, rule.Resources...)).NotTo(ContainElement("*"))
		if rule.Resources[len(rule.Resources)-1] == "secrets" {
			g.Expect(rule.Verbs).To(ConsistOf("create", "delete"), "the agent reads no Secret")
		}
	}
}

func TestCICDRefuses(t *testing.T) {
	base := values{"host": "https://ci.example.org", "gitea_url": "https://git.example.org"}
	expectRefused(t, "clusters/cicd", base, []refusal{
		{values{"host": "ci.example.org"}, `host is "ci.example.org"`},
		{values{"gitea_url": "ssh://git.example.org"}, `gitea_url is "ssh://git.example.org"`},
		{values{"name": "CI"}, `name is "CI"`},
		{values{"name": strings.Repeat("a", 57)}, "name is 57 characters long"},
		{values{"namespace": "a.b"}, `namespace is "a.b"`},
		{values{"admins": []string{"ada,eve"}}, `admins is "ada,eve"`},
		{values{"open_registration": true}, "open_registration is set without admins"},
		{values{"database_host": "a b"}, `database_host is "a b"`},
		{values{"database_port": 0}, "database_port is 0"},
		{values{"database_name": "a/b"}, `database_name is "a/b"`},
		{values{"database_user": "a:b"}, `database_user is "a:b"`},
		{values{"database_sslmode": "prefer"}, `database_sslmode is "prefer"`},
		{values{"buildkit_address": "tcp://buildkitd"}, `buildkit_address is "tcp://buildkitd"`},
		{values{"max_workflows": 257}, "max_workflows is 257"},
		{values{"volume_size": "10"}, `volume_size is "10"`},
		{values{"storage_class": "Fast"}, `storage_class is "Fast"`},
		{values{"log_level": "loud"}, `log_level is "loud"`},
	})
}

// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
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
			buildkitLimits

			Rootless         bool `toml:"rootless"`
			NoProcessSandbox bool `toml:"noProcessSandbox"`
		} `toml:"oci"`
		Containerd struct {
			buildkitLimits

			Address   string `toml:"address"`
			Namespace string `toml:"namespace"`
		} `toml:"containerd"`
	} `toml:"worker"`
	Registry map[string]struct {
		Mirrors []string `toml:"mirrors"`
	} `toml:"registry"`
}

// buildkitLimits are what both workers have.
type buildkitLimits struct {
	Enabled        bool     `toml:"enabled"`
	Snapshotter    string   `toml:"snapshotter"`
	Platforms      []string `toml:"platforms"`
	MaxParallelism int      `toml:"max-parallelism"`
	GC             bool     `toml:"gc"`
	ReservedSpace  string   `toml:"reservedSpace"`
	MaxUsedSpace   string   `toml:"maxUsedSpace"`
	MinFreeSpace   string   `toml:"minFreeSpace"`
}

func TestBuildKit(t *testing.T) {
	g := NewWithT(t)
	onContainerd := full["clusters/buildkit"].with(values{"worker": "containerd", "addresses": []string{"tcp://0.0.0.0:1234", "unix:///run/b.sock"}})
	answers := configure(t, "clusters/buildkit", values{}, onContainerd)

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
	g.Expect(answers[1].Objects).To(HaveLen(1))
}

// With a worker of its own the daemon runs rootless in a pod.
func TestBuildKitInKubernetes(t *testing.T) {
	g := NewWithT(t)
	answers := configure(t, "clusters/buildkit", values{"worker": "oci"}, full["clusters/buildkit"],
		full["clusters/buildkit"].with(values{"addresses": []string{"tcp://0.0.0.0:4321"}}))
	least, most, remote := answers[0], answers[1], answers[2]

	worker := strictTOML[buildkitConfig](t, most.Files["buildkitd.toml"]).Worker
	g.Expect(worker.Containerd.Enabled).To(BeFalse())
	oci := worker.OCI
	g.Expect([]bool{oci.Enabled, oci.Rootless, oci.NoProcessSandbox, oci.GC}).To(HaveEach(true))
	g.Expect(oci.Snapshotter).To(Equal("native"))
	g.Expect(oci.Platforms).To(Equal([]string{"linux/amd64", "linux/arm/v7"}))
	g.Expect(oci.MaxParallelism).To(Equal(16))
	g.Expect([]string{oci.ReservedSpace, oci.MaxUsedSpace, oci.MinFreeSpace}).To(Equal([]string{"5GB", "100GB", "10%"}))

	pod := object[appsv1.Deployment](t, least, "Deployment").Spec.Template.Spec
	g.Expect(pod.AutomountServiceAccountToken).To(HaveValue(BeFalse()))
	g.Expect(pod.SecurityContext.RunAsNonRoot).To(HaveValue(BeTrue()))
	g.Expect(pod.SecurityContext.SeccompProfile).To(BeNil())
	g.Expect(pod.SecurityContext.AppArmorProfile).To(BeNil())
	container := pod.Containers[0]
	g.Expect(container.SecurityContext.Privileged).To(BeNil())
	g.Expect(*container.SecurityContext.Capabilities).To(Equal(corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"SETUID", "SETGID"}}))
	g.Expect(container.Image).To(Equal("moby/buildkit:v0.23.2-rootless"))
	g.Expect(container.Resources.Limits.Memory().String()).To(Equal("4Gi"))
	g.Expect(container.ReadinessProbe.Exec.Command).To(Equal([]string{"buildctl", "--addr=unix:///run/buildkit/buildkitd.sock", "debug", "workers"}))
	g.Expect(object[corev1.Service](t, least, "Service").Spec.Ports[0].Port).To(BeEquivalentTo(1234))

	deployment := object[appsv1.Deployment](t, most, "Deployment")
	g.Expect(deployment.Name).To(Equal("builder"))
	g.Expect(deployment.Spec.ProgressDeadlineSeconds).To(HaveValue(BeEquivalentTo(30)))
	pod = deployment.Spec.Template.Spec
	g.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeUnconfined))
	g.Expect(pod.SecurityContext.AppArmorProfile.Type).To(Equal(corev1.AppArmorProfileTypeUnconfined))
	g.Expect(secrets(pod)).To(Equal(map[string]string{"tls": "certs"}))
	container = pod.Containers[0]
	g.Expect(container.Image).To(Equal("mirror.example.org:5000/buildkit:rootless"))
	g.Expect(container.Resources.Limits.Memory().String()).To(Equal("2Gi"))
	g.Expect(container.VolumeMounts).To(ContainElements(
		corev1.VolumeMount{Name: "state", MountPath: "/data/buildkit"}, corev1.VolumeMount{Name: "tls", MountPath: "/certs", ReadOnly: true}))
	g.Expect(container.ReadinessProbe.Exec.Command).To(ContainElement("--addr=unix:///run/buildkit/b.sock"))
	g.Expect(object[corev1.Service](t, most, "Service").Spec.Ports[0].Port).To(BeEquivalentTo(4321))
	g.Expect(object[appsv1.Deployment](t, remote, "Deployment").Spec.Template.Spec.Containers[0].ReadinessProbe.TCPSocket).NotTo(BeNil(),
		"nobody there has a client's certificate")
}

func TestBuildKitInKubernetesRefuses(t *testing.T) {
	tls := values{"tls_cert": "/certs/a", "tls_key": "/certs/b", "tls_ca": "/certs/c"}
	expectRefused(t, "clusters/buildkit", values{"worker": "oci"}, []refusal{
		{values{"worker": "runc"}, `worker is "runc"`},
		{values{"image": "a b"}, `image is "a b"`},
		{values{"memory_mib": 255}, "memory_mib is 255"},
		{values{"patience_s": 0}, "patience_s is 0"},
		{values{"addresses": []string{"unix:///run/user/1000/b.sock"}}, `addresses is "unix:///run/user/1000/b.sock"`},
		{values{"tls_secret": "certs"}, "tls_secret and tls_cert go together"},
		{tls, "tls_secret and tls_cert go together"},
		{tls.with(values{"tls_secret": "certs", "tls_ca": "/ca"}), `tls_ca is "/ca"`},
	})
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

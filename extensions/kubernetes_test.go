// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"path"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

var kubernetesFull = values{
	"control_plane_endpoint": "api.example.org:8443", "cluster_name": "lab", "node_name": "alpha", "advertise_address": "10.0.0.11",
	"api_port": 8443, "cert_sans": []string{"api.lab", "10.0.0.10"}, "pod_subnet": "10.42.0.0/16", "service_subnet": "10.43.0.0/16",
	"dns_domain": "lab.internal", "image_repository": "mirror.example.org:5000/k8s", "cri_socket": "unix:///run/crio/crio.sock",
	"cgroup_driver": "cgroupfs", "max_pods": 200, "schedule_on_control_plane": true, "proxy_mode": "ipvs",
	"etcd_endpoints": []string{"https://10.0.0.21:2379", "https://[fd00::22]:2379"}, "etcd_ca": "/tls/ca.crt", "etcd_cert": "/tls/etcd.crt", "etcd_key": "/tls/etcd.key",
}

var kubernetesVersions = []string{"taskservs/kubernetes/1.27.16", "taskservs/kubernetes/1.28.0", "taskservs/kubernetes/1.29.14"}

// kubeadmConfig is what kubeadm.yaml may hold, by kind; kubeadm refuses unknown fields, and so does the test.
type kubeadmConfig struct {
	init    initConfiguration
	cluster clusterConfiguration
	kubelet kubeletConfiguration
	proxy   proxyConfiguration
}

type typeMeta struct{ APIVersion, Kind string }

type initConfiguration struct {
	typeMeta         `json:",inline"`
	LocalAPIEndpoint struct {
		AdvertiseAddress string
		BindPort         int
	}
	NodeRegistration struct {
		Name, CRISocket string
		Taints          *[]string
	}
}

type clusterConfiguration struct {
	typeMeta                                                              `json:",inline"`
	ClusterName, KubernetesVersion, ControlPlaneEndpoint, ImageRepository string
	APIServer                                                             struct{ CertSANs []string }
	Networking                                                            struct{ PodSubnet, ServiceSubnet, DNSDomain string }
	Etcd                                                                  struct {
		Local    *struct{ DataDir string }
		External *struct {
			Endpoints                 []string
			CAFile, CertFile, KeyFile string
		}
	}
}

type kubeletConfiguration struct {
	typeMeta                           `json:",inline"`
	CgroupDriver                       string
	MaxPods                            int
	RotateCertificates, SeccompDefault bool
	FailSwapOn                         *bool
	FeatureGates                       map[string]bool
	MemorySwap                         struct{ SwapBehavior string }
}

type proxyConfiguration struct {
	typeMeta     `json:",inline"`
	Mode         string
	FeatureGates map[string]bool
}

func readKubeadm(t *testing.T, text string) kubeadmConfig {
	t.Helper()
	g := NewWithT(t)
	documents := strings.Split(text, "---\n")
	g.Expect(documents).To(HaveLen(4))
	var config kubeadmConfig
	read := func(document string, into any, meta *typeMeta, want typeMeta) {
		g.Expect(yaml.UnmarshalStrict([]byte(document), into)).To(Succeed(), document)
		g.Expect(*meta).To(Equal(want))
	}
	read(documents[0], &config.init, &config.init.typeMeta, typeMeta{"kubeadm.k8s.io/v1beta3", "InitConfiguration"})
	read(documents[1], &config.cluster, &config.cluster.typeMeta, typeMeta{"kubeadm.k8s.io/v1beta3", "ClusterConfiguration"})
	read(documents[2], &config.kubelet, &config.kubelet.typeMeta, typeMeta{"kubelet.config.k8s.io/v1beta1", "KubeletConfiguration"})
	read(documents[3], &config.proxy, &config.proxy.typeMeta, typeMeta{"kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"})
	return config
}

func TestKubernetesDefaults(t *testing.T) {
	for _, dir := range kubernetesVersions {
		g := NewWithT(t)
		config := readKubeadm(t, configured(t, dir, values{"control_plane_endpoint": "api.example.org:6443"}).Files["kubeadm.yaml"])
		g.Expect(config.cluster.KubernetesVersion).To(Equal("v" + path.Base(dir)))
		g.Expect(config.cluster.ControlPlaneEndpoint).To(Equal("api.example.org:6443"))
		g.Expect(config.cluster.Networking.PodSubnet).To(Equal("10.244.0.0/16"))
		g.Expect(config.cluster.Networking.ServiceSubnet).To(Equal("10.96.0.0/12"))
		g.Expect(config.cluster.Networking.DNSDomain).To(Equal("cluster.local"))
		g.Expect(config.cluster.Etcd.Local.DataDir).To(Equal("/var/lib/etcd"))
		g.Expect(config.cluster.Etcd.External).To(BeNil())
		g.Expect(config.init.LocalAPIEndpoint.BindPort).To(Equal(6443))
		g.Expect(config.init.NodeRegistration.CRISocket).To(Equal("unix:///run/containerd/containerd.sock"))
		g.Expect(config.init.NodeRegistration.Taints).To(BeNil(), "an empty list would remove the taint")
		g.Expect(config.kubelet.CgroupDriver).To(Equal("systemd"))
		g.Expect(config.kubelet.FailSwapOn).To(BeNil())
		g.Expect(config.kubelet.SeccompDefault).To(BeTrue())
		g.Expect(config.proxy.Mode).To(Equal("iptables"))
	}
}

func TestKubernetesValuesComeThrough(t *testing.T) {
	for _, dir := range kubernetesVersions {
		g := NewWithT(t)
		config := readKubeadm(t, configured(t, dir, full[dir]).Files["kubeadm.yaml"])
		g.Expect(config.cluster.ClusterName).To(Equal("lab"))
		g.Expect(config.cluster.ImageRepository).To(Equal("mirror.example.org:5000/k8s"))
		g.Expect(config.cluster.APIServer.CertSANs).To(Equal([]string{"api.lab", "10.0.0.10"}))
		g.Expect(config.cluster.Networking.PodSubnet).To(Equal("10.42.0.0/16"))
		g.Expect(config.cluster.Etcd.Local).To(BeNil())
		external := config.cluster.Etcd.External
		g.Expect(external.Endpoints).To(Equal([]string{"https://10.0.0.21:2379", "https://[fd00::22]:2379"}))
		g.Expect([]string{external.CAFile, external.CertFile, external.KeyFile}).To(Equal([]string{"/tls/ca.crt", "/tls/etcd.crt", "/tls/etcd.key"}))
		g.Expect(config.init.LocalAPIEndpoint.AdvertiseAddress).To(Equal("10.0.0.11"))
		g.Expect(config.init.LocalAPIEndpoint.BindPort).To(Equal(8443))
		g.Expect(config.init.NodeRegistration.Name).To(Equal("alpha"))
		g.Expect(*config.init.NodeRegistration.Taints).To(BeEmpty())
		g.Expect(config.kubelet.CgroupDriver).To(Equal("cgroupfs"))
		g.Expect(config.kubelet.MaxPods).To(Equal(200))
		g.Expect(config.proxy.Mode).To(Equal(full[dir]["proxy_mode"]))
	}
}

func TestKubernetesVersionsDiffer(t *testing.T) {
	g := NewWithT(t)
	base := values{"control_plane_endpoint": "api.example.org"}
	for _, dir := range kubernetesVersions[1:] {
		config := readKubeadm(t, configured(t, dir, base.with(values{"swap": true})).Files["kubeadm.yaml"])
		g.Expect(*config.kubelet.FailSwapOn).To(BeFalse())
		g.Expect(config.kubelet.FeatureGates).To(Equal(map[string]bool{"NodeSwap": true}))
		g.Expect(config.kubelet.MemorySwap.SwapBehavior).To(Equal("LimitedSwap"))
	}
	newest := readKubeadm(t, configured(t, kubernetesVersions[2], base.with(values{"proxy_mode": "nftables"})).Files["kubeadm.yaml"])
	g.Expect(newest.proxy.FeatureGates).To(Equal(map[string]bool{"NFTablesProxyMode": true}))

	expectRefused(t, kubernetesVersions[0], base, []refusal{{values{"swap": true}, "unknown value swap"}})
	for _, dir := range kubernetesVersions[:2] {
		expectRefused(t, dir, base, []refusal{{values{"proxy_mode": "nftables"}, `proxy_mode is "nftables"`}})
	}
}

// Names that YAML 1.1, which kubeadm reads, would take for a boolean or a number.
func TestKubernetesTextsStayTexts(t *testing.T) {
	names := []string{"y", "n", "yes", "no", "on", "off", "true", "false", "null", "0x1f", "0b11", "012", "1e3", "12"}
	sets := make([]values, len(names))
	for i, name := range names {
		sets[i] = values{"control_plane_endpoint": "api.example.org", "cluster_name": name, "cert_sans": []string{"x" + name, "1:2:3:4:5:6:7:8"}}
	}
	for i, got := range configure(t, kubernetesVersions[2], sets...) {
		g := NewWithT(t)
		g.Expect(got.Refused).To(BeEmpty())
		var document map[string]any
		g.Expect(yaml.Unmarshal([]byte(strings.Split(got.Files["kubeadm.yaml"], "---\n")[1]), &document)).To(Succeed())
		g.Expect(document["clusterName"]).To(Equal(names[i]))
		g.Expect(got.Files["kubeadm.yaml"]).To(ContainSubstring(`"1:2:3:4:5:6:7:8"`))
	}
}

func TestKubernetesEndpoints(t *testing.T) {
	for _, endpoint := range []string{"api", "api.example.org", "api.example.org:443", "10.0.0.1", "10.0.0.1:65535", "[fd00::1]:6443", "[fd00::1]"} {
		config := readKubeadm(t, configured(t, kubernetesVersions[0], values{"control_plane_endpoint": endpoint}).Files["kubeadm.yaml"])
		NewWithT(t).Expect(config.cluster.ControlPlaneEndpoint).To(Equal(endpoint))
	}
}

func TestKubernetesRefuses(t *testing.T) {
	tls := values{"etcd_ca": "/ca", "etcd_cert": "/c", "etcd_key": "/k"}
	cases := []refusal{
		{values{"control_plane_endpoint": ""}, `control_plane_endpoint is ""`},
		{values{"control_plane_endpoint": "api:65536"}, "control_plane_endpoint is"},
		{values{"control_plane_endpoint": "api:0"}, "control_plane_endpoint is"},
		{values{"control_plane_endpoint": "https://api"}, "control_plane_endpoint is"},
		{values{"control_plane_endpoint": "10.0.0.256"}, "control_plane_endpoint is"},
		{values{"control_plane_endpoint": "fd00::1"}, "control_plane_endpoint is"},
		{values{"cluster_name": "a.b"}, `cluster_name is "a.b"`},
		{values{"node_name": "a b"}, `node_name is "a b"`},
		{values{"advertise_address": "api"}, `advertise_address is "api"`},
		{values{"api_port": 0}, "api_port is 0"},
		{values{"cert_sans": []any{7}}, "cert_sans is 7"},
		{values{"dns_domain": ""}, `dns_domain is ""`},
		{values{"image_repository": "a b"}, `image_repository is "a b"`},
		{values{"cri_socket": "/run/c.sock"}, `cri_socket is "/run/c.sock"`},
		{values{"cgroup_driver": "openrc"}, `cgroup_driver is "openrc"`},
		{values{"max_pods": 0}, "max_pods is 0"},
		{values{"max_pods": 513}, "max_pods is 513"},
		{values{"proxy_mode": "userspace"}, `proxy_mode is "userspace"`},
		{values{"pod_subnet": "10.244.0.0"}, `pod_subnet is "10.244.0.0"`},
		{values{"pod_subnet": "10.244.0.0/33"}, `pod_subnet is "10.244.0.0/33"`},
		{values{"pod_subnet": "10.244.0.0/25"}, "pod_subnet 10.244.0.0/25 is too small"},
		{values{"service_subnet": "10.96.0.0/11"}, "service_subnet 10.96.0.0/11 is too large"},
		{values{"service_subnet": "10.96.0.0/29"}, "service_subnet 10.96.0.0/29 is too large or too small"},
		{values{"pod_subnet": "10.0.0.0/8"}, "overlap"},
		{values{"service_subnet": "10.244.128.0/20"}, "overlap"},
		{values{"pod_subnet": "fd00::/48"}, "different IP families"},
		{values{"pod_subnet": "fd00::/48", "service_subnet": "fd01::/64"}, "service_subnet fd01::/64 is too large"},
		{values{"etcd_data_dir": "data"}, `etcd_data_dir is "data"`},
		{values{"etcd_endpoints": []string{"10.0.0.1:2379"}}, `etcd_endpoints is "10.0.0.1:2379"`},
		{values{"etcd_endpoints": []string{"https://10.0.0.1:2379"}}, "etcd_endpoints are https without"},
		{values{"etcd_ca": "/ca"}, "etcd_ca is set without the rest"},
		{tls, "etcd_ca is set without an https address"},
		{tls.with(values{"etcd_endpoints": []string{"http://10.0.0.1:2379"}}), "etcd_ca is set without an https address"},
	}
	for _, dir := range kubernetesVersions {
		expectRefused(t, dir, values{"control_plane_endpoint": "api.example.org:6443"}, cases)
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	. "github.com/onsi/gomega"
	"github.com/pelletier/go-toml/v2"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/hack/internal/asset"
	"provisioning.dev/extension-operator/hack/tree"
)

func aCluster(g Gomega, dir string) *cluster {
	n, err := newNetwork("10.9.0.0/16")
	g.Expect(err).NotTo(HaveOccurred())
	return &cluster{dir: dir, network: n, node: asset.Node{ControlPlane: "/plane", Programs: "/programs", Debian: asset.Debian{Root: "/debian"}}}
}

func TestEveryConfigurationIsRendered(t *testing.T) {
	g := NewWithT(t)
	entries, err := configFiles.ReadDir("config")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(entries).To(HaveLen(len(configs)), "each file has a place in the table")
	c := aCluster(g, "/cache/cluster")
	for name := range configs {
		content, err := c.render(name)
		g.Expect(err).NotTo(HaveOccurred())
		var read map[string]any
		switch filepath.Ext(name) {
		case ".toml":
			g.Expect(toml.Unmarshal(content, &read)).To(Succeed(), name)
		case ".yaml":
			g.Expect(yaml.UnmarshalStrict(content, &read)).To(Succeed(), name)
		case ".conflist":
			g.Expect(json.Unmarshal(content, &read)).To(Succeed(), name)
		default:
			continue
		}
		g.Expect(read).NotTo(BeEmpty(), name)
		g.Expect(string(content)).NotTo(ContainSubstring("{{"), name)
	}
	_, err = c.render("absent.yaml")
	g.Expect(err).To(HaveOccurred())
}

func TestConfigurationNamesTheClustersOwn(t *testing.T) {
	g := NewWithT(t)
	c := aCluster(g, "/cache/cluster")
	for name, want := range map[string][]string{
		"containerd.toml": {`address = "/cache/cluster/containerd.sock"`, `BinaryName = "/programs/runc"`, `bin_dir = "/debian/usr/lib/cni"`,
			`sandbox_image = "` + podImage + `"`, "restrict_oom_score_adj = true"},
		"bridge.conflist": {`"subnet": "10.9.64.0/24"`},
		"kubelet.yaml":    {"clientCAFile: /cache/cluster/pki/ca.crt", "containerRuntimeEndpoint: unix:///cache/cluster/containerd.sock", "failCgroupV1: false"},
		"Corefile":        {"bind 10.9.0.2", "kubeconfig /cache/cluster/pki/coredns.kubeconfig"},
		"kube-proxy.yaml": {"clusterCIDR: 10.9.64.0/24", "bindAddress: 10.9.0.2", "hostnameOverride: eo-node"},
	} {
		content, err := c.render(name)
		g.Expect(err).NotTo(HaveOccurred())
		for _, line := range want {
			g.Expect(string(content)).To(ContainSubstring(line), name)
		}
	}
}

func TestCredentials(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	c := aCluster(g, dir)
	g.Expect(writeCredentials(dir, c.network)).To(Succeed())
	entries, err := os.ReadDir(dir)
	g.Expect(err).NotTo(HaveOccurred())
	for _, entry := range entries {
		info, err := entry.Info()
		g.Expect(err).NotTo(HaveOccurred())
		if ext := filepath.Ext(entry.Name()); ext == ".key" || ext == ".kubeconfig" {
			g.Expect(info.Mode().Perm()).To(BeEquivalentTo(0o600), entry.Name())
		}
	}
	config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "admin.kubeconfig"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(config.Host).To(Equal("https://10.9.0.2:6443"))
	pool := x509.NewCertPool()
	g.Expect(pool.AppendCertsFromPEM(config.CAData)).To(BeTrue())
	admin, err := tls.X509KeyPair(config.CertData, config.KeyData)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = admin.Leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.Leaf.Subject.Organization).To(Equal([]string{adminGroup}), "the admin is subject to RBAC")

	server, err := tls.LoadX509KeyPair(filepath.Join(dir, "kube-apiserver.crt"), filepath.Join(dir, "kube-apiserver.key"))
	g.Expect(err).NotTo(HaveOccurred())
	for _, name := range []string{"10.9.0.2", "10.9.128.1", "kubernetes.default.svc"} {
		_, err := server.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name})
		g.Expect(err).NotTo(HaveOccurred(), name)
	}
	g.Expect(server.Leaf.VerifyHostname(net.IPv4(10, 9, 0, 1).String())).NotTo(Succeed())
}

func TestTheImageHasTheProgramAlone(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "pod")
	g.Expect(os.WriteFile(program, []byte("a program"), 0o600)).To(Succeed())
	archive := filepath.Join(dir, "pod.tar")
	g.Expect(writeImage(archive, podImage, program)).To(Succeed())
	image, err := tarball.ImageFromPath(archive, nil)
	g.Expect(err).NotTo(HaveOccurred())
	file, err := image.ConfigFile()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(file.Config.Entrypoint).To(Equal([]string{"/pod"}))
	g.Expect(file.Config.User).To(Equal("65532:65532"))
	g.Expect(file.OS).To(Equal("linux"))
	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(archive) })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(manifest[0].RepoTags).To(Equal([]string{podImage}))
	g.Expect(manifest[0].Layers).To(HaveLen(1))
	g.Expect(writeImage(archive, podImage, filepath.Join(dir, "absent"))).To(MatchError(os.ErrNotExist))
}

func TestFoldersThatCannotBeTheClusters(t *testing.T) {
	g := NewWithT(t)
	g.Expect(checkFolder("/var/cache/extension-operator/cluster")).To(Succeed())
	g.Expect(checkFolder("/var/lib/cache/cluster")).To(MatchError(ContainSubstring("cannot be below /var/lib")))
	g.Expect(checkFolder("/" + strings.Repeat("long/", 20) + "cluster")).To(MatchError(And(
		ContainSubstring("too long for a socket, by 23 characters"), ContainSubstring(tree.CacheVariable))))
}

func TestWhatWasChosenIsKept(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(aCluster(g, dir).write()).To(Succeed())
	again := &cluster{dir: dir}
	g.Expect(again.read()).To(BeTrue())
	g.Expect(again.network.String()).To(Equal("10.9.0.0/16"))
	g.Expect((&cluster{dir: t.TempDir()}).read()).To(BeFalse())
	g.Expect(os.WriteFile(again.settingsFile(), []byte(`{"subnet": "10.9.0.0/8"}`), 0o600)).To(Succeed())
	_, err := again.read()
	g.Expect(err).To(HaveOccurred())
}

func TestPartsByName(t *testing.T) {
	g := NewWithT(t)
	c := aCluster(g, "/cache/cluster")
	parts, err := c.named([]string{"kubelet", "containerd"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{parts[0].path, parts[1].path}).To(Equal([]string{"/programs/kubelet", "/debian/usr/bin/containerd"}))
	_, err = c.named([]string{"kubelt"})
	g.Expect(err).To(MatchError(ContainSubstring(`no part is called "kubelt"; there are etcd, containerd,`)))
}

func TestEventually(t *testing.T) {
	g := NewWithT(t)
	tries := 0
	g.Expect(eventually(t.Context(), time.Minute, func(context.Context) error {
		if tries++; tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})).To(Succeed())
	never := func(context.Context) error { return errors.New("never") }
	g.Expect(eventually(t.Context(), 150*time.Millisecond, never)).To(MatchError("not within 150ms: never"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(eventually(ctx, time.Minute, never)).To(MatchError(context.Canceled))
}

func TestAFailureShowsTheEndOfTheLog(t *testing.T) {
	g := NewWithT(t)
	c := aCluster(g, t.TempDir())
	g.Expect(os.MkdirAll(filepath.Dir(c.log("etcd")), 0o700)).To(Succeed())
	g.Expect(os.WriteFile(c.log("etcd"), []byte(strings.Repeat("early\n", 30)+strings.Repeat("late\n", tailLines)), 0o600)).To(Succeed())
	g.Expect(c.failed("etcd", errors.New("it ended"))).To(MatchError(And(
		HavePrefix("etcd does not serve: it ended\n"), ContainSubstring("late"), Not(ContainSubstring("early")))))
	g.Expect(c.failed("etcd", context.Canceled)).To(MatchError("interrupted while etcd was starting"))
}

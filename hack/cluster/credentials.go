// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// adminGroup is bound to the ClusterRole cluster-admin: its members are subject to RBAC as everyone is.
const adminGroup = "extension-operator:cluster-admins"

// clients are those that come with a kubeconfig, and the groups they are in.
var clients = []struct {
	file, user string
	groups     []string
}{
	{file: "admin", user: "cluster-admin", groups: []string{adminGroup}},
	{file: "kube-controller-manager", user: "system:kube-controller-manager"},
	{file: "kube-scheduler", user: "system:kube-scheduler"},
	{file: "kube-proxy", user: "system:kube-proxy"},
	{file: "coredns", user: "system:coredns"},
	{file: "kubelet", user: "system:node:" + nodeName, groups: []string{"system:nodes"}},
	// Only until the admin's group is bound; then it is removed.
	{file: "bootstrap", user: "bootstrap", groups: []string{"system:masters"}},
}

// kubeletClient is who the API server is when it calls the kubelet.
const kubeletClient = "kube-apiserver-kubelet-client"

// writeCredentials writes every certificate, key and kubeconfig of the cluster to dir.
func writeCredentials(dir string, n network) error {
	ca, files, err := newAuthority()
	if err != nil {
		return err
	}
	if err := files.write(dir, "ca"); err != nil {
		return err
	}
	if err := writeServers(dir, ca, n); err != nil {
		return err
	}
	caller, err := ca.client(kubeletClient)
	if err != nil {
		return err
	}
	if err := caller.write(dir, kubeletClient); err != nil {
		return err
	}
	for _, client := range clients {
		own, err := ca.client(client.user, client.groups...)
		if err != nil {
			return err
		}
		if err := clientcmd.WriteToFile(kubeconfig(n, client.user, files.certificate, own), filepath.Join(dir, client.file+".kubeconfig")); err != nil {
			return err
		}
	}
	return writeTokenKey(dir)
}

func writeServers(dir string, ca authority, n network) error {
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost"}
	addresses := []net.IP{n.Node().AsSlice(), n.APIService().AsSlice(), net.IPv4(127, 0, 0, 1)}
	apiServer, err := ca.server("kube-apiserver", names, addresses)
	if err != nil {
		return err
	}
	if err := apiServer.write(dir, "kube-apiserver"); err != nil {
		return err
	}
	kubelet, err := ca.server(nodeName, []string{nodeName}, []net.IP{n.Node().AsSlice()})
	if err != nil {
		return err
	}
	return kubelet.write(dir, "kubelet")
}

// writeTokenKey writes the key that signs ServiceAccounts' tokens, and the one that checks them.
func writeTokenKey(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "tokens.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "tokens.pub"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o644)
}

func kubeconfig(n network, user string, ca []byte, own pair) clientcmdapi.Config {
	const name = "extension-operator"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: apiServerURL(n), CertificateAuthorityData: ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: own.certificate, ClientKeyData: own.key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	return *config
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"provisioning.dev/extension-operator/test/env"
)

// startCluster starts a control plane for the tests that need one; stopCluster stops it after all.
var (
	cluster      *env.Cluster
	startCluster = sync.OnceValue(func() (err error) {
		cluster, err = env.Start()
		return err
	})
)

func stopCluster() error {
	if cluster == nil {
		return nil
	}
	return cluster.Stop()
}

// tenant is a namespace of restricted pods, with whoever may do all.
type tenant struct {
	t         *testing.T
	namespace string
	admin     kubernetes.Interface
}

func newTenant(t *testing.T) tenant {
	t.Helper()
	g := NewWithT(t)
	g.Expect(startCluster()).To(Succeed())
	admin, err := kubernetes.NewForConfig(cluster.Config)
	g.Expect(err).NotTo(HaveOccurred())
	restricted := map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "hello-", Labels: restricted}}
	made, err := admin.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	return tenant{t, made.Name, admin}
}

// apply applies a file as an admin does.
func (n tenant) apply(file string) {
	n.t.Helper()
	n.kubectl("apply", "--filename", file)
}

// kubectl runs a command in the namespace as an admin does.
func (n tenant) kubectl(args ...string) {
	n.t.Helper()
	g := NewWithT(n.t)
	kubeconfig := filepath.Join(n.t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
	out, err := exec.CommandContext(n.t.Context(), cluster.Kubectl, append([]string{"--kubeconfig", kubeconfig, "--namespace", n.namespace}, args...)...).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
}

// mount gives a pod the service account of this name, as Kubernetes does, and returns its token.
func (n tenant) mount(p *pod, account string) string {
	n.t.Helper()
	g := NewWithT(n.t)
	token, err := n.admin.CoreV1().ServiceAccounts(n.namespace).CreateToken(n.t.Context(), account, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	p.order.Namespace = n.namespace
	_ = os.Mkdir(p.order.ServiceAccount, 0o755)
	p.write(filepath.Join(p.order.ServiceAccount, "token"), token.Status.Token)
	p.write(filepath.Join(p.order.ServiceAccount, "ca.crt"), string(cluster.Config.CAData))
	p.reach(cluster.Config.Host)
	return token.Status.Token
}

// reach tells the containers of a pod where the API is.
func (p *pod) reach(address string) {
	p.t.Helper()
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	at, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.environ = []string{"KUBERNETES_SERVICE_HOST=" + at.Hostname(), "KUBERNETES_SERVICE_PORT=" + at.Port()}
}

// front is an API server before the real one that may answer in its place; answer says whether it did.
type front struct {
	*httptest.Server

	mu       sync.Mutex
	requests []string
	answer   func(w http.ResponseWriter, r *http.Request) bool
}

func (n tenant) newFront(p *pod, answer func(w http.ResponseWriter, r *http.Request) bool) *front {
	n.t.Helper()
	g := NewWithT(n.t)
	target, _, err := rest.DefaultServerURL(cluster.Config.Host, "", clusterVersion, true)
	g.Expect(err).NotTo(HaveOccurred())
	roots := x509.NewCertPool()
	g.Expect(roots.AppendCertsFromPEM(cluster.Config.CAData)).To(BeTrue())
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: target.Host}) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	f := &front{answer: answer}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.requests = append(f.requests, r.Method+" "+r.URL.Path)
		f.mu.Unlock()
		if !f.answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	authority, certificate := newAuthority(g)
	f.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	f.StartTLS()
	n.t.Cleanup(f.Close)
	p.write(filepath.Join(p.order.ServiceAccount, "ca.crt"), authority)
	p.reach(f.URL)
	return f
}

// seen are the requests that came so far.
func (f *front) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.requests...)
}

var clusterVersion = corev1.SchemeGroupVersion

// newAuthority makes a certificate authority, and a certificate of it for the loopback address.
func newAuthority(g Gomega) (authority string, certificate tls.Certificate) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kubernetes"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	g.Expect(err).NotTo(HaveOccurred())
	var text bytes.Buffer
	g.Expect(pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: caDER})).To(Succeed())
	return text.String(), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// status is an answer of the API that is an error.
func status(w http.ResponseWriter, code int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"code":%d}`, message, code)
}

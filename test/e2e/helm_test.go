// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What the chart is installed as, and where it is.
const (
	chartName = "extension-operator"
	chart     = "charts/extension-operator"
)

// helm runs the pinned helm, from the root of the source tree.
func helm(args ...string) {
	GinkgoHelper()
	cmd := exec.Command("go", append([]string{"tool", "-modfile=hack/tools/helm.mod", "helm", "--namespace=" + system}, args...)...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	GinkgoWriter.Println(string(out))
	Expect(err).NotTo(HaveOccurred(), "helm %s: %s", strings.Join(args, " "), out)
}

// imageValues are the chart's values for the suite's image.
func imageValues() []string {
	GinkgoHelper()
	image, err := reference.ParseNormalizedNamed(need("E2E_IMAGE"))
	Expect(err).NotTo(HaveOccurred())
	values := []string{"--set=image.repository=" + reference.FamiliarName(image)}
	if tagged, is := image.(reference.Tagged); is {
		values = append(values, "--set=image.tag="+tagged.Tag())
	}
	if digested, is := image.(reference.Digested); is {
		values = append(values, "--set=image.digest="+digested.Digest().String())
	}
	return values
}

// chartValues are the image's and those of a text.
func chartValues(text string) []string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), "values.yaml")
	Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
	return append(imageValues(), "--values="+path)
}

// restricted makes the operator's namespace, and has it take restricted pods alone.
func restricted(ctx context.Context) {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: system, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}})).To(Succeed())
}

// motdLibrary is a ConfigMap of the operator's namespace with one extension, and the chart's values that mount it.
func motdLibrary(ctx context.Context) string {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "own-library"}, Data: map[string]string{
		"manifest": manifestOf("motd"), "module": good,
	}})).To(Succeed())
	return `
libraries:
- name: own
  configMap:
    name: own-library
    items:
    - {key: manifest, path: taskservs/motd/manifest.toml}
    - {key: module, path: taskservs/motd/mod.nu}
`
}

// missing tells whether there is no such object.
func missing(ctx context.Context, object client.Object) bool {
	return apierrors.IsNotFound(admin.Get(ctx, client.ObjectKeyFromObject(object), object))
}

// certificate makes a Secret with a certificate for a host that signs itself, and returns what trusts it.
func certificate(ctx context.Context, secret, host string) *x509.CertPool {
	GinkgoHelper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Expect(err).NotTo(HaveOccurred())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	Expect(err).NotTo(HaveOccurred())
	private, err := x509.MarshalPKCS8PrivateKey(key)
	Expect(err).NotTo(HaveOccurred())
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	Expect(admin.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: secret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: public, corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})},
	})).To(Succeed())
	pool := x509.NewCertPool()
	Expect(pool.AppendCertsFromPEM(public)).To(BeTrue())
	return pool
}

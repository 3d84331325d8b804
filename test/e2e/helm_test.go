// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/distribution/reference"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
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

func helmSpecs() {
	It("loads and installs nothing again where the chart is upgraded, uninstalled and installed again", Label("chart"), func(ctx SpecContext) {
		removeAll()
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		restricted(ctx)
		helm(append([]string{"install", chartName, chart}, imageValues()...)...)
		applySamples()
		rolledOut()
		r := newRoom(ctx)
		jobs := r.watchJobs(ctx)
		r.hello(ctx)
		before := loaded(ctx, samples, r.name)
		attempt := r.installation(ctx, "hello").Status.Attempt
		same := func() {
			GinkgoHelper()
			untouched(ctx, before)
			Expect(r.installation(ctx, "hello").Status.Attempt).To(Equal(attempt))
			Consistently(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed"), "no Job is made")
		}

		By("upgrading it to other values")
		values := chartValues("manager: {replicas: 3, extraArgs: [--log-level=debug]}\n" + motdLibrary(ctx))
		from := time.Now()
		helm(append([]string{"upgrade", chartName, chart}, values...)...)
		rolledOut()
		Eventually(func() []corev1.Pod { return podsOf(ctx, manager) }).Should(HaveLen(3))
		r.extends(ctx, api.TaskservType, "motd", "")
		Expect(r.becomes(ctx, "motd", ready).Status.Catalog).To(Equal("own"))
		same()
		if ownCluster() {
			written := writes(requestsOfOperator(from))
			Expect(written).To(HaveEach(HaveSuffix("extensions/status motd")), "nothing but the new Extension is written")
			figure("writes of the operator during helm upgrade, with a new Extension", len(written))
		}

		By("uninstalling it, which keeps the CRDs")
		before = loaded(ctx, samples, r.name)
		helm("uninstall", chartName, "--timeout=4m")
		Expect(missing(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}})).To(BeTrue())
		Expect(r.installation(ctx, "hello").Finalizers).To(BeEmpty())
		same()

		By("installing it again, which takes over what is there")
		helm(append([]string{"install", chartName, chart}, values...)...)
		rolledOut()
		r.extends(ctx, api.TaskservType, "containerd", "") // whoever leads now works
		r.becomes(ctx, "containerd", ready)
		Eventually(func() []string { return r.installation(ctx, "hello").Finalizers }).ShouldNot(BeEmpty(), "it is held again")
		same()
		r.kubectl("delete", "installation", "hello", "--timeout=2m")
		gone(ctx, &appsv1.Deployment{ObjectMeta: r.named("hello")})
		Eventually(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed", "Uninstall, 1 succeeded, 0 failed"))
		helm("uninstall", chartName, "--timeout=4m")
	})

	It("is installed by the chart with a library, a configuration, a certificate and readers of its metrics, and without Installations", Label("chart"), func(ctx SpecContext) {
		removeAll()
		gone(ctx, &corev1.Namespace{ObjectMeta: metaNamed(system)})
		restricted(ctx)
		r := newRoom(ctx)
		const host = "extension-manager-api." + system + ".svc"
		trusted := certificate(ctx, "own-certificate", host)
		helm(append([]string{"install", chartName, chart}, chartValues(motdLibrary(ctx)+`
builtinLibrary: last
manager: {replicas: 1}
installations: {enabled: false}
config: |
  [orchestrator.extensions]
  auto_load = false
api: {tls: {secretName: own-certificate}}
metrics: {readers: [{name: scraper, namespace: `+r.name+`}]}
crds: {keep: false}
`)...)...)
		kubectl("-n", system, "rollout", "status", "deployment/"+manager, "--timeout=3m")
		Expect(podsOf(ctx, manager)).To(HaveLen(1))
		for _, absent := range []client.Object{
			&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: installer}},
			&rbacv1.ClusterRole{ObjectMeta: metaNamed(installer)},
		} {
			Expect(missing(ctx, absent)).To(BeTrue(), "%T", absent)
		}

		for name, catalog := range map[string]string{"motd": "own", "etcd": "extensions"} {
			r.extends(ctx, api.TaskservType, name, "")
			r.becomes(ctx, name, "False AwaitingRequest")
			r.kubectl("annotate", "extension", name, api.ReloadAnnotation+"=now-1")
			Expect(r.becomes(ctx, name, ready).Status.Catalog).To(Equal(catalog))
		}
		user, scraper, stranger := r.account(ctx, "user", "extension-api-user"), r.account(ctx, "scraper"), r.account(ctx, "stranger")
		url := forward("extension-manager-api", 8090)
		Eventually(func(g Gomega) {
			code, answer := askOver(&tls.Config{RootCAs: trusted, ServerName: host}, http.MethodGet, url+"/api/v1/extensions/loaded", user, "")
			g.Expect(code).To(Equal(http.StatusOK), answer)
			g.Expect(answer).To(ContainSubstring(`"name":"motd"`))
		}).Should(Succeed())
		metrics := forward("extension-manager-metrics", 8443) + "/metrics"
		code, answer := ask(http.MethodGet, metrics, scraper, "")
		Expect(code).To(Equal(http.StatusOK), answer)
		Expect(answer).To(ContainSubstring(`extension_operator_extensions{reason="Loaded"`))
		code, answer = ask(http.MethodGet, metrics, stranger, "")
		Expect(code).To(Equal(http.StatusForbidden), answer)

		helm("uninstall", chartName, "--timeout=4m")
		for _, name := range crds {
			gone(ctx, &apiextensions.CustomResourceDefinition{ObjectMeta: metaNamed(name)})
		}
		kubectl("delete", "namespace", system, "--timeout=2m")
	})
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

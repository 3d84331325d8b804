// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// freeAddress is one on loopback that nobody listened on a moment ago.
func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer func() { Expect(listener.Close()).To(Succeed()) }()
	return listener.Addr().String()
}

// ask returns the status code and body of a GET; 0 while nobody answers.
func ask(url string) (int, string) { return askAs("", url) }

// askAs is ask by whoever the API server knows by a bearer token.
func askAs(token, url string) (int, string) {
	request, err := http.NewRequest(http.MethodGet, url, http.NoBody)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := insecure().Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

// insecure is a client for a certificate that is self-signed, and not what is tested here.
func insecure() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func code(url string) func() int {
	return func() int {
		status, _ := ask(url)
		return status
	}
}

// token makes a ServiceAccount in the world's namespace and returns what it shows of itself.
func (w *world) token(name string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	create(account)
	request := &authenticationv1.TokenRequest{}
	Expect(admin.SubResource("token").Create(context.Background(), account, request)).To(Succeed())
	return request.Status.Token
}

var _ = Describe("what the manager serves", func() {
	It("is alive without nu, and ready with it", func() {
		w := newWorld()
		w.settings.NushellPath = filepath.Join(w.t.TempDir(), "nu")
		probes := freeAddress()
		_, log := w.spawn("--health-probe-bind-address=" + probes)
		Eventually(code("http://" + probes + "/healthz")).Should(Equal(http.StatusOK))
		Consistently(code("http://" + probes + "/readyz")).Should(Equal(http.StatusInternalServerError))
		_, body := ask("http://" + probes + "/readyz")
		Expect(body).To(Equal("[+]informers ok\n[-]nushell failed: Nushell cannot be used: stat " + w.settings.NushellPath +
			": no such file or directory; install Nushell 0.115.x or set --nushell-path\n[+]sandbox ok\nnot ready\n"))
		Eventually(log).Should(gbytes.Say(`"Not ready".*"nushell".*no such file`))
		Expect(os.Symlink(nu, w.settings.NushellPath)).To(Succeed())
		Eventually(code("http://" + probes + "/readyz")).Should(Equal(http.StatusOK))
	})

	It("does not start where another listens for probes, and names the flag", func() {
		w := newWorld()
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(taken.Close)
		cmd, log := w.spawn("--health-probe-bind-address=" + taken.Addr().String())
		Expect(cmd.Wait()).NotTo(Succeed())
		Expect(string(log.Contents())).To(ContainSubstring("listen at --health-probe-bind-address: "))
	})

	It("gives metrics to nobody whom the API server does not know", func() {
		w := newWorld()
		metrics := freeAddress()
		w.spawn("--metrics-bind-address=" + metrics)
		Eventually(code("https://" + metrics + "/metrics")).Should(Equal(http.StatusUnauthorized))
		Expect(code("http://" + metrics + "/metrics")()).To(Equal(http.StatusBadRequest))
	})

	It("gives metrics to whom the shipped role is bound, and to no other", func() {
		w := newWorld()
		role := &rbacv1.ClusterRole{}
		readShipped("metrics_reader_role.yaml", role)
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "prometheus"}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		}
		create(role, binding)
		DeferCleanup(func() {
			Expect(admin.Delete(context.Background(), role)).To(Succeed())
			Expect(admin.Delete(context.Background(), binding)).To(Succeed())
		})
		bound, other := w.token("prometheus"), w.token("somebody")
		metrics := freeAddress()
		w.spawn("--metrics-bind-address=" + metrics)
		url := "https://" + metrics + "/metrics"
		Eventually(code(url)).Should(Equal(http.StatusUnauthorized))
		var text string
		Eventually(func() (status int) { // the API server may learn of a role a moment later
			status, text = askAs(bound, url)
			return status
		}).Should(Equal(http.StatusOK))
		Expect(text).To(ContainSubstring("controller_runtime_"))
		status, _ := askAs(other, url)
		Expect(status).To(Equal(http.StatusForbidden))
	})
})

var _ = Describe("two managers", func() {
	It("have one leader, and a change of it writes and loads nothing", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.LeaderElect, w.settings.LeaderElectionNS = true, "extension-system"
		first := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second.settings.CacheDir = w.t.TempDir()
		first.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		second.start()
		first.stop()
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		Eventually(func() string { return w.get("etcd").Status.Version }).Should(Equal("3.6.0"))
		Expect(second.writes.Load()).To(BeEquivalentTo(1), "the one of the new version")
		Expect(second.loader.Stats().Runs).To(BeEquivalentTo(1))
	})
})

var _ = Describe("an object that comes again", func() {
	It("starts from nothing when it is deleted and made anew under its name", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		uids := map[types.UID]bool{}
		for range 5 {
			ext := w.apply(api.TaskservType, "etcd", "")
			uids[ext.UID] = true
			w.becomes("etcd", ready)
			Expect(admin.Delete(context.Background(), ext)).To(Succeed())
		}
		Expect(uids).To(HaveLen(5))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
	})
})

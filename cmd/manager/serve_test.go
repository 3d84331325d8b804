// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// postAs asks for something by a body of JSON.
func postAs(token, url, body string) int {
	GinkgoHelper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := insecure().Do(request)
	Expect(err).NotTo(HaveOccurred())
	Expect(response.Body.Close()).To(Succeed())
	return response.StatusCode
}

var _ = Describe("the server of the REST API", func() {
	It("answers whom the API server knows, over TLS, about what they may see", func() {
		w := newWorld()
		w.settings.APIBindAddress, w.settings.APISecure = "127.0.0.1:0", true
		role := &rbacv1.ClusterRole{}
		readShipped("extension_api_user_role.yaml", role)
		create(role)
		DeferCleanup(func() { Expect(admin.Delete(context.Background(), role)).To(Succeed()) })
		bind := func(namespace, account string) {
			create(&rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account},
				Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: account}},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			})
		}
		elsewhere := newWorld()
		own, others := w.token("own"), elsewhere.token("others")
		bind(w.namespace, "own")
		bind(elsewhere.namespace, "others")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		base := "https://" + w.server.Addr().String() + "/api/v1/extensions/"

		status, text := ask(base + "loaded")
		Expect(status).To(Equal(http.StatusUnauthorized))
		Expect(text).To(And(HavePrefix(`{"success":false,"error":"the request has no token;`), ContainSubstring("Authorization: Bearer TOKEN")))
		status, text = askAs("nonsense", base+"loaded")
		Expect(status).To(Equal(http.StatusUnauthorized))
		Expect(text).To(ContainSubstring("the token was not accepted"))

		// The API server may learn of a role a moment later, and a no is remembered for half a minute.
		Eventually(func() string {
			_, text := askAs(own, base+"loaded")
			return text
		}, time.Minute, time.Second).Should(ContainSubstring(`"version":"3.5.9"`))
		status, text = askAs(others, base+"loaded")
		Expect(status).To(Equal(http.StatusOK))
		Expect(text).To(ContainSubstring(`"data":[]`))
		status, _ = askAs(others, base+"loaded?namespace="+w.namespace)
		Expect(status).To(Equal(http.StatusForbidden))
		const reload = `{"extension_type": "taskserv", "name": "etcd"}`
		Expect(postAs(others, base+"reload", reload)).To(Equal(http.StatusNotFound), "as if there were none")
		Expect(postAs(others, base+"reload", `{"extension_type": "taskserv", "name": "etcd", "namespace": "`+w.namespace+`"}`)).To(Equal(http.StatusForbidden))
		Expect(w.get("etcd").Status.LastHandledReloadAt).To(BeEmpty())
		Expect(postAs(own, base+"reload", reload)).To(Equal(http.StatusOK))
		Expect(w.get("etcd").Status.LastHandledReloadAt).NotTo(BeEmpty())
	})

	It("says in the envelope when a client sends too much at once", func() {
		w := newWorld()
		w.settings.APIRequestsPerSecond, w.settings.APIBurst = 1, 2
		w.start()
		for range 2 {
			Expect(w.call(http.MethodGet, "/openapi.json").Status).To(Equal(http.StatusOK))
		}
		r := w.call(http.MethodGet, "/openapi.json")
		Expect(r.Status).To(Equal(http.StatusTooManyRequests))
		Expect(r.Error).To(Equal("more than 1 requests a second; send the next in 1 s"))
		Expect(r.Header.Get("Retry-After")).To(Equal("1"))
	})

	It("lets everybody in on loopback without --api-secure, but no web page, and is a part of what is ready", func() {
		w := newWorld()
		address, probes := freeAddress(), freeAddress()
		w.spawn("--api-bind-address="+address, "--api-secure=false", "--health-probe-bind-address="+probes)
		Eventually(func() string {
			_, text := ask("http://" + probes + "/readyz?verbose")
			return text
		}).Should(ContainSubstring("[+]api ok"))
		_, text := ask("http://" + address + "/api/v1/extensions/loaded")
		Expect(text).To(ContainSubstring(`"success":true`))
		request, err := http.NewRequest(http.MethodGet, "http://"+address+"/api/v1/extensions/loaded", http.NoBody)
		Expect(err).NotTo(HaveOccurred())
		request.Host = "evil.example"
		response, err := http.DefaultClient.Do(request)
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Body.Close()).To(Succeed())
		Expect(response.StatusCode).To(Equal(http.StatusForbidden))
	})

	It("is not started without protection where others reach it, nor where the address is taken", func() {
		w := newWorld()
		mgr, err := ctrl.NewManager(asManager, options(w.settings))
		Expect(err).NotTo(HaveOccurred())
		w.settings.APIBindAddress = ":0"
		Expect((&parts{}).addServer(context.Background(), mgr, w.settings)).To(
			MatchError(ContainSubstring("which is not loopback: without TLS and authentication whoever reaches it could do everything")))
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer taken.Close()
		w.settings.APIBindAddress = taken.Addr().String()
		Expect((&parts{}).addServer(context.Background(), mgr, w.settings)).To(
			MatchError(And(ContainSubstring("address already in use"), ContainSubstring("--api-bind-address"))))
	})

	It("is not there where the address is 0", func() {
		w := newWorld()
		mgr, err := ctrl.NewManager(asManager, options(w.settings))
		Expect(err).NotTo(HaveOccurred())
		p := &parts{}
		Expect(p.addServer(context.Background(), mgr, w.settings)).To(Succeed())
		Expect(p.server).To(BeNil())
		Expect(readiness(mgr, p, w.settings)).NotTo(HaveKey("api"))
	})

	It("refuses to start the program on an address that others reach", func() {
		w := newWorld()
		cmd, log := w.spawn("--api-bind-address=:8090", "--api-secure=false")
		Expect(cmd.Wait()).NotTo(Succeed())
		Expect(log.Contents()).To(ContainSubstring("whoever reaches that address could do everything"))
	})
})

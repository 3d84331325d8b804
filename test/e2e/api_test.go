// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

var forwarded = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// restAPI is the address of the REST API until the spec ends.
func restAPI() string {
	GinkgoHelper()
	return forward("extension-manager-api", 8090)
}

// forward forwards a port of this machine to one of a Service until the spec ends, and returns its address.
func forward(service string, port int) string {
	GinkgoHelper()
	cmd := exec.Command(need("E2E_KUBECTL"), "-n", system, "port-forward", "service/"+service, fmt.Sprintf(":%d", port), "--address=127.0.0.1")
	out, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	cmd.Stderr = GinkgoWriter
	Expect(cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says that it was killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	Expect(err).NotTo(HaveOccurred())
	go func() { _, _ = io.Copy(GinkgoWriter, out) }()
	return "https://" + forwarded.FindString(line)
}

// unknown takes any certificate: each replica has one of its own making where none is given.
var unknown = &tls.Config{InsecureSkipVerify: true}

// ask sends a request as somebody with a token.
func ask(method, url, token, body string) (code int, answer string) {
	GinkgoHelper()
	return askOver(unknown, method, url, token, body)
}

// askOver asks who shows a certificate as it is wanted.
func askOver(wanted *tls.Config, method, url, token, body string) (code int, answer string) {
	GinkgoHelper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	// The connection is closed here first: where the server does so, kubectl may see it reset, and then forwards nothing more.
	transport := &http.Transport{TLSClientConfig: wanted}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Timeout: time.Minute, Transport: transport}).Do(request)
	Expect(err).NotTo(HaveOccurred())
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	return response.StatusCode, string(text)
}

func apiSpecs() {
	It("reloads by annotation", Label("api"), func(ctx SpecContext) {
		r := newRoom(ctx)
		r.extends(ctx, api.TaskservType, "etcd", "")
		before := r.becomes(ctx, "etcd", ready).Status.LoadedAt
		time.Sleep(time.Second) // loadedAt counts in seconds
		r.kubectl("annotate", "extension", "etcd", "--overwrite", api.ReloadAnnotation+"=now-1")
		r.kubectl("wait", "extension", "etcd", "--for=jsonpath={.status.lastHandledReloadAt}=now-1", "--timeout=2m")
		after := r.becomes(ctx, "etcd", ready).Status.LoadedAt
		Expect(after.Time).To(BeTemporally(">", before.Time))
	})

	It("reloads by HTTP, for who has a token and the right to", Label("api"), func(ctx SpecContext) {
		r, elsewhere := newRoom(ctx), newRoom(ctx)
		for _, place := range []room{r, elsewhere} {
			place.extends(ctx, api.TaskservType, "etcd", "")
			place.becomes(ctx, "etcd", ready)
		}
		before := r.extension(ctx, "etcd").Status
		user, viewer := r.account(ctx, "user", "extension-api-user"), r.account(ctx, "viewer", "extension-viewer")
		time.Sleep(time.Second) // loadedAt counts in seconds
		url := restAPI()
		const loaded, reload, body = "/api/v1/extensions/loaded", "/api/v1/extensions/reload", `{"extension_type": "taskserv", "name": "etcd"}`

		code, answer := ask(http.MethodGet, url+loaded, "", "")
		Expect(code).To(Equal(http.StatusUnauthorized), answer)
		code, answer = ask(http.MethodGet, url+loaded, user, "")
		Expect(code).To(Equal(http.StatusOK), answer)
		Expect(answer).To(ContainSubstring(`"name":"etcd"`))
		Expect(answer).NotTo(ContainSubstring(`"name":"cicd"`), "of a namespace where the user has no right")
		code, answer = ask(http.MethodPost, url+reload, viewer, body)
		Expect(code).To(Equal(http.StatusForbidden), answer)
		code, answer = ask(http.MethodPost, url+reload, user, body)
		Expect(code).To(Equal(http.StatusOK), answer)
		Expect(answer).To(ContainSubstring("Extension etcd reloaded"))
		after := r.extension(ctx, "etcd").Status
		Expect(after.LoadedAt.Time).To(BeTemporally(">", before.LoadedAt.Time))
		Expect(elsewhere.extension(ctx, "etcd").Status.LastHandledReloadAt).To(BeEmpty(), "not the user's to reload")
	})
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// reply is what the REST API answered.
type reply struct {
	Status  int
	Header  http.Header
	Text    string
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   string          `json:"error"`
	Reason  string          `json:"reason"`
	Details []struct {
		Namespace, Name, State, Reason, Message, Location string
	} `json:"details"`
	Continue string `json:"continue"`
}

// data reads what was asked for.
func data[T any](r reply) T {
	GinkgoHelper()
	var into T
	Expect(r.Success).To(BeTrue(), r.Text)
	Expect(json.Unmarshal(r.Data, &into)).To(Succeed(), r.Text)
	return into
}

// call asks the REST API of a world's manager. A body is JSON.
func (w *world) call(method, path string, body ...string) reply {
	GinkgoHelper()
	request := httptest.NewRequest(method, path, strings.NewReader(strings.Join(body, "")))
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	return w.send(request)
}

// send has the handler answer.
func (w *world) send(request *http.Request) reply {
	GinkgoHelper()
	recorder := httptest.NewRecorder()
	w.api.ServeHTTP(recorder, request)
	r := reply{Status: recorder.Code, Header: recorder.Header(), Text: recorder.Body.String()}
	if strings.HasPrefix(recorder.Header().Get("Content-Type"), "application/json") {
		Expect(json.NewDecoder(bytes.NewReader(recorder.Body.Bytes())).Decode(&r)).To(Succeed(), r.Text)
	}
	return r
}

// entry is one of what is loaded, as callers of the replaced system know it.
type entry struct {
	Metadata struct {
		Name, Version, Description string
		ExtensionType              string `json:"extension_type"`
		Dependencies               []string
		Author, Repository         *string
	}
	Path     string
	LoadedAt time.Time `json:"loaded_at"`
}

func (w *world) loaded(query string) []entry {
	GinkgoHelper()
	return data[[]entry](w.call(http.MethodGet, "/api/v1/extensions/loaded"+query))
}

func keys(entries []entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Metadata.ExtensionType+" "+e.Metadata.Name+" "+e.Metadata.Version)
	}
	return all
}

const loadKubernetes = `{"extension_type": "taskserv", "name": "kubernetes"}`

var _ = Describe("the REST API", func() {
	It("tells what is loaded, to the letter", func() {
		w := newWorld()
		w.publish(api.TaskservType, "kubernetes", "1.28.0", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "kubernetes", "1.28.0") + "dependencies = [\"etcd@^3.5\"]\nauthor = \"me\"\n",
		})
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		Expect(w.call(http.MethodGet, "/api/v1/extensions/loaded").Text).To(Equal("{\"success\":true,\"data\":[]}\n"))
		w.apply(api.TaskservType, "kubernetes", "")
		at := w.becomes("kubernetes", ready).Status.LoadedAt.UTC().Format(time.RFC3339)
		Eventually(func() int { return len(w.loaded("")) }).Should(Equal(2))
		Expect(w.call(http.MethodGet, "/api/v1/extensions/loaded").Text).To(Equal(`{"success":true,"data":[` +
			`{"metadata":{"name":"etcd","version":"3.5.9","description":"etcd for a test","extension_type":"Taskserv","dependencies":[],"author":null,"repository":null},` +
			`"path":"extensions/taskservs/etcd/3.5.9","loaded_at":"` + at + `"},` +
			`{"metadata":{"name":"kubernetes","version":"1.28.0","description":"kubernetes for a test","extension_type":"Taskserv","dependencies":["etcd@^3.5"],"author":"me","repository":null},` +
			`"path":"extensions/taskservs/kubernetes/1.28.0","loaded_at":"` + at + `"}]}` + "\n"))
		reload := w.call(http.MethodPost, "/api/v1/extensions/reload", `{"extension_type": "TASKSERV", "name": "kubernetes"}`)
		Expect(reload.Status).To(Equal(http.StatusOK))
		Expect(reload.Text).To(Equal("{\"success\":true,\"data\":\"Extension kubernetes reloaded\"}\n"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4))
	})
})

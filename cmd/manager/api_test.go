// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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
	request.Host = "localhost"
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

// reloadOf is the body of a reload of a taskserv.
func reloadOf(name string) string { return `{"extension_type": "taskserv", "name": "` + name + `"}` }

const reloadPath = "/api/v1/extensions/reload"

var _ = Describe("the REST API", func() {
	It("tells what is loaded, to the letter", func() {
		w := newWorld()
		w.publish(api.TaskservType, "kubernetes", "1.28.0", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "kubernetes", "1.28.0") + "dependencies = [\"etcd@^3.5\"]\nauthor = \"me\"\n",
		})
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		Eventually(func() string { return w.call(http.MethodGet, "/api/v1/extensions/loaded").Text }).Should(
			Equal("{\"success\":true,\"data\":[]}\n"), "once the informer has begun, before which no server does")
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

	It("reloads for who depends on what nobody asks for", func() {
		w := newWorld()
		w.publishNeeding("kubernetes", "1.28.0", "etcd")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "kubernetes", "")
		w.becomes("kubernetes", ready)
		reload := w.call(http.MethodPost, reloadPath, reloadOf("etcd"))
		Expect(reload.Text).To(Equal("{\"success\":true,\"data\":\"Extension etcd reloaded\"}\n"))
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4))
		Expect(w.get("kubernetes").Status.LastHandledReloadAt).To(Equal(w.get("kubernetes").Annotations[api.ReloadAnnotation]))
		broken := w.call(http.MethodGet, "/api/v1/extensions/taskserv/etcd/dependents")
		Expect(string(broken.Data)).To(ContainSubstring(`"loaded":["taskserv:kubernetes:1.28.0"]`))
	})

	It("says why a reload failed, and leaves what is loaded", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{"mod.nu": brokenModule})
		reload := w.call(http.MethodPost, reloadPath, reloadOf("etcd"))
		Expect(reload.Status).To(Equal(http.StatusUnprocessableEntity), reload.Text)
		Expect(reload.Reason).To(Equal("LoadFailed"))
		Expect(reload.Error).To(Equal(w.namespace + "/etcd: " + w.message("etcd")))
		Expect(reload.Details).To(ConsistOf(HaveField("State", "Failed")))
		Expect(keys(w.loaded(""))).To(Equal([]string{"Taskserv etcd 3.5.9"}))
	})

	It("says what waits, and where to look", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		began := time.Now()
		at := w.call(http.MethodPost, reloadPath+"?wait=0s", reloadOf("etcd"))
		Expect(at.Status).To(Equal(http.StatusAccepted))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		token := w.get("etcd").Annotations[api.ReloadAnnotation]
		Expect(data[string](at)).To(ContainSubstring("kubectl --namespace " + w.namespace + " wait extension etcd --for=jsonpath='{.status.lastHandledReloadAt}'=" + token))
		Expect(at.Header.Get("Location")).To(Equal("/api/v1/extensions/loaded/taskserv/etcd"))
		Eventually(func() string { return w.get("etcd").Status.LastHandledReloadAt }).Should(Equal(token))

		w.change("etcd", func(ext *api.Extension) { ext.Spec.Suspend = true })
		Eventually(func() string { return w.call(http.MethodPost, reloadPath+"?wait=0", reloadOf("etcd")).Text }).Should(ContainSubstring("etcd is suspended"))
		missing := w.call(http.MethodPost, reloadPath, reloadOf("etdc"))
		Expect(missing.Status).To(Equal(http.StatusNotFound))
		Expect(missing.Error).To(ContainSubstring("loaded of this type: etcd"))
	})

	It("answers the same on every replica, whoever leads", func() {
		w := newWorld()
		w.publishNeeding("kubernetes", "1.28.0", "etcd")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.settings.LeaderElect = true
		first := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second.settings.CacheDir = w.t.TempDir()
		first.start()
		w.apply(api.TaskservType, "kubernetes", "")
		w.becomes("kubernetes", ready)
		Eventually(func() []entry { return first.loaded("") }).Should(HaveLen(2))
		second.start()
		for _, path := range []string{"loaded", "loaded/taskserv/etcd", "taskserv/etcd/dependents", "available", "graph"} {
			Eventually(func() string { return second.call(http.MethodGet, "/api/v1/extensions/"+path).Text }).Should(
				And(ContainSubstring("kubernetes"), Equal(first.call(http.MethodGet, "/api/v1/extensions/"+path).Text)), path)
		}
		Expect(keys(second.loaded(""))).To(Equal([]string{"Taskserv etcd 3.5.9", "Taskserv kubernetes 1.28.0"}))
		Expect(second.loader.Stats().Runs).To(BeZero(), "who does not lead has loaded nothing")
		byFollower := second.call(http.MethodPost, reloadPath, reloadOf("kubernetes"))
		Expect(byFollower.Text).To(Equal("{\"success\":true,\"data\":\"Extension kubernetes reloaded\"}\n"))
		Expect(first.loader.Stats().Runs).To(BeEquivalentTo(4))
		before := second.call(http.MethodGet, "/api/v1/extensions/loaded").Text
		Eventually(func() string { return first.call(http.MethodGet, "/api/v1/extensions/loaded").Text }).Should(Equal(before))
		first.stop()
		Expect(second.call(http.MethodGet, "/api/v1/extensions/loaded").Text).To(Equal(before))
		Expect(second.call(http.MethodPost, reloadPath, reloadOf("kubernetes")).Status).To(Equal(http.StatusOK), "by the new leader")
	})

	It("clears the cache of every replica, in the name of who asked", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "runc", "1.0.0", nil)
		w.settings.AuditLog = filepath.Join(w.t.TempDir(), "audit.log")
		second := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second.settings.CacheDir, second.settings.AuditLog = w.t.TempDir(), filepath.Join(w.t.TempDir(), "audit.log")
		other := newWorld() // of another namespace, so that both load
		second.namespace = other.namespace
		w.start()
		second.start()
		for _, each := range []*world{w, second} {
			for _, name := range []string{"etcd", "runc"} {
				each.apply(api.TaskservType, name, "")
				each.becomes(name, ready)
			}
		}
		entries := func(of *world) func() int { return func() int { return of.loader.Stats().Entries } }
		one := w.call(http.MethodDelete, "/api/v1/extensions/cache?key=taskserv:etcd:3.5.9")
		Expect(one.Text).To(Equal("{\"success\":true,\"data\":\"Cache cleared of taskserv:etcd:3.5.9\"}\n"))
		Expect(entries(w)()).To(Equal(1))
		Eventually(entries(second)).Should(Equal(1))
		Expect(second.call(http.MethodDelete, "/api/v1/extensions/cache").Status).To(Equal(http.StatusOK))
		Expect(entries(second)()).To(BeZero())
		Eventually(entries(w)).Should(BeZero())
		Expect(keys(w.loaded(""))).To(HaveLen(2), "what is loaded stays so")
		w.stop()
		second.stop()
		for _, each := range []*world{w, second} {
			text, err := os.ReadFile(each.settings.AuditLog)
			Expect(err).NotTo(HaveOccurred())
			Expect(string(text)).To(And(ContainSubstring(`"verb":"clear"`), ContainSubstring(`"extensions.provisioning.dev/key":"taskserv:etcd:3.5.9"`)))
		}
	})

	It("describes a dependency as it was loaded, whatever the library has by now", func() {
		w := newWorld()
		w.publishNeeding("kubernetes", "1.28.0", "etcd")
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "kubernetes", "")
		w.becomes("kubernetes", ready)
		w.change("kubernetes", func(ext *api.Extension) { ext.Spec.Suspend = true })
		w.publish(api.TaskservType, "etcd", "3.5.9", map[string]string{
			"manifest.toml": strings.ReplaceAll(manifest(api.TaskservType, "etcd", "3.5.9"), "for a test", "of another day"),
		})
		offered := func() string { return w.call(http.MethodGet, "/api/v1/extensions/available?name=etcd").Text }
		Eventually(offered).Should(ContainSubstring("etcd of another day"))
		etcd := w.loaded("?name=etcd")
		Expect(etcd).To(HaveLen(1))
		Expect(etcd[0].Metadata.Description).To(Equal("etcd for a test"))
		Expect(etcd[0].Path).To(Equal("extensions/taskservs/etcd/3.5.9"))

		second := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
		second.settings.CacheDir = w.t.TempDir() // which never had the content of then
		second.start()
		Eventually(func() int { return second.call(http.MethodGet, "/api/v1/extensions/loaded").Status }).Should(Equal(http.StatusOK))
		again := second.loaded("?name=etcd")
		Expect(keys(again)).To(Equal(keys(etcd)))
		Expect(again[0].Path).To(Equal(etcd[0].Path))
		Expect(again[0].Metadata.Description).To(BeEmpty(), "rather than what is true of something else")

		Expect(os.RemoveAll(w.folder(api.TaskservType, "etcd", "3.5.9"))).To(Succeed())
		Eventually(offered).ShouldNot(ContainSubstring("3.5.9"))
		Eventually(func() []string { return keys(second.loaded("?name=etcd")) }).Should(Equal(keys(etcd)), "it is loaded all the same")
	})

	It("offers a name from the first library that has it", func() {
		w := newWorld()
		other := newWorld()
		w.settings.Libraries = []string{w.catalogDir, "other=" + other.catalogDir}
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		other.publish(api.TaskservType, "etcd", "3.6.0", nil)
		other.publish(api.ProviderType, "aws", "1.0.0", nil)
		w.start()
		type offer struct {
			Name, Catalog string
			Versions      []struct{ Version string }
		}
		Expect(data[[]offer](w.call(http.MethodGet, "/api/v1/extensions/available"))).To(Equal([]offer{
			{"aws", "other", []struct{ Version string }{{"1.0.0"}}}, {"etcd", "extensions", []struct{ Version string }{{"3.5.9"}}},
		}))
		whole := w.call(http.MethodGet, "/api/v1/extensions/graph?format=dot")
		Expect(whole.Text).To(And(ContainSubstring("provider:aws:1.0.0"), ContainSubstring("taskserv:etcd:3.5.9"), Not(ContainSubstring("3.6.0"))))
		missing := w.call(http.MethodGet, "/api/v1/extensions/graph?root=taskserv/etdc")
		Expect(missing.Status).To(Equal(http.StatusNotFound))
		Expect(missing.Error).To(ContainSubstring("did you mean etcd?"))
	})

	It("counts what the cache is worth", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.populate(4)
		w.allReady(4)
		type stats struct {
			Loads, Runs, Entries, Capacity int
			Hits                           int     `json:"cache_hits"`
			Ratio                          float64 `json:"hit_ratio"`
		}
		got := data[stats](w.call(http.MethodGet, "/api/v1/extensions/stats"))
		Expect(got.Runs).To(Equal(1))
		Expect(got.Loads).To(Equal(got.Runs + got.Hits))
		Expect(got.Ratio).To(BeNumerically("~", float64(got.Hits)/float64(got.Loads), 1e-9))
		Expect([]int{got.Entries, got.Capacity}).To(Equal([]int{1, 100}))
	})
})

// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/httpapi"
)

// names of a list, or of what has metadata.
func names(t testing.TB, out reply) []string {
	t.Helper()
	var list []struct {
		Name     string
		Metadata struct{ Name string }
	}
	NewWithT(t).Expect(json.Unmarshal(out.Data, &list)).To(Succeed(), out.Body.String())
	all := []string{}
	for _, one := range list {
		all = append(all, one.Name+one.Metadata.Name)
	}
	return all
}

func TestWhatIsLoadedIsToTheLetter(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	one := row("kubernetes", "1.28.0")
	one.At = time.Date(2026, 5, 4, 12, 0, 0, 999, time.FixedZone("", 2*60*60))
	one.Metadata.Type, one.Metadata.Repository = extension.Provider, "https://example.org/x?a=<b>&c"
	one.Metadata.Dependencies = []extension.Dependency{{Type: extension.Taskserv, Name: "etcd", Constraint: ">=3.5"}, {Type: extension.Provider, Name: "local"}}
	one.Metadata.Author = ""
	d.stock.rows = map[string][]extension.LoadedRow{"team-a": {one}}
	out := d.call(t, "GET", extensions+"/loaded")
	g.Expect(out.Body.String()).To(Equal(`{"success":true,"data":[{"metadata":{"name":"kubernetes","version":"1.28.0","description":"kubernetes","extension_type":"Provider",` +
		`"dependencies":["etcd@>=3.5","provider/local"],"author":null,"repository":"https://example.org/x?a=<b>&c"},` +
		`"path":"extensions/taskservs/kubernetes","loaded_at":"2026-05-04T10:00:00Z"}]}` + "\n"))
	g.Expect(out.Header().Get("Content-Type")).To(Equal("application/json"))
	d.stock.rows = nil
	d.stock.stamp.Add(1)
	g.Expect(d.call(t, "GET", extensions+"/loaded").Body.String()).To(Equal("{\"success\":true,\"data\":[]}\n"))
}

func TestListsAreFilteredAndPaged(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded?type=TaskServ"))).To(Equal([]string{"etcd", "kubernetes", "aws"}))
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded?type=cluster"))).To(BeEmpty())
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded?name=aws"))).To(Equal([]string{"aws"}))
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded?namespace=team-b"))).To(Equal([]string{"aws"}))
	first := d.call(t, "GET", extensions+"/loaded?limit=2")
	g.Expect(names(t, first)).To(Equal([]string{"etcd", "kubernetes"}))
	g.Expect(first.Continue).NotTo(BeEmpty())
	second := d.call(t, "GET", extensions+"/loaded?limit=2&continue="+first.Continue)
	g.Expect(names(t, second)).To(Equal([]string{"aws"}))
	g.Expect(second.Continue).To(BeEmpty())
}

func TestNobodySeesAnothersNamespaces(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	for range 2 { // the second time from what was kept
		d.guard.may = []string{"list team-a"}
		g.Expect(names(t, d.call(t, "GET", extensions+"/loaded"))).To(Equal([]string{"etcd", "kubernetes"}))
		d.guard.may = []string{"list team-b"}
		g.Expect(names(t, d.call(t, "GET", extensions+"/loaded"))).To(Equal([]string{"aws"}))
		d.guard.may = []string{}
		g.Expect(names(t, d.call(t, "GET", extensions+"/loaded"))).To(BeEmpty())
	}
	g.Expect(d.stock.looks).To(Equal(3), "what does not change is written once")
	for _, path := range []string{"/loaded", "/loaded/taskserv/aws", "/taskserv/aws/dependents"} {
		out := d.call(t, "GET", extensions+path+"?namespace=team-b")
		g.Expect(out.Code).To(Equal(403))
		g.Expect(out.Error).To(ContainSubstring("namespace team-b"))
	}
	g.Expect(string(d.call(t, "GET", extensions+"/loaded/taskserv/aws").Data)).To(Equal(`{"loaded":false,"extensions":[]}`))
}

func TestWhatWasKeptGoesWithAChange(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded"))).To(HaveLen(3))
	d.stock.rows["team-c"] = []extension.LoadedRow{row("postgresql", "16.0.0")}
	delete(d.stock.rows, "team-a")
	d.stock.stamp.Add(1)
	g.Expect(names(t, d.call(t, "GET", extensions+"/loaded"))).To(Equal([]string{"aws", "postgresql"}))
}

func TestOneExtensionIsToldInDetail(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	two := row("etcd", "3.4.0")
	two.InputDigest, two.Askers = "", []extension.Asker{{Namespace: "team-a", Name: "k", Dependent: extension.Key{Type: "taskserv", Name: "k", Version: "1.0.0"}}}
	d.stock.rows["team-a"] = append(d.stock.rows["team-a"], two)
	out := d.call(t, "GET", extensions+"/loaded/taskSERV/etcd")
	var data struct {
		Loaded     bool
		Extensions []map[string]any
	}
	g.Expect(json.Unmarshal(out.Data, &data)).To(Succeed())
	g.Expect(data.Loaded).To(BeTrue())
	g.Expect(data.Extensions).To(HaveLen(2))
	g.Expect(data.Extensions[0]).To(And(HaveKeyWithValue("key", "taskserv:etcd:3.5.9"), HaveKeyWithValue("input_digest", "sha256:bb"),
		HaveKeyWithValue("loaded_for", ConsistOf(HaveKeyWithValue("dependency_of", BeNil())))))
	g.Expect(data.Extensions[1]).To(HaveKeyWithValue("loaded_for", ConsistOf(HaveKeyWithValue("dependency_of", "taskserv:k:1.0.0"))))
	out = d.call(t, "GET", extensions+"/loaded/taskserv/etcd?version=9.9.9")
	g.Expect(string(out.Data)).To(Equal(`{"loaded":false,"extensions":[]}`))
}

func TestDependentsAreWhatWouldBreak(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	key := func(name string) extension.Key {
		return extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}
	}
	d.stock.dependents = map[string][]extension.Dependent{
		"team-a": {{
			Namespace: "team-a", Name: "prod", Loaded: key("top"), On: key("etcd"),
			Demand: extension.Demand{By: key("middle"), Dependency: extension.Dependency{Constraint: "^1"}},
		}, {Namespace: "team-a", Name: "wants", On: extension.Key{Type: extension.Taskserv, Name: "etcd"}}},
		"team-b": {{Namespace: "team-b", Name: "other", Loaded: key("secret")}},
	}
	d.guard.may = []string{"list team-a"}
	out := d.call(t, "GET", extensions+"/taskserv/etcd/dependents")
	g.Expect(string(out.Data)).To(Equal(`{"extensions":[` +
		`{"namespace":"team-a","name":"prod","loaded":"taskserv:top:1.0.0","depends_on":"taskserv:etcd:1.0.0","required_by":"taskserv:middle:1.0.0","constraint":"^1"},` +
		`{"namespace":"team-a","name":"wants","loaded":null,"depends_on":"taskserv:etcd","required_by":null,"constraint":""}],` +
		`"loaded":["taskserv:middle:1.0.0","taskserv:top:1.0.0"]}`))
	out = d.call(t, "GET", extensions+"/taskserv/etcd/dependents?limit=1")
	g.Expect(out.Continue).NotTo(BeEmpty())
	g.Expect(string(d.call(t, "GET", extensions+"/taskserv/etcd/dependents?continue="+out.Continue).Data)).To(ContainSubstring(`"extensions":[{"namespace":"team-a","name":"wants"`))
}

func TestTheCacheIsClearedInTheNameOfWhoAsks(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	g.Expect(d.call(t, "DELETE", extensions+"/cache").Body.String()).To(Equal("{\"success\":true,\"data\":\"Cache cleared\"}\n"))
	g.Expect(string(d.call(t, "DELETE", extensions+"/cache?key=taskserv:etcd:3.5.9-rc.1").Data)).To(Equal(`"Cache cleared of taskserv:etcd:3.5.9-rc.1"`))
	g.Expect(d.memory.cleared).To(Equal([]string{":: by alice", "taskserv:etcd:3.5.9-rc.1 by alice"}))
	d.memory.deaf = true
	out := d.call(t, "DELETE", extensions+"/cache")
	g.Expect(out.Code).To(Equal(202))
	g.Expect(string(out.Data)).To(ContainSubstring("has not heard of it yet"))
}

func TestStatsSayWhoseTheyAre(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	g.Expect(string(d.call(t, "GET", extensions+"/stats").Data)).To(Equal(`{"replica":"extension-manager-0","since":"2026-05-04T10:00:00Z",` +
		`"loads":4,"cache_hits":3,"runs":1,"hit_ratio":0.75,"evictions":2,"entries":1,"capacity":100}`))
	d.memory.stats = httpapi.Stats{Capacity: 1, Since: now}
	g.Expect(string(d.call(t, "GET", extensions+"/stats").Data)).To(ContainSubstring(`"hit_ratio":0,`))
}

func TestWhatTheCatalogsHave(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	d.shelves.list = []httpapi.Available{
		{Catalog: "extensions", Type: "provider", Name: "local", Version: "1.0.0", Path: "p", Metadata: extension.Metadata{Description: "d"}},
		{Catalog: "extensions", Type: "taskserv", Name: "etcd", Version: "3.6.0", Path: "q", Fault: extension.NewFault(extension.InvalidMetadata, "no mod.nu")},
		{Catalog: "extensions", Type: "taskserv", Name: "etcd", Version: "3.5.9", Path: "r"},
	}
	out := d.call(t, "GET", extensions+"/available?type=taskserv")
	g.Expect(string(out.Data)).To(Equal(`[{"extension_type":"Taskserv","name":"etcd","catalog":"extensions","versions":[` +
		`{"version":"3.6.0","path":"q","description":"","dependencies":[],"author":null,"repository":null,"broken":{"reason":"InvalidMetadata","message":"no mod.nu"}},` +
		`{"version":"3.5.9","path":"r","description":"","dependencies":[],"author":null,"repository":null}]}]`))
	g.Expect(names(t, d.call(t, "GET", extensions+"/available?name=local"))).To(Equal([]string{"local"}))
	g.Expect(names(t, d.call(t, "GET", extensions+"/available?name=nothing"))).To(BeEmpty())
	first := d.call(t, "GET", extensions+"/available?limit=1")
	g.Expect(names(t, d.call(t, "GET", extensions+"/available?continue="+first.Continue))).To(Equal([]string{"etcd"}))
	d.guard.may = []string{"get " + extensions + "/available"}
	g.Expect(d.call(t, "GET", extensions+"/available?namespace=team-b").Code).To(Equal(403))
}

func TestAGraphComesAsItIsWanted(t *testing.T) {
	for name, c := range map[string]struct{ query, accept, format, mediaType string }{
		"nothing said": {"", "", "json", "application/json"},
		"curl":         {"", "*/*", "json", "application/json"},
		"a browser":    {"", "text/html,application/xhtml+xml,*/*;q=0.8", "json", "application/json"},
		"DOT":          {"", "text/vnd.graphviz", "dot", "text/vnd.graphviz"},
		"Mermaid":      {"", "text/vnd.mermaid, application/json;q=0.5", "mermaid", "text/vnd.mermaid"},
		"by name":      {"?format=dot", "application/json", "dot", "text/vnd.graphviz"},
		"of a root":    {"?root=Taskserv/Etcd@^3", "", "", ""},
		"of one root":  {"?root=TASKSERV/etcd@%3E%3D3.5", "", "json taskserv/etcd@>=3.5", "application/json"},
		"none of them": {"", "image/svg+xml", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			d := newDesk(t)
			r := httptest.NewRequest(http.MethodGet, extensions+"/graph"+c.query, nil)
			if c.accept != "" {
				r.Header.Set("Accept", c.accept)
			}
			out := d.send(t, r)
			switch {
			case c.mediaType != "":
				g.Expect(out.Code).To(Equal(200), out.Body.String())
				g.Expect(out.Header().Get("Content-Type")).To(Equal(c.mediaType))
				g.Expect(d.shelves.asked).To(HavePrefix(c.format))
			case c.accept != "":
				g.Expect(out.Code).To(Equal(406))
				g.Expect(out.Error).To(ContainSubstring("?format=json"))
			default:
				g.Expect(out.Code).To(Equal(422), "a name has no capitals")
			}
		})
	}
}

func TestTheGraphOfEverythingIsKept(t *testing.T) {
	g := NewWithT(t)
	d := newDesk(t)
	first := d.call(t, "GET", extensions+"/graph").Body.String()
	g.Expect(d.call(t, "GET", extensions+"/graph?format=json").Body.String()).To(Equal(first))
	g.Expect(d.shelves.drawn).To(Equal(1))
	for drawn, query := range []string{"?format=dot", "?namespace=team-a", "?root=taskserv/etcd", "?root=taskserv/etcd"} {
		g.Expect(d.call(t, "GET", extensions+"/graph"+query).Code).To(Equal(200))
		g.Expect(d.shelves.drawn).To(Equal(drawn+2), query)
	}
	d.stock.stamp.Add(1)
	d.shelves.text = `{"nodes": [], "edges": []}`
	g.Expect(d.call(t, "GET", extensions+"/graph").Body.String()).NotTo(Equal(first))
	d.stock.stamp.Add(1)
	d.shelves.err = extension.NewFault(extension.CatalogUnavailable, "away")
	g.Expect(d.call(t, "GET", extensions+"/graph").Success).To(BeFalse())
	d.shelves.err = nil
	g.Expect(d.call(t, "GET", extensions+"/graph").Success).To(BeTrue(), "a failure is not kept")
}

func TestTheDescriptionIsOfThisAPI(t *testing.T) {
	g := NewWithT(t)
	text := newDesk(t).description(t)
	var description struct {
		OpenAPI    string
		Info       struct{ Version string }
		Paths      map[string]map[string]any
		Components struct{ Schemas map[string]any }
	}
	g.Expect(json.Unmarshal(text, &description)).To(Succeed())
	g.Expect(description.OpenAPI).To(Equal("3.1.0"))
	g.Expect(description.Info.Version).To(Equal("v1"))
	g.Expect(description.Paths).To(HaveLen(9))
	g.Expect(description.Components.Schemas).To(And(HaveKey("Failure"), Not(HaveKey("ErrorModel"))))
	g.Expect(bytes.Contains(text, []byte("problem+json"))).To(BeFalse())
}

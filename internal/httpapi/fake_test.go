// SPDX-License-Identifier: Apache-2.0

package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/httpapi"
)

// guard lets through whom its fields say; the zero one everybody.
type guard struct {
	authenticate error
	// may are "verb namespace", "verb namespace/name" and "verb /path"; nil is all.
	may   []string
	asked []string
	mu    sync.Mutex
}

func (g *guard) ask(what string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, what)
	return g.may == nil || slices.Contains(g.may, what)
}

func (g *guard) Authenticate(r *http.Request) (context.Context, error) {
	return r.Context(), g.authenticate
}

func (g *guard) Caller(context.Context) string { return "alice" }

func (g *guard) Namespaces(_ context.Context, verb string, namespaces []string) ([]string, error) {
	var some []string
	for _, namespace := range namespaces {
		if g.ask(verb + " " + namespace) {
			some = append(some, namespace)
		}
	}
	return some, nil
}

func (g *guard) Object(_ context.Context, verb, namespace, name string) (bool, error) {
	return g.ask(verb + " " + namespace + "/" + name), nil
}

func (g *guard) Path(_ context.Context, verb, path string) (bool, error) {
	return g.ask(verb + " " + path), nil
}

// stock is an Inventory of what is put into it.
type stock struct {
	stamp      atomic.Uint64
	rows       map[string][]extension.LoadedRow
	dependents map[string][]extension.Dependent
	targets    []extension.ReloadTarget
	// outcome gives what becomes of a target.
	outcome func(extension.ReloadTarget) extension.ReloadOutcome
	err     error

	mu       sync.Mutex
	reloaded []string
	patience time.Duration
	looks    int
}

func (s *stock) Stamp() uint64 { return s.stamp.Load() }

func (s *stock) Namespaces(context.Context) ([]string, error) {
	var all []string
	for namespace := range s.rows {
		all = append(all, namespace)
	}
	slices.Sort(all)
	return all, s.err
}

func (s *stock) Loaded(_ context.Context, namespaces []string) ([]extension.LoadedRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	var all []extension.LoadedRow
	for _, namespace := range namespaces {
		all = append(all, s.rows[namespace]...)
	}
	return all, s.err
}

func (s *stock) Dependents(_ context.Context, namespaces []string, _ extension.Type, _ string) ([]extension.Dependent, error) {
	var all []extension.Dependent
	for _, namespace := range namespaces {
		all = append(all, s.dependents[namespace]...)
	}
	return all, s.err
}

func (s *stock) Concerned(_ context.Context, wish extension.ReloadWish) ([]extension.ReloadTarget, error) {
	var some []extension.ReloadTarget
	for _, t := range s.targets {
		if t.Contents[0].Name == wish.Name && (wish.Namespace == "" || wish.Namespace == t.Namespace) {
			some = append(some, t)
		}
	}
	return some, s.err
}

func (s *stock) Reload(_ context.Context, patience time.Duration, _ string, targets []extension.ReloadTarget) []extension.ReloadOutcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.patience = patience
	var outcomes []extension.ReloadOutcome
	for _, t := range targets {
		s.reloaded = append(s.reloaded, t.Namespace+"/"+t.Name)
		o := extension.ReloadOutcome{State: extension.Reloaded}
		if s.outcome != nil {
			o = s.outcome(t)
		}
		o.ReloadTarget = t
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// shelves are Catalogs of what is put into them.
type shelves struct {
	list  []httpapi.Available
	text  string
	err   error
	asked string
	drawn int
}

func (s *shelves) Available(context.Context, string) ([]httpapi.Available, error) {
	return s.list, s.err
}

func (s *shelves) Graph(_ context.Context, namespace, format string, root extension.Ref) ([]byte, error) {
	s.drawn++
	s.asked = strings.TrimSpace(fmt.Sprint(namespace, " ", format, " ", root))
	return []byte(s.text), s.err
}

// memory is a Cache.
type memory struct {
	cleared []string
	stats   httpapi.Stats
	deaf    bool
	err     error
}

func (m *memory) Clear(_ context.Context, key extension.Key, by string) (bool, error) {
	m.cleared = append(m.cleared, key.String()+" by "+by)
	return !m.deaf, m.err
}

func (m *memory) Stats() httpapi.Stats { return m.stats }

// desk is the API over fakes.
type desk struct {
	guard   guard
	stock   stock
	shelves shelves
	memory  memory
	handler http.Handler
	log     strings.Builder
	logged  sync.Mutex
}

var now = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{}
	d.stock.rows = map[string][]extension.LoadedRow{"team-a": {row("etcd", "3.5.9"), row("kubernetes", "1.28.0")}, "team-b": {row("aws", "2.0.0")}}
	d.stock.targets = []extension.ReloadTarget{target("team-a", "kubernetes", "kubernetes", "1.28.0")}
	d.shelves.list = []httpapi.Available{
		{Catalog: "extensions", Type: "taskserv", Name: "etcd", Version: "3.6.0", Path: "q", Fault: extension.NewFault(extension.InvalidMetadata, "no mod.nu")},
		{Catalog: "extensions", Type: "taskserv", Name: "etcd", Version: "3.5.9", Path: "r", Metadata: extension.Metadata{Author: "me"}},
	}
	d.stock.dependents = map[string][]extension.Dependent{"team-a": {{Namespace: "team-a", Name: "x", On: extension.Key{Type: "taskserv", Name: "etcd"}}}}
	d.shelves.text = `{"nodes": [{"id": "taskserv:etcd:3.5.9"}], "edges": []}`
	d.memory.stats = httpapi.Stats{Replica: "extension-manager-0", Since: now, Runs: 1, Hits: 3, Evictions: 2, Entries: 1, Capacity: 100}
	handler, err := httpapi.New(httpapi.Options{
		Guard: &d.guard, Inventory: &d.stock, Catalogs: &d.shelves, Cache: &d.memory, Version: "v1", Log: d.logger(), Now: func() time.Time { return now },
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	d.handler = handler
	return d
}

func (d *desk) logger() logr.Logger {
	return funcr.New(func(prefix, args string) {
		d.logged.Lock()
		defer d.logged.Unlock()
		d.log.WriteString(prefix + args + "\n")
	}, funcr.Options{})
}

func row(name, version string) extension.LoadedRow {
	key := extension.Key{Type: extension.Taskserv, Name: name, Version: version}
	return extension.LoadedRow{
		Key: key, Catalog: "extensions", Path: "extensions/taskservs/" + name, Digest: "sha256:aa", InputDigest: "sha256:bb", At: now,
		Metadata: extension.Metadata{Type: key.Type, Name: name, Version: version, Description: name, Author: "me"}, Hooks: []string{"install"},
		Askers: []extension.Asker{{Namespace: "team-a", Name: name}},
	}
}

// target is an Extension that asks for what it is called, or depends on name.
func target(namespace, object, name, version string) extension.ReloadTarget {
	return extension.ReloadTarget{
		Namespace: namespace, Name: object, Own: object == name,
		Contents: []extension.Content{{Key: extension.Key{Type: extension.Taskserv, Name: name, Version: version}, Digest: "sha256:aa"}},
	}
}

// reply is what was answered.
type reply struct {
	*httptest.ResponseRecorder
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   string          `json:"error"`
	Reason  string          `json:"reason"`
	Details []struct {
		Location, Namespace, Name, State, Reason, Message string
	} `json:"details"`
	Continue string `json:"continue"`
}

// call asks, a body being JSON.
func (d *desk) call(t testing.TB, method, path string, body ...string) reply {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(strings.Join(body, "")))
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	return d.send(t, r)
}

func (d *desk) send(t testing.TB, r *http.Request) reply {
	t.Helper()
	g := NewWithT(t)
	out := reply{ResponseRecorder: httptest.NewRecorder()}
	d.handler.ServeHTTP(out, r)
	if out.Header().Get("Content-Type") == "application/json" && r.Method != http.MethodHead {
		g.Expect(json.Unmarshal(out.Body.Bytes(), &out)).To(Succeed(), out.Body.String())
		g.Expect(out.Success).To(Equal(out.Code < 300), "%d %s", out.Code, out.Body.String())
	}
	return out
}

// description is what /openapi.json says, which is in no envelope.
func (d *desk) description(t testing.TB) []byte {
	t.Helper()
	out := httptest.NewRecorder()
	d.handler.ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	NewWithT(t).Expect(out.Code).To(Equal(200))
	NewWithT(t).Expect(out.Header().Get("Content-Type")).To(Equal("application/json"))
	return out.Body.Bytes()
}

var errAway = errors.New("dial tcp 10.0.0.1:443: secret detail")

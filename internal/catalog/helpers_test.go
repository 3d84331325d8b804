// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// quiet is short, so that tests are, and long against a busy machine's pauses.
const quiet = 150 * time.Millisecond

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fixture is a library on the disk and the catalog that reads it.
type fixture struct {
	*Library
	t     testing.TB
	g     *WithT
	dir   string
	cache string
	store *store.Store

	mu      sync.Mutex
	changes []extension.Consulted
	syncs   int
}

// newFixture makes an empty library that is not started. Its state is that of
// now: nothing waits for what was written before.
func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{t: t, g: NewWithT(t), dir: filepath.Join(t.TempDir(), "lib", "extensions"), cache: t.TempDir()}
	for _, kind := range extension.Types() {
		must(t, os.MkdirAll(filepath.Join(f.dir, kind.Folder()), 0o755))
	}
	var err error
	f.store, err = store.Open(f.cache)
	must(t, err)
	t.Cleanup(func() { must(t, f.store.Close()) })
	f.Library = f.open()
	return f
}

func (f *fixture) open() *Library {
	l, err := NewLibrary(Options{
		Name: "builtin", Dir: f.dir, Store: f.store, Interval: time.Hour, Quiet: quiet,
		OnChange: func(c []extension.Consulted) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.changes = append(f.changes, c...)
		},
		OnSync: func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.syncs++
		},
	})
	must(f.t, err)
	return l
}

// start runs the library until the test ends, and returns when it has synced
// and come to rest; what changed until then is forgotten.
func (f *fixture) start() {
	f.t.Helper()
	ctx, cancel := context.WithCancel(f.t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- f.Start(ctx) }()
	f.t.Cleanup(func() {
		cancel()
		must(f.t, <-stopped)
	})
	f.g.Eventually(f.Synced, "20s", "5ms").ShouldNot(BeZero())
	f.taken()
}

// taken returns what OnChange was told, and forgets it.
func (f *fixture) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, c := range f.changes {
		all = append(all, fmt.Sprintf("%s %s/%s", c.Catalog, c.Type, c.Name))
	}
	f.changes = nil
	return all
}

// eventually waits for what OnChange is told.
func (f *fixture) told(want ...string) {
	f.t.Helper()
	var all []string
	f.g.Eventually(func() []string { all = append(all, f.taken()...); return all }, "10s", "10ms").Should(ContainElements(want))
	f.g.Expect(all).To(HaveEach(BeElementOf(want)), "nobody else is told")
}

// calm asserts that for some time nobody is told anything.
func (f *fixture) calm() {
	f.t.Helper()
	f.g.Consistently(f.taken, 4*quiet, "10ms").Should(BeEmpty())
}

func manifest(name, version string) string {
	return fmt.Sprintf("manifest = 1\nname = %q\ntype = \"taskserv\"\nversion = %q\ndescription = \"the %s\"\n", name, version, name)
}

const module = "export def configure []: nothing -> record<files: record, objects: list> { {files: {}, objects: []} }\n"

// write makes a file below the library and the folders above it.
func (f *fixture) write(name, content string) string {
	f.t.Helper()
	file := filepath.Join(f.dir, filepath.FromSlash(name))
	must(f.t, os.MkdirAll(filepath.Dir(file), 0o755))
	must(f.t, os.WriteFile(file, []byte(content), 0o644))
	return file
}

// add makes one good version of a taskserv in a folder of its own.
func (f *fixture) add(name, version string) string {
	f.t.Helper()
	folder := "taskservs/" + name + "/" + version
	f.write(folder+"/mod.nu", module)
	return filepath.Dir(f.write(folder+"/manifest.toml", manifest(name, version)))
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// rest waits until what was written is old enough for one look.
func (f *fixture) rest() { time.Sleep(quiet + 20*time.Millisecond) }

func (f *fixture) find(name string) ([]extension.Offer, bool, error) {
	return f.Find(f.t.Context(), "default", extension.Taskserv, name)
}

// versions are what find offers.
func (f *fixture) versions(name string) []string {
	f.t.Helper()
	offers, _, err := f.find(name)
	must(f.t, err)
	var all []string
	for _, o := range offers {
		all = append(all, o.Version)
	}
	return all
}

func key(name, version string) extension.Key {
	return extension.Key{Type: extension.Taskserv, Name: name, Version: version}
}

func (f *fixture) fetch(name, version string) (extension.Member, error) {
	return f.Fetch(f.t.Context(), key(name, version))
}

// module is mod.nu of what fetch gives, from the store.
func (f *fixture) module(name, version string) string {
	f.t.Helper()
	m, err := f.fetch(name, version)
	if err != nil {
		return err.Error()
	}
	data, err := f.store.ReadFile(m.Digest, ModuleName)
	must(f.t, err)
	return string(data)
}

// faultOf fails the test unless err is a Fault.
func faultOf(t testing.TB, err error) *extension.Fault {
	t.Helper()
	var fault *extension.Fault
	if !errors.As(err, &fault) {
		t.Fatalf("want a Fault, have %v", err)
	}
	return fault
}

// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeNu is the outside: a Nushell that does what a test says.
type fakeNu struct {
	tools extension.Toolchain
	// err of Toolchain.
	err error
	// check is what Check does; nil for a good load at once.
	check  func(ctx context.Context, plan extension.Plan) (extension.Checked, error)
	checks atomic.Int32
	// replaced, where it is set, is what Check finds in place of tools.
	replaced *extension.Toolchain
}

var _ load.Runner = (*fakeNu)(nil)

func (n *fakeNu) Toolchain(context.Context) (extension.Toolchain, error) { return n.tools, n.err }

func (n *fakeNu) Check(ctx context.Context, plan extension.Plan, _ bool) (extension.Checked, error) {
	n.checks.Add(1)
	checked, err := extension.Checked{Hooks: []string{"configure"}, Enforcement: extension.Enforcement{Level: "Partial"}}, error(nil)
	if n.check != nil {
		checked, err = n.check(ctx, plan)
	}
	checked.Toolchain = n.tools
	if n.replaced != nil {
		checked.Toolchain = *n.replaced
	}
	return checked, err
}

// hang is a Check that ends only with its context.
func hang(ctx context.Context, _ extension.Plan) (extension.Checked, error) {
	<-ctx.Done()
	return extension.Checked{}, ctx.Err()
}

// witness keeps what an Observer is told.
type witness struct {
	mu    sync.Mutex
	loads []extension.LoadRecord
	clear []extension.ClearRecord
	// recalls are the loads that were answered from memory.
	recalls []extension.RecallRecord
}

func (w *witness) Loaded(r extension.LoadRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads = append(w.loads, r)
}

func (w *witness) Recalled(r extension.RecallRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recalls = append(w.recalls, r)
}

func (w *witness) Cleared(r extension.ClearRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear = append(w.clear, r)
}

// seen are the records of loads so far.
func (w *witness) seen() []extension.LoadRecord {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.loads)
}

// bench is a Loader and what it is made of.
type bench struct {
	*load.Loader
	*witness
	nu *fakeNu
	tb testing.TB
}

// newBench makes a Loader of 4 slots and a minute; change adjusts its options.
func newBench(tb testing.TB, change func(*load.Options)) *bench {
	tb.Helper()
	b := &bench{nu: &fakeNu{}, witness: &witness{}, tb: tb}
	opts := load.Options{
		Runner: b.nu, Observer: b.witness, CacheSize: 8, Slots: 4, Timeout: time.Minute, Log: logr.Discard(), Now: time.Now,
	}
	if change != nil {
		change(&opts)
	}
	var err error
	if b.Loader, err = load.New(opts); err != nil {
		tb.Fatal(err)
	}
	return b
}

// put makes a member of that name and version, which depends on others of any version.
func (b *bench) put(name, version string, dependencies ...string) extension.Member {
	sum := sha256.Sum256([]byte(name + "@" + version))
	content := extension.Digest("sha256:" + hex.EncodeToString(sum[:]))
	meta := extension.Metadata{Type: extension.Taskserv, Name: name, Version: version, Description: "d"}
	for _, on := range dependencies {
		meta.Dependencies = append(meta.Dependencies, extension.Dependency{Type: extension.Taskserv, Name: on})
	}
	return extension.Member{Key: meta.Key(), Catalog: "builtin", Path: "extensions/taskservs/" + name, Digest: content, Metadata: meta}
}

// request asks for the load of members, the root last, in namespace team-a.
func (b *bench) request(members ...extension.Member) load.Request {
	b.tb.Helper()
	plan := extension.Plan{Members: members}
	input, err := b.InputDigest(context.Background(), plan)
	if err != nil {
		b.tb.Fatal(err)
	}
	return load.Request{Plan: plan, InputDigest: input, Namespace: "team-a"}
}

// load waits for the end of one load.
func (b *bench) load(req load.Request) (*extension.Loaded, error) {
	return b.Load(req, func() {}).Outcome()
}

func digest(digit string) extension.Digest {
	return extension.Digest("sha256:" + strings.Repeat(digit, 64))
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/load"
	"provisioning.dev/extension-operator/internal/resolve"
)

// The tests of this package step through interleavings that a real API server and
// a real nu would not show on demand: the clock, the catalog and nu are fakes, and
// reconciles happen when a test says so. The whole is tested in cmd/manager.

// shelf is a catalog of one name.
type shelf struct {
	offers    []string
	members   map[string]extension.Member
	refreshed int
	err       error
}

func (s *shelf) Name() string { return "shelf" }

func (s *shelf) Find(context.Context, string, extension.Type, string) ([]extension.Offer, bool, error) {
	offers := make([]extension.Offer, 0, len(s.offers))
	for _, version := range s.offers {
		offers = append(offers, extension.Offer{Version: version})
	}
	return offers, len(offers) > 0, s.err
}

func (s *shelf) Fetch(_ context.Context, key extension.Key) (extension.Member, error) {
	return s.members[key.Version], nil
}

func (s *shelf) Recall(_ context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	m, has := s.members[key.Version]
	return m, has && m.Digest == digest, nil
}

func (s *shelf) Names(context.Context, string, extension.Type) ([]string, error) {
	return []string{"e"}, nil
}

func (s *shelf) Refresh(context.Context, extension.Type, string) error {
	s.refreshed++
	return nil
}

// fakeNu answers at once, or when its gate opens.
type fakeNu struct {
	mu          sync.Mutex
	gate        chan struct{}
	err         error
	unavailable error
	toolchain   extension.Toolchain
	runs        int
}

func (n *fakeNu) Toolchain(context.Context) (extension.Toolchain, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.toolchain, n.unavailable
}

func (n *fakeNu) Check(ctx context.Context, _ extension.Plan, _ bool) (extension.Checked, error) {
	n.mu.Lock()
	n.runs++
	gate, err, toolchain := n.gate, n.err, n.toolchain
	n.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return extension.Checked{}, ctx.Err()
		}
	}
	return extension.Checked{Toolchain: toolchain, Hooks: []string{"install"}}, err
}

func (n *fakeNu) set(change func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change()
}

func (n *fakeNu) ran() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.runs
}

// witness keeps what an Observer is told.
type witness struct {
	mu                sync.Mutex
	loads             []extension.LoadRecord
	reloaded, refused []extension.VerdictRecord
}

func (w *witness) Loaded(r extension.LoadRecord) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads = append(w.loads, r)
}

func (w *witness) Recalled(extension.RecallRecord) {}

func (w *witness) Cleared(extension.ClearRecord) {}

func (w *witness) Reloaded(r extension.VerdictRecord) { w.reloaded = append(w.reloaded, r) }

func (w *witness) Refused(r extension.VerdictRecord) { w.refused = append(w.refused, r) }

// rig is one object, n/e, and the controller around it.
type rig struct {
	*GomegaWithT
	reconciler *Reconciler
	client     client.Client
	shelf      *shelf
	nu         *fakeNu
	witness    *witness
	queue      workqueue.TypedRateLimitingInterface[reconcile.Request]
	now        time.Time
	synced     time.Time
	writes     int
	// refuse, where it is set, says what a status patch comes to before it is sent.
	refuse func(*api.Extension) error
	key    client.ObjectKey
}

// newRig offers versions of 1.0.0 and 2.0.0 to an object that follows the newest.
func newRig(t *testing.T, versions ...string) *rig {
	t.Helper()
	g := &rig{GomegaWithT: NewWithT(t), nu: &fakeNu{}, witness: &witness{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	g.synced = g.now.Add(time.Hour)
	g.shelf = &shelf{offers: versions, members: map[string]extension.Member{}}
	for _, version := range []string{"1.0.0", "2.0.0"} {
		g.shelf.members[version] = member(version)
	}
	loader, err := load.New(load.Options{
		Runner: g.nu, Observer: g.witness, CacheSize: 8, Slots: 4, Timeout: time.Minute, Log: logr.Discard(), Now: time.Now,
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.end(t, loader)
	g.build(loader)
	return g
}

func member(version string) extension.Member {
	sum := sha256.Sum256([]byte(version))
	digest := extension.Digest("sha256:" + hex.EncodeToString(sum[:]))
	metadata := extension.Metadata{Type: extension.Taskserv, Name: "e", Version: version}
	return extension.Member{Key: metadata.Key(), Catalog: "shelf", Path: "shelf/taskservs/e/" + version, Digest: digest, Metadata: metadata}
}

// end stops the loader with the test, and waits for it.
func (g *rig) end(t *testing.T, loader *load.Loader) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Expect(loader.Start(ctx)).To(Succeed()) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
}

func (g *rig) build(loader *load.Loader) {
	scheme := runtime.NewScheme()
	g.Expect(api.AddToScheme(scheme)).To(Succeed())
	ext := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "e", Generation: 1, UID: "u"},
		Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: "e", Version: ">=1"},
	}
	g.key = client.ObjectKeyFromObject(ext)
	g.client = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(ext).WithObjects(ext).
		WithInterceptorFuncs(interceptor.Funcs{SubResourcePatch: g.patch}).Build()
	g.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	wakes := NewWakes()
	g.Expect(wakes.Start(context.Background(), g.queue)).To(Succeed())
	g.reconciler = New(Options{
		Client: g.client, Recorder: events.NewFakeRecorder(100), Resolver: resolve.New(nil, g.shelf), Loader: loader, Observer: g.witness,
		AutoLoad: true, Wakes: wakes, Synced: func() time.Time { return g.synced }, Now: g.clock,
	})
}

func (g *rig) clock() time.Time { return g.now }

func (g *rig) patch(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	g.writes++
	if g.refuse != nil {
		if err := g.refuse(obj.(*api.Extension)); err != nil {
			return err
		}
	}
	return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
}

// reconcile once, and say when the object wants to be seen again.
func (g *rig) reconcile() time.Duration {
	result, err := g.reconciler.Reconcile(context.Background(), ctrl.Request{NamespacedName: g.key})
	g.Expect(err).NotTo(HaveOccurred())
	return result.RequeueAfter
}

// settle reconciles for as long as events come of it.
func (g *rig) settle() {
	g.reconcile()
	g.Eventually(func() int {
		if g.queue.Len() > 0 {
			request, _ := g.queue.Get()
			g.queue.Done(request)
			g.reconcile()
		}
		g.reconcile() // what the informer would bring
		return g.queue.Len()
	}).WithPolling(2 * time.Millisecond).Should(BeZero())
}

// until settles until the verdict is the one wanted.
func (g *rig) until(verdict string) {
	g.Eventually(func() string {
		g.settle()
		return g.verdict()
	}).WithPolling(2 * time.Millisecond).Should(Equal(verdict))
}

// answered settles until a reload token is.
func (g *rig) answered(token string) {
	g.Eventually(func() string {
		g.settle()
		return g.get().Status.LastHandledReloadAt
	}).WithPolling(2 * time.Millisecond).Should(Equal(token))
}

func (g *rig) get() *api.Extension {
	ext := &api.Extension{}
	g.Expect(g.client.Get(context.Background(), g.key, ext)).To(Succeed())
	return ext
}

func (g *rig) verdict() string {
	ready := meta.FindStatusCondition(g.get().Status.Conditions, api.ReadyCondition)
	if ready == nil {
		return "unseen"
	}
	return string(ready.Status) + " " + ready.Reason
}

func (g *rig) change(edit func(*api.Extension)) {
	ext := g.get()
	edit(ext)
	g.Expect(g.client.Update(context.Background(), ext)).To(Succeed())
}

func (g *rig) spec(version string) {
	g.change(func(ext *api.Extension) {
		ext.Generation++
		ext.Spec.Version = version
	})
}

func (g *rig) token(token string) {
	g.change(func(ext *api.Extension) { metav1.SetMetaDataAnnotation(&ext.ObjectMeta, api.ReloadAnnotation, token) })
}

// close the gate before nu; open it to let what waits there go on.
func (g *rig) closeGate() (open func()) {
	gate := make(chan struct{})
	g.nu.set(func() { g.nu.gate = gate })
	return func() {
		g.nu.set(func() { g.nu.gate = nil })
		close(gate)
	}
}

func (g *rig) pass(d time.Duration) { g.now = g.now.Add(d) }

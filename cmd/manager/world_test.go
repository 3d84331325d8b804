// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	runtimeconfig "sigs.k8s.io/controller-runtime/pkg/config"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
)

// world is one namespace with one library of its own, and managers that see no
// other: wired by assemble as the shipped one is.
type world struct {
	t          testing.TB
	namespace  string
	catalogDir string
	settings   config.Settings
	// alsoIn is a second namespace that the manager sees; empty for none.
	alsoIn string
	// patch, where it is set, replaces how status patches are sent.
	patch func(ctx context.Context, send func() error, obj client.Object) error
	// writes counts the status patches that the API server took.
	writes atomic.Int64

	*parts
	end context.CancelFunc
	// ended receives what the manager's Start returned.
	ended chan error
}

// newWorld makes a world without extensions and without a running manager.
func newWorld() *world {
	GinkgoHelper()
	return newWorldOf(GinkgoTB())
}

// newWorldOf makes a world that ends with t, a spec or a benchmark.
func newWorldOf(t testing.TB) *world {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "world-"}}
	Expect(admin.Create(context.Background(), ns)).To(Succeed())
	w := &world{t: t, namespace: ns.Name, catalogDir: filepath.Join(t.TempDir(), "extensions")}
	Expect(os.MkdirAll(w.catalogDir, 0o755)).To(Succeed())
	s := config.Default()
	s.Libraries = []string{w.catalogDir}
	s.LibraryInterval = time.Second
	s.NotFoundGrace = 0
	s.CacheDir = t.TempDir()
	s.NushellPath, s.SandboxPath = nu, helper
	s.ProvisioningPath = filepath.Join("..", "..", "nushell")
	s.LeaderElect, s.LeaderElectionNS = false, shippedNamespace
	s.MetricsBindAddress, s.ProbeBindAddress, s.APIBindAddress = "0", "0", "0"
	s.APISecure, s.APIRequestsPerSecond = false, 0
	s.Controllers = []string{config.ExtensionController}
	w.settings = s
	return w
}

// start runs a manager until stop, or the end of the spec.
func (w *world) start() {
	GinkgoHelper()
	w.startAs(asManager)
}

// startAs runs one as a user with other rights.
func (w *world) startAs(user *rest.Config) {
	GinkgoHelper()
	settings, err := w.settings.Absolute()
	Expect(err).NotTo(HaveOccurred())
	o := options(settings)
	o.Cache.DefaultNamespaces = map[string]cache.Config{w.namespace: {}}
	if w.alsoIn != "" {
		o.Cache.DefaultNamespaces[w.alsoIn] = cache.Config{}
	}
	o.Controller = runtimeconfig.Controller{SkipNameValidation: ptr.To(true)}
	o.NewClient = w.client
	mgr, err := ctrl.NewManager(user, o)
	Expect(err).NotTo(HaveOccurred())
	ctx, cancel := context.WithCancel(context.Background())
	w.parts, err = assemble(ctx, mgr, settings)
	Expect(err).NotTo(HaveOccurred())
	w.end, w.ended = cancel, make(chan error, 1)
	Expect(w.addServer(ctx, mgr, settings)).To(Succeed())
	go func() { w.ended <- mgr.Start(ctx) }()
	w.t.Cleanup(w.stop)
}

// stop ends the manager and waits for it, and for what ends with its process; it
// may be called again.
func (w *world) stop() {
	GinkgoHelper()
	if w.end == nil {
		return
	}
	w.end()
	Eventually(w.ended, 30*time.Second).Should(Receive(BeNil()))
	Expect(w.copies.Close()).To(Succeed())
	w.end = nil
}

// client counts status patches and lets a spec come between.
func (w *world) client(c *rest.Config, o client.Options) (client.Client, error) {
	plain, err := client.NewWithWatch(c, o)
	if err != nil {
		return nil, err
	}
	return interceptor.NewClient(plain, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			send := func() error {
				// Counted before it can be seen, and taken back where it was refused.
				w.writes.Add(1)
				err := c.SubResource(sub).Patch(ctx, obj, patch, opts...)
				if err != nil {
					w.writes.Add(-1)
				}
				return err
			}
			if w.patch != nil {
				return w.patch(ctx, send, obj)
			}
			return send()
		},
	}), nil
}

// apply creates an Extension that is called like the extension it asks for.
func (w *world) apply(kind api.ExtensionType, name, version string, change ...func(*api.Extension)) *api.Extension {
	GinkgoHelper()
	ext := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       api.ExtensionSpec{Type: kind, Name: name, Version: version},
	}
	for _, c := range change {
		c(ext)
	}
	Expect(admin.Create(context.Background(), ext)).To(Succeed())
	return ext
}

// get reads an Extension from the API server.
func (w *world) get(name string) *api.Extension {
	GinkgoHelper()
	ext := &api.Extension{}
	Expect(admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: name}, ext)).To(Succeed())
	return ext
}

// change edits an Extension as kubectl edit does.
func (w *world) change(name string, edit func(*api.Extension)) {
	GinkgoHelper()
	ext := w.get(name)
	base := ext.DeepCopy()
	edit(ext)
	Expect(admin.Patch(context.Background(), ext, client.MergeFrom(base))).To(Succeed())
}

// reload asks for a reload with a token.
func (w *world) reload(name, token string) {
	GinkgoHelper()
	w.change(name, func(ext *api.Extension) {
		metav1.SetMetaDataAnnotation(&ext.ObjectMeta, api.ReloadAnnotation, token)
	})
}

// events of an Extension, oldest first, as "reason: note".
func (w *world) events(name string) []string {
	GinkgoHelper()
	list := &eventsv1.EventList{}
	Expect(admin.List(context.Background(), list, client.InNamespace(w.namespace))).To(Succeed())
	slices.SortFunc(list.Items, func(a, b eventsv1.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
	var out []string
	for _, e := range list.Items {
		if e.Regarding.Name == name {
			out = append(out, e.Reason+": "+e.Note)
		}
	}
	return out
}

// folder of a version in the library.
func (w *world) folder(kind api.ExtensionType, name, version string) string {
	return filepath.Join(w.catalogDir, string(kind)+"s", name, version)
}

// manifest of a version, with the keys that every manifest has.
func manifest(kind api.ExtensionType, name, version string) string {
	return "manifest = 1\nname = \"" + name + "\"\ntype = \"" + string(kind) + "\"\nversion = \"" + version +
		"\"\ndescription = \"" + name + " for a test\"\n"
}

// goodModule has one right hook.
const goodModule = `export def install [ctx: record]: nothing -> record<message: string> { {message: "done"} }
`

// publish puts a version into the library, built aside and moved there at once.
func (w *world) publish(kind api.ExtensionType, name, version string, files map[string]string) {
	GinkgoHelper()
	all := map[string]string{"manifest.toml": manifest(kind, name, version), "mod.nu": goodModule}
	maps.Copy(all, files)
	target := w.folder(kind, name, version)
	aside, err := os.MkdirTemp(filepath.Dir(w.catalogDir), "publish-")
	Expect(err).NotTo(HaveOccurred())
	for file, text := range all {
		path := filepath.Join(aside, file)
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.WriteFile(path, []byte(text), 0o644)).To(Succeed())
	}
	Expect(os.Chmod(aside, 0o755)).To(Succeed())
	Expect(os.MkdirAll(filepath.Dir(target), 0o755)).To(Succeed())
	Expect(os.RemoveAll(target)).To(Succeed())
	Expect(os.Rename(aside, target)).To(Succeed())
}

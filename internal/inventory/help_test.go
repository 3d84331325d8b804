// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/inventory"
)

var loadedAt = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// known are Catalogs of what is put into them, by key and digest.
type known struct {
	members map[string]extension.Member
	err     error
	asked   int
	// hangs, where it is set, is what an answer waits for.
	hangs chan struct{}
}

func (k *known) Describe(_ context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	if k.hangs != nil {
		<-k.hangs
	}
	k.asked++
	m, found := k.members[key.String()+" "+string(digest)]
	return m, found, k.err
}

// bench is an Inventory over objects in memory.
type bench struct {
	*inventory.Inventory
	catalogs *known
	client   client.Client
	// patch, where it is set, comes instead of a patch.
	patch func(send func() error, object client.Object) error
	lists int
	// away is what lists fail with.
	away error
}

func newBench(t testing.TB, objects ...*api.Extension) *bench {
	t.Helper()
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(api.AddToScheme(scheme)).To(Succeed())
	b := &bench{catalogs: &known{members: map[string]extension.Member{}}}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&api.Extension{})
	for _, object := range objects {
		builder.WithObjects(object)
	}
	b.client = builder.WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			b.lists++
			if b.away != nil {
				return b.away
			}
			return c.List(ctx, list, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			send := func() error { return c.Patch(ctx, obj, patch, opts...) }
			if b.patch != nil {
				return b.patch(send, obj)
			}
			return send()
		},
	}).Build()
	b.Inventory = inventory.New(inventory.Options{Client: b.client, Catalogs: b.catalogs})
	return b
}

// change edits a status, and says so.
func (b *bench) change(t testing.TB, namespace, name string, edit func(*api.Extension)) {
	t.Helper()
	ext := &api.Extension{}
	g := NewWithT(t)
	g.Expect(b.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, ext)).To(Succeed())
	edit(ext)
	g.Expect(b.client.Status().Update(t.Context(), ext)).To(Succeed())
	b.Changed()
}

// ext is an Extension that is loaded with what it asks for.
func ext(namespace, name, version, input string, edit ...func(*api.Extension)) *api.Extension {
	at := metav1.NewTime(loadedAt)
	e := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: name, DependencyPolicy: api.LoadDependencies},
		Status: api.ExtensionStatus{
			Version: version, Catalog: "extensions", Digest: "sha256:" + name + version, InputDigest: input, Path: "extensions/taskservs/" + name, LoadedAt: &at,
			Metadata: &api.ExtensionMetadata{Description: name, Dependencies: []string{"taskserv/etcd@^3"}}, LastAttempted: &api.Attempt{InputDigest: input},
			Conditions: []metav1.Condition{{Type: api.ReadyCondition, Status: metav1.ConditionTrue, Reason: "Loaded", Message: "loaded", LastTransitionTime: at}},
		},
	}
	for _, change := range edit {
		change(e)
	}
	return e
}

// with has it loaded with a dependency.
func with(name, version, digest string) func(*api.Extension) {
	return func(e *api.Extension) {
		e.Status.LoadedDependencies = append(e.Status.LoadedDependencies, "taskserv:"+name+":"+version)
		e.Status.Dependencies = append(e.Status.Dependencies, api.DependencyStatus{
			Type: "taskserv", Name: name, Version: version, Digest: digest, Constraint: "^3", RequiredBy: "taskserv:" + e.Spec.Name + ":" + e.Status.Version, State: "Loaded",
		})
	}
}

// later has it loaded so much later.
func later(by time.Duration) func(*api.Extension) {
	return func(e *api.Extension) {
		at := metav1.NewTime(loadedAt.Add(by))
		e.Status.LoadedAt = &at
	}
}

func key(name, version string) extension.Key {
	return extension.Key{Type: extension.Taskserv, Name: name, Version: version}
}

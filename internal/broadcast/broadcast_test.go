// SPDX-License-Identifier: Apache-2.0

package broadcast_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"provisioning.dev/extension-operator/internal/broadcast"
	"provisioning.dev/extension-operator/internal/extension"
)

var etcd = extension.Key{Type: extension.Taskserv, Name: "etcd", Version: "3.5.9"}

// replica hears whatever is written, as an informer would tell it.
type replica struct {
	*broadcast.Channel
	mu      sync.Mutex
	cleared []string
}

func (r *replica) clear(key extension.Key, by string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cleared = append(r.cleared, key.String()+" "+by)
	return 1
}

// replicas are n of them over one ConfigMap, which is there or not.
func replicas(t testing.TB, n int, refuse error, objects ...client.Object) (list []*replica, c client.Client) {
	t.Helper()
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(corev1.AddToScheme(scheme)).To(Succeed())
	tell := func(object client.Object) {
		for _, r := range list {
			r.Handler().OnUpdate(nil, object.DeepCopyObject())
		}
	}
	c = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
			err := c.Patch(ctx, obj, patch, opts...)
			if err == nil {
				tell(obj)
			}
			return err
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if refuse != nil {
				return refuse
			}
			err := c.Create(ctx, obj, opts...)
			if err == nil {
				tell(obj)
			}
			return err
		},
	}).Build()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for range n {
		r := &replica{}
		r.Channel = broadcast.New(broadcast.Options{Client: c, Namespace: "x", Clear: r.clear, Log: logr.Discard(), Now: func() time.Time { at = at.Add(time.Second); return at }})
		list = append(list, r)
	}
	return list, c
}

func shared(data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "x", Name: broadcast.ConfigMapName}, Data: data}
}

func TestEveryReplicaDoesWhatOneIsAsked(t *testing.T) {
	for name, there := range map[string][]client.Object{"shipped": {shared(nil)}, "made": nil} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			all, _ := replicas(t, 3, nil, there...)
			g.Expect(all[0].Clear(t.Context(), extension.Key{}, "alice")).To(BeTrue())
			g.Expect(all[2].Clear(t.Context(), etcd, "bob")).To(BeTrue())
			for _, r := range all {
				g.Expect(r.cleared).To(Equal([]string{":: alice", "taskserv:etcd:3.5.9 bob"}), "each once")
			}
		})
	}
}

func TestWhatWasAskedBeforeAReplicaBeganIsOver(t *testing.T) {
	g := NewWithT(t)
	all, _ := replicas(t, 1, nil)
	r := all[0]
	r.Handler().OnAdd(shared(map[string]string{"a": "{}", "b": `{"key":"taskserv:etcd:3.5.9"}`}), true)
	g.Expect(r.cleared).To(BeEmpty())
	r.Handler().OnUpdate(nil, shared(map[string]string{"b": `{"key":"taskserv:etcd:3.5.9"}`, "c": `{"by":"kubectl"}`}))
	g.Expect(r.cleared).To(Equal([]string{":: kubectl"}))
	r.Handler().OnAdd(shared(map[string]string{"d": `{"key":"taskserv:etcd:3.5.9"}`}), false)
	g.Expect(r.cleared).To(Equal([]string{":: kubectl", "taskserv:etcd:3.5.9 "}), "one that was made anew")
}

func TestAFirstLookThatComesLateMissesNothing(t *testing.T) {
	g := NewWithT(t)
	all, _ := replicas(t, 1, nil)
	r := all[0]
	r.Handler().OnAdd(shared(map[string]string{
		"20260504T095959.000000000Z-ABCDEFGH": `{"by":"before"}`, "20260504T100030.000000000Z-ABCDEFGH": `{"by":"after"}`, "zzz": `{"by":"kubectl"}`,
	}), true)
	g.Expect(r.cleared).To(Equal([]string{":: after"}))
}

func TestWhoDoesNotHearItselfSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		_, c := replicas(t, 0, nil, shared(nil))
		deaf := broadcast.New(broadcast.Options{Client: c, Namespace: "x", Log: logr.Discard(), Now: time.Now})
		done, err := deaf.Clear(t.Context(), etcd, "alice")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(done).To(BeFalse())
	})
}

func TestWhatIsNoRequestIsIgnored(t *testing.T) {
	g := NewWithT(t)
	all, _ := replicas(t, 1, nil)
	r := all[0]
	r.Handler().OnUpdate(nil, shared(map[string]string{"a": "", "b": "[]", "c": `{"key":"etcd"}`}))
	other := shared(map[string]string{"a": "{}"})
	other.Name = "another"
	r.Handler().OnUpdate(nil, other)
	r.Handler().OnAdd(&corev1.Secret{}, false)
	g.Expect(r.cleared).To(BeEmpty())
}

func TestOldRequestsGo(t *testing.T) {
	g := NewWithT(t)
	all, c := replicas(t, 2, nil, shared(nil))
	for i := range 50 {
		g.Expect(all[i%2].Clear(t.Context(), extension.Key{}, strconv.Itoa(i))).To(BeTrue())
	}
	left := &corev1.ConfigMap{}
	g.Expect(c.Get(t.Context(), client.ObjectKeyFromObject(shared(nil)), left)).To(Succeed())
	g.Expect(left.Data).To(HaveLen(33))
	g.Expect(left.Data).To(ContainElement(`{"by":"49"}`))
	g.Expect(left.Data).NotTo(ContainElement(`{"by":"0"}`))
	g.Expect(all[1].cleared).To(HaveLen(50))
}

func TestALongNameIsCut(t *testing.T) {
	g := NewWithT(t)
	all, _ := replicas(t, 1, nil, shared(nil))
	g.Expect(all[0].Clear(t.Context(), extension.Key{}, strings.Repeat("é", 1000))).To(BeTrue())
	g.Expect(len(all[0].cleared[0])).To(BeNumerically("<", 300))
}

func TestWhoMayNotWriteSaysWhatToDo(t *testing.T) {
	g := NewWithT(t)
	refused := apierrors.NewForbidden(schema.GroupResource{Resource: "configmaps"}, "", errors.New("no"))
	all, _ := replicas(t, 1, refused)
	_, err := all[0].Clear(t.Context(), extension.Key{}, "alice")
	g.Expect(err).To(MatchError(ContainSubstring("ConfigMap x/extension-operator-cache")))
	g.Expect(extension.AsFault(err).HTTPStatus()).To(Equal(500), "it is not the caller who may not")
	away := errors.New("away")
	all, _ = replicas(t, 1, away)
	_, err = all[0].Clear(t.Context(), extension.Key{}, "alice")
	g.Expect(err).To(MatchError(away))
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

func key(name string) types.NamespacedName { return types.NamespacedName{Namespace: "n", Name: name} }

func asked(catalog, name string) extension.Consulted {
	return extension.Consulted{Catalog: catalog, Type: extension.Taskserv, Name: name}
}

// ask has an object ask these, and nothing else any more.
func ask(w *Wakes, name string, questions ...extension.Consulted) {
	for _, q := range questions {
		w.consult(key(name), q)
	}
	w.record(key(name), questions)
}

// newIndex has one, which asked for etcd in a and b, and two, which asked for
// containerd in a.
func newIndex(g *GomegaWithT) (*Wakes, func() []string) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	w := NewWakes()
	g.Expect(w.Start(context.Background(), queue)).To(Succeed())
	ask(w, "one", asked("a", "etcd"), asked("b", "etcd"))
	ask(w, "two", asked("a", "containerd"))
	return w, func() []string {
		woken := []string{}
		for queue.Len() > 0 {
			request, _ := queue.Get()
			queue.Done(request)
			if w.take(request.NamespacedName) {
				woken = append(woken, request.Name)
			}
		}
		return woken
	}
}

func TestAChangeWakesThoseWhoAskedForItAndNobodyElse(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	w.Changed([]extension.Consulted{asked("b", "etcd"), asked("b", "unheard-of")})
	g.Expect(woken()).To(ConsistOf("one"))
	w.Changed([]extension.Consulted{{Catalog: "a"}})
	g.Expect(woken()).To(ConsistOf("one", "two"))
	w.Changed([]extension.Consulted{{Catalog: "c"}})
	g.Expect(woken()).To(BeEmpty())
}

func TestAChangeBetweenAskingAndRecordingIsNotLost(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	w.consult(key("three"), asked("a", "postgresql"))
	w.Changed([]extension.Consulted{asked("a", "postgresql")})
	w.record(key("three"), []extension.Consulted{asked("a", "postgresql")})
	g.Expect(woken()).To(ConsistOf("three"))
}

func TestAChangeOfSomethingElseMeanwhileWakesNobody(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	w.consult(key("three"), asked("a", "postgresql"))
	w.Changed([]extension.Consulted{asked("a", "unheard-of")})
	w.record(key("three"), []extension.Consulted{asked("a", "postgresql")})
	g.Expect(woken()).To(BeEmpty())
}

func TestWhatIsNoLongerAskedForWakesNobody(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	ask(w, "one", asked("a", "etcd"))
	w.forget(key("two"))
	w.Changed([]extension.Consulted{asked("b", "etcd"), asked("a", "containerd")})
	g.Expect(woken()).To(BeEmpty())
	g.Expect(w.askers).To(HaveLen(1))
}

func TestASyncWakesThoseWhoWaitForIt(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	w.awaitSync(key("one"), true)
	w.awaitSync(key("two"), true)
	w.awaitSync(key("two"), false)
	w.Synced()
	g.Expect(woken()).To(ConsistOf("one"))
}

func TestAPeerWakesThoseWhoAskedForItWhenWhatTheySeeChanges(t *testing.T) {
	g := NewWithT(t)
	w, woken := newIndex(g)
	question := extension.Consulted{Namespace: "n", Type: extension.Taskserv, Name: "etcd"}
	ask(w, "dependent", question)
	elsewhere := question
	elsewhere.Namespace = "m"
	ask(w, "stranger", elsewhere)
	events := w.notice()
	peer := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "any", UID: "1"}, Spec: api.ExtensionSpec{Type: api.TaskservType, Name: "etcd"},
	}
	events.CreateFunc(t.Context(), event.CreateEvent{Object: peer}, nil)
	g.Expect(woken()).To(ConsistOf("dependent"))

	update := func(change func(*api.Extension)) []string {
		after := peer.DeepCopy()
		change(after)
		events.UpdateFunc(t.Context(), event.UpdateEvent{ObjectOld: peer, ObjectNew: after}, nil)
		peer = after
		return woken()
	}
	ready := func(status metav1.ConditionStatus, reason string) func(*api.Extension) {
		return func(ext *api.Extension) {
			meta.SetStatusCondition(&ext.Status.Conditions, metav1.Condition{Type: api.ReadyCondition, Status: status, Reason: reason})
			ext.Status.Version = "3.5.0"
		}
	}
	g.Expect(update(ready(metav1.ConditionFalse, "Loading"))).To(ConsistOf("dependent"))
	g.Expect(update(ready(metav1.ConditionTrue, "Loaded"))).To(ConsistOf("dependent"))
	g.Expect(update(func(ext *api.Extension) { ext.Status.Digest = "sha256:b" })).To(ConsistOf("dependent"))
	g.Expect(update(func(ext *api.Extension) { ext.Spec.Version = "^3" })).To(ConsistOf("dependent"))
	g.Expect(update(func(ext *api.Extension) { ext.Spec.Suspend = true; ext.Generation++ })).To(BeEmpty())
	g.Expect(update(func(ext *api.Extension) { ext.Status.LastHandledReloadAt = "T" })).To(BeEmpty())
	g.Expect(update(func(ext *api.Extension) { now := metav1.Now(); ext.DeletionTimestamp = &now })).To(ConsistOf("dependent"))
	events.DeleteFunc(t.Context(), event.DeleteEvent{Object: peer}, nil)
	g.Expect(woken()).To(ConsistOf("dependent"))
	g.Expect(update(func(ext *api.Extension) { ext.UID, ext.Spec.Name, ext.DeletionTimestamp = "2", "other", nil })).To(ConsistOf("dependent"), "made anew as another")
}

// BenchmarkWake wakes 8,000 objects that nobody looks at meanwhile.
func BenchmarkWake(b *testing.B) {
	w := NewWakes()
	for b.Loop() {
		for i := range 8000 {
			w.Wake(key(strconv.Itoa(i)))
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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

// BenchmarkWake wakes 8,000 objects that nobody looks at meanwhile.
func BenchmarkWake(b *testing.B) {
	w := NewWakes()
	for b.Loop() {
		for i := range 8000 {
			w.Wake(key(strconv.Itoa(i)))
		}
	}
}

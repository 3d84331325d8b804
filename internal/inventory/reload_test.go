// SPDX-License-Identifier: Apache-2.0

package inventory_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

func suspended(e *api.Extension) { e.Spec.Suspend = true }

// concerned says in short whom a reload concerns.
func (b *bench) concerned(t testing.TB, wish extension.ReloadWish) []string {
	t.Helper()
	targets, err := b.Concerned(t.Context(), wish)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all := []string{}
	for _, target := range targets {
		parts := []string{target.Namespace + "/" + target.Name}
		if target.Own {
			parts = append(parts, "itself")
		}
		for _, c := range target.Contents {
			parts = append(parts, c.Version+string(c.Digest))
		}
		all = append(all, strings.Join(parts, " "))
	}
	return all
}

func TestAReloadConcernsWhoAsksAndWhoDepends(t *testing.T) {
	g := NewWithT(t)
	leaving := func(e *api.Extension) {
		e.Finalizers = []string{"x/y"}
		e.DeletionTimestamp = &metav1.Time{Time: loadedAt}
	}
	wants := func(e *api.Extension) { e.Status, e.Spec.Version = api.ExtensionStatus{}, "3.6.0" }
	b := newBench(t, ext("a", "etcd", "3.5.9", "in"), ext("b", "etcd", "3.4.0", "in"), ext("c", "etcd", "", "", wants), ext("d", "etcd", "3.5.9", "in", leaving),
		ext("a", "kubernetes", "1.28.0", "in", with("etcd", "3.5.9", "sha256:other")), ext("a", "other", "1.0.0", "in"))
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "taskserv", Name: "etcd"})).To(Equal([]string{
		"a/etcd itself 3.5.9sha256:etcd3.5.9", "a/kubernetes 3.5.9sha256:other", "b/etcd itself 3.4.0sha256:etcd3.4.0", "c/etcd itself ",
	}))
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "taskserv", Name: "etcd", Version: "3.5.9"})).To(Equal([]string{"a/etcd itself 3.5.9sha256:etcd3.5.9", "a/kubernetes 3.5.9sha256:other"}))
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "taskserv", Name: "etcd", Version: "3.6.0"})).To(Equal([]string{"c/etcd itself "}))
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "taskserv", Name: "etcd", Namespace: "b"})).To(Equal([]string{"b/etcd itself 3.4.0sha256:etcd3.4.0"}))
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "provider", Name: "etcd"})).To(BeEmpty())
	g.Expect(b.concerned(t, extension.ReloadWish{Type: "taskserv", Name: "etcd", Namespace: "nowhere"})).To(BeEmpty())
}

func targets(names ...string) []extension.ReloadTarget {
	var all []extension.ReloadTarget
	for _, name := range names {
		all = append(all, extension.ReloadTarget{Namespace: "a", Name: name, Own: true})
	}
	return all
}

func states(outcomes []extension.ReloadOutcome) string {
	var all []string
	for _, o := range outcomes {
		all = append(all, o.Name+" "+string(o.State))
	}
	return strings.Join(all, ", ")
}

// handle has an Extension answer whatever token it carries, once it does.
func (b *bench) handle(t testing.TB, name string, ready metav1.ConditionStatus) {
	go func() {
		for range 1000 {
			e := &api.Extension{}
			if err := b.client.Get(context.Background(), client.ObjectKey{Namespace: "a", Name: name}, e); err == nil && e.Annotations[api.ReloadAnnotation] != "" {
				b.change(t, "a", name, func(e *api.Extension) {
					e.Status.LastHandledReloadAt = api.RecordedToken(e.Annotations[api.ReloadAnnotation])
					e.Status.Conditions[0].Status, e.Status.Conditions[0].Reason = ready, map[metav1.ConditionStatus]string{"True": "Loaded", "False": "LoadFailed"}[ready]
				})
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

func TestAReloadIsDoneWhenTheStatusSaysSo(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, ext("a", "good", "1.0.0", "in"), ext("a", "bad", "1.0.0", "in"), ext("a", "slow", "1.0.0", "in"), ext("a", "asleep", "1.0.0", "in", suspended))
	b.handle(t, "good", metav1.ConditionTrue)
	b.handle(t, "bad", metav1.ConditionFalse)
	began := time.Now()
	list := targets("good", "bad", "slow", "gone", "asleep")
	list[4].Suspended = true
	outcomes := b.Reload(t.Context(), 500*time.Millisecond, "token-1", list)
	g.Expect(time.Since(began)).To(BeNumerically("~", 500*time.Millisecond, 400*time.Millisecond))
	g.Expect(states(outcomes)).To(Equal("good Reloaded, bad Failed, slow Pending, gone Gone, asleep Suspended"))
	g.Expect(outcomes[1].Reason).To(Equal(extension.LoadFailed))
	g.Expect(outcomes[1].Message).To(Equal("loaded"))
	e := &api.Extension{}
	g.Expect(b.client.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "slow"}, e)).To(Succeed())
	g.Expect(e.Annotations).To(HaveKeyWithValue(api.ReloadAnnotation, "token-1"))
}

func TestNothingIsWaitedForWithoutPatience(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, ext("a", "etcd", "1.0.0", "in"))
	g.Expect(states(b.Reload(t.Context(), 0, "t", targets("etcd")))).To(Equal("etcd Pending"))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	g.Expect(states(b.Reload(ctx, time.Minute, "t2", targets("etcd")))).To(Equal("etcd Pending"), "who asks has gone")
}

func TestANewerTokenAnswersToo(t *testing.T) {
	for name, newer := range map[string]string{"short": "newer", "long": strings.Repeat("long", 100)} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, ext("a", "etcd", "1.0.0", "in"))
			b.patch = func(send func() error, object client.Object) error {
				err := send()
				e := object.DeepCopyObject().(*api.Extension)
				e.Annotations[api.ReloadAnnotation] = newer
				err = errors.Join(err, b.client.Update(t.Context(), e))
				b.handle(t, "etcd", metav1.ConditionTrue)
				return err
			}
			g.Expect(states(b.Reload(t.Context(), 5*time.Second, "older", targets("etcd")))).To(Equal("etcd Reloaded"))
		})
	}
}

func TestANewerTokenAnswersAlsoWhenItIsReplaced(t *testing.T) {
	for last, want := range map[string]string{"newer": "etcd Reloaded", "before": "etcd Pending", "first": "etcd Pending"} {
		t.Run(last, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, ext("a", "etcd", "1.0.0", "in", func(e *api.Extension) { e.Status.LastHandledReloadAt = "first" }))
			b.patch = func(send func() error, object client.Object) error {
				err := send()
				e := object.DeepCopyObject().(*api.Extension)
				e.Annotations[api.ReloadAnnotation] = "newest"
				err = errors.Join(err, b.client.Update(t.Context(), e))
				b.change(t, "a", "etcd", func(e *api.Extension) { e.Status.LastHandledReloadAt = last })
				return err
			}
			list := targets("etcd")
			list[0].Before = "before"
			g.Expect(states(b.Reload(t.Context(), 50*time.Millisecond, "older", list))).To(Equal(want))
		})
	}
}

func TestAnOlderTokenAnswersNothing(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, ext("a", "etcd", "1.0.0", "in", func(e *api.Extension) {
		e.Annotations = map[string]string{api.ReloadAnnotation: "before"}
		e.Status.LastHandledReloadAt = "before"
	}))
	b.patch = func(func() error, client.Object) error { return nil } // as long as the informer has not seen it
	list := targets("etcd")
	list[0].Before = "before"
	g.Expect(states(b.Reload(t.Context(), 50*time.Millisecond, "now", list))).To(Equal("etcd Pending"))
}

func TestWhatTheAPIServerRefusesLeavesTheOthersAlone(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, ext("a", "etcd", "1.0.0", "in"), ext("a", "conflict", "1.0.0", "in"), ext("a", "leaves", "1.0.0", "in"))
	b.patch = func(send func() error, object client.Object) error {
		if object.GetName() == "conflict" {
			return apierrors.NewConflict(schema.GroupResource{Resource: "extensions"}, "conflict", errors.New("changed"))
		}
		return send()
	}
	b.handle(t, "etcd", metav1.ConditionTrue)
	time.AfterFunc(50*time.Millisecond, func() {
		_ = b.client.Delete(context.Background(), ext("a", "leaves", "", ""))
		b.Changed()
	})
	outcomes := b.Reload(t.Context(), 5*time.Second, "t", targets("etcd", "conflict", "leaves"))
	g.Expect(states(outcomes)).To(Equal("etcd Reloaded, conflict Refused, leaves Gone"))
	g.Expect(apierrors.IsConflict(outcomes[1].Err)).To(BeTrue())
}

func TestWhatTheOperatorMayNotIsNoFaultOfTheCaller(t *testing.T) {
	for name, refusal := range map[string]error{
		"no right": apierrors.NewForbidden(schema.GroupResource{Resource: "extensions"}, "etcd", errors.New("system:serviceaccount:x:y cannot patch")),
		"no token": apierrors.NewUnauthorized("expired"),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := newBench(t, ext("a", "etcd", "1.0.0", "in"))
			b.patch = func(func() error, client.Object) error { return refusal }
			outcomes := b.Reload(t.Context(), time.Second, "t", targets("etcd"))
			g.Expect(states(outcomes)).To(Equal("etcd Refused"))
			fault := extension.AsFault(outcomes[0].Err)
			g.Expect(fault.HTTPStatus()).To(Equal(500))
			g.Expect(fault.Message).To(And(ContainSubstring("grant its ServiceAccount patch"), Not(ContainSubstring("system:serviceaccount"))))
			g.Expect(fault.Cause).To(Equal(refusal), "for the log")
		})
	}
}

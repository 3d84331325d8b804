// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/test/argocd"
)

// overseer sees every version of a world's Extensions, as a GitOps tool that waits does.
type overseer struct {
	mu       sync.Mutex
	failures []string
	versions int
}

// oversee judges every version that is written until the spec ends.
func (w *world) oversee() *overseer {
	GinkgoHelper()
	shipped, err := argocd.Shipped()
	Expect(err).NotTo(HaveOccurred())
	watcher, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	events, err := watcher.Watch(context.Background(), &api.ExtensionList{}, client.InNamespace(w.namespace))
	Expect(err).NotTo(HaveOccurred())
	o := &overseer{}
	var seeing sync.WaitGroup
	seeing.Go(func() {
		for event := range events.ResultChan() {
			o.see(shipped, event)
		}
	})
	DeferCleanup(func() {
		events.Stop()
		seeing.Wait()
	})
	return o
}

func (o *overseer) see(shipped argocd.Customizations, event watch.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ext, is := event.Object.(*api.Extension)
	if !is {
		o.failures = append(o.failures, fmt.Sprintf("the watch has ended: %v", event))
		return
	}
	o.versions++
	v, err := shipped.Judge(ext)
	switch {
	case err != nil:
		o.failures = append(o.failures, ext.Name+": "+err.Error())
	case v.Kstatus == "Failed" || v.Status == "Degraded":
		o.failures = append(o.failures, ext.Name+": "+v.Message)
	}
}

// hasSeenNoFailure tells also how many versions it saw, so that a blind one is found out.
func (o *overseer) hasSeenNoFailure(least int) {
	GinkgoHelper()
	o.mu.Lock()
	defer o.mu.Unlock()
	Expect(o.failures).To(BeEmpty())
	Expect(o.versions).To(BeNumerically(">=", least))
}

// orders are all orders of n things.
func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range orders(n - 1) {
		for at := range n {
			order := append(append(append([]int{}, shorter[:at]...), n-1), shorter[at:]...)
			all = append(all, order)
		}
	}
	return all
}

// inEveryOrder takes the steps of a commit in each order, side by side under names of their
// own. Between two steps the libraries are read twice.
func (w *world) inEveryOrder(commit func(suffix string) []func()) {
	GinkgoHelper()
	steps := len(commit(""))
	for at := range steps {
		for i, order := range orders(steps) {
			commit(fmt.Sprint("-", i))[order[at]]()
		}
		if at < steps-1 {
			time.Sleep(2500 * time.Millisecond)
		}
	}
}

var _ = Describe("what GitOps tools see", func() {
	policies := []api.DependencyPolicy{api.LoadDependencies, api.RequireDependencies}
	// patient is a world with the grace that is shipped.
	patient := func() *world {
		w := newWorld()
		w.settings.NotFoundGrace = 2 * time.Minute
		return w
	}

	for _, p := range policies {
		It("never is a failure while an Extension, its dependency and their library are applied in any order, under "+string(p), func() {
			w := patient()
			w.start()
			o := w.oversee()
			w.inEveryOrder(func(suffix string) []func() {
				top, base := "top"+suffix, "base"+suffix
				return []func(){
					func() { w.apply(api.TaskservType, top, "1.0.0", policy(p)) },
					func() { w.apply(api.TaskservType, base, "~1.0", policy(p)) },
					func() {
						w.publish(api.TaskservType, base, "1.0.0", nil)
						w.publishNeeding(top, "1.0.0", base+"@^1")
					},
				}
			})
			for i := range orders(3) {
				w.becomes(fmt.Sprint("top-", i), ready)
				w.becomes(fmt.Sprint("base-", i), ready)
			}
			o.hasSeenNoFailure(24)
		})

		It("never is a failure while they are upgraded and the library loses what was before, under "+string(p), func() {
			w := patient()
			w.start()
			publish := func(top, base, version string) {
				w.publish(api.TaskservType, base, version, nil)
				w.publishNeeding(top, version, base+"@^"+version)
			}
			for i := range orders(3) {
				top, base := fmt.Sprint("top-", i), fmt.Sprint("base-", i)
				publish(top, base, "1.0.0")
				w.apply(api.TaskservType, top, "1.0.0", policy(p))
				w.apply(api.TaskservType, base, "1.0.0", policy(p))
				w.becomes(top, ready)
				w.becomes(base, ready)
			}
			o := w.oversee()
			upgrade := func(name string) func() {
				return func() { w.change(name, func(ext *api.Extension) { ext.Spec.Version = "2.0.0" }) }
			}
			w.inEveryOrder(func(suffix string) []func() {
				top, base := "top"+suffix, "base"+suffix
				return []func(){upgrade(top), upgrade(base), func() {
					publish(top, base, "2.0.0")
					for _, name := range []string{top, base} {
						Expect(os.RemoveAll(w.folder(api.TaskservType, name, "1.0.0"))).To(Succeed())
					}
				}}
			})
			for i := range orders(3) {
				for _, name := range []string{"top", "base"} {
					Expect(w.becomes(fmt.Sprint(name, "-", i), ready).Status.Version).To(Equal("2.0.0"))
				}
			}
			o.hasSeenNoFailure(24)
		})

		It("never is a failure while three that agree on a fourth move on one by one, under "+string(p), func() {
			w := patient()
			w.start()
			names := []string{"top", "mid", "base"}
			for i := range orders(3) {
				top, mid, base := fmt.Sprint("top-", i), fmt.Sprint("mid-", i), fmt.Sprint("base-", i)
				for _, version := range []string{"1.0.0", "2.0.0"} {
					w.publish(api.TaskservType, base, version, nil)
					w.publishNeeding(mid, version, base+"@^"+version)
					w.publishNeeding(top, version, mid, base+"@^"+version)
				}
				for _, name := range []string{base, mid, top} {
					w.apply(api.TaskservType, name, "1.0.0", policy(p))
				}
			}
			for i := range orders(3) {
				for _, name := range names {
					w.becomes(fmt.Sprint(name, "-", i), ready)
				}
			}
			o := w.oversee()
			w.inEveryOrder(func(suffix string) []func() {
				var steps []func()
				for _, name := range names {
					steps = append(steps, func() { w.change(name+suffix, func(ext *api.Extension) { ext.Spec.Version = "2.0.0" }) })
				}
				return steps
			})
			for i := range orders(3) {
				for _, name := range names {
					Expect(w.becomes(fmt.Sprint(name, "-", i), ready).Status.Version).To(Equal("2.0.0"))
				}
			}
			o.hasSeenNoFailure(36)
		})
	}

	It("never is a failure while what two libraries have does not go together yet", func() {
		w := patient()
		w.start()
		for i := range orders(3) {
			top, mid, base := fmt.Sprint("top-", i), fmt.Sprint("mid-", i), fmt.Sprint("base-", i)
			w.publish(api.TaskservType, base, "1.0.0", nil)
			w.publish(api.TaskservType, base, "2.0.0", nil)
			w.publishNeeding(mid, "1.0.0", base+"@^1")
			w.publishNeeding(top, "1.0.0", mid, base+"@^1")
			w.apply(api.TaskservType, top, "1.0.0")
		}
		for i := range orders(3) {
			w.becomes(fmt.Sprint("top-", i), ready)
		}
		o := w.oversee()
		w.inEveryOrder(func(suffix string) []func() {
			top, mid, base := "top"+suffix, "mid"+suffix, "base"+suffix
			return []func(){
				func() { w.change(top, func(ext *api.Extension) { ext.Spec.Version = "2.0.0" }) },
				func() { w.publishNeeding(top, "2.0.0", mid, base+"@^2") },
				func() { w.publishNeeding(mid, "2.0.0", base+"@^2") },
			}
		})
		for i := range orders(3) {
			Expect(w.becomes(fmt.Sprint("top-", i), ready).Status.Version).To(Equal("2.0.0"))
		}
		o.hasSeenNoFailure(12)
	})

	It("is what is so", func() {
		w := newWorld()
		w.publish(api.TaskservType, "good", "1.0.0", nil)
		w.publish(api.TaskservType, "broken", "1.0.0", map[string]string{"mod.nu": "export def install [ {"})
		w.publishNeeding("needing", "1.0.0", "good")
		w.publishNeeding("waiting", "1.0.0", "broken-none")
		w.start()
		shipped, err := argocd.Shipped()
		Expect(err).NotTo(HaveOccurred())
		cases := map[string]struct {
			spec            func(*api.Extension)
			verdict         string
			kstatus, health string
		}{
			"good":    {func(*api.Extension) {}, ready, "Current", "Healthy"},
			"broken":  {func(*api.Extension) {}, "False LoadFailed Stalled", "Failed", "Degraded"},
			"nowhere": {func(*api.Extension) {}, "False ExtensionNotFound Stalled", "Failed", "Degraded"},
			"idle":    {func(ext *api.Extension) { ext.Spec.Suspend = true }, "False Suspended", "InProgress", "Suspended"},
			"needing": {policy(api.RequireDependencies), ready, "Current", "Healthy"},
			"waiting": {policy(api.RequireDependencies), "False DependencyMissing", "InProgress", "Progressing"},
		}
		for name, c := range cases {
			w.apply(api.TaskservType, name, "", c.spec)
		}
		for name, c := range cases {
			v, err := shipped.Judge(w.becomes(name, c.verdict))
			Expect(err).NotTo(HaveOccurred())
			Expect([]string{string(v.Kstatus), v.Status}).To(Equal([]string{c.kstatus, c.health}), name)
			Expect(v.Message).To(Equal(w.message(name)))
		}
	})
})

// owned are the fields of an object that each field manager has, as "manager subresource".
func owned(object client.Object) map[string]fieldpath.Set {
	GinkgoHelper()
	all := map[string]fieldpath.Set{}
	for _, entry := range object.GetManagedFields() {
		var fields fieldpath.Set
		Expect(fields.FromJSON(entry.FieldsV1.GetRawReader())).To(Succeed())
		all[strings.TrimSpace(entry.Manager+" "+entry.Subresource)] = fields
	}
	return all
}

var _ = Describe("what is in Git", func() {
	// committed is an Extension as a repository has it.
	committed := func(namespace string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": api.GroupVersion.String(), "kind": "Extension",
			"metadata": map[string]any{
				"namespace": namespace, "name": "etcd", "labels": map[string]any{"team": "a"},
				"annotations": map[string]any{"argocd.argoproj.io/sync-wave": "1"},
			},
			"spec": map[string]any{"type": "taskserv", "name": "etcd", "version": "~3.5"},
		}}
	}

	for _, tool := range []string{"argocd-controller", "kustomize-controller"} {
		It("is what stays, whatever the operator and its users do, for "+tool, func() {
			w := newWorld()
			w.publish(api.TaskservType, "etcd", "3.5.9", nil)
			w.start()
			serverSideApply(committed(w.namespace), client.FieldOwner(tool))
			first := w.becomes("etcd", ready)
			w.publish(api.TaskservType, "etcd", "3.5.10", nil)
			Eventually(func() string { return w.get("etcd").Status.Version }).Should(Equal("3.5.10"))
			Expect(w.call(http.MethodPost, "/api/v1/extensions/reload", `{"extension_type": "taskserv", "name": "etcd"}`).Status).To(Equal(http.StatusOK))
			reloaded := w.get("etcd")
			Expect(reloaded.Annotations).To(HaveKey(api.ReloadAnnotation))

			By("writing the status and the annotation that asked, and nothing else")
			Expect(reloaded.Spec).To(Equal(first.Spec))
			Expect(reloaded.Generation).To(BeEquivalentTo(1))
			Expect(reloaded.Labels).To(Equal(map[string]string{"team": "a"}))
			Expect(reloaded.Finalizers).To(BeEmpty())
			annotation := fieldpath.MakePathOrDie("metadata", "annotations", api.ReloadAnnotation)
			managers := owned(reloaded)
			Expect(managers).To(HaveLen(3))
			for manager, fields := range managers {
				if manager == tool {
					Expect(fields.Has(annotation)).To(BeFalse())
					continue
				}
				fields.Leaves().Iterate(func(path fieldpath.Path) {
					Expect(path.Equals(annotation) || path[0].String() == ".status").To(BeTrue(), "%s has %s", manager, path)
				})
			}

			By("applying the same again, which changes nothing")
			again := committed(w.namespace)
			serverSideApply(again, client.FieldOwner(tool))
			Expect(again.GetResourceVersion()).To(Equal(reloaded.ResourceVersion))
			Expect(again.GetAnnotations()).To(HaveKeyWithValue(api.ReloadAnnotation, reloaded.Annotations[api.ReloadAnnotation]))

			By("having Argo CD's action ask, which neither does")
			shipped, err := argocd.Shipped()
			Expect(err).NotTo(HaveOccurred())
			live := again.DeepCopy()
			asked, err := shipped.Act(live, "reload")
			Expect(err).NotTo(HaveOccurred())
			Expect(admin.Patch(context.Background(), asked.DeepCopy(), client.MergeFrom(live))).To(Succeed())
			token := asked.GetAnnotations()[api.ReloadAnnotation]
			Eventually(func() string { return w.get("etcd").Status.LastHandledReloadAt }).Should(Equal(token))
			before := w.get("etcd").ResourceVersion
			last := committed(w.namespace)
			serverSideApply(last, client.FieldOwner(tool))
			Expect(last.GetResourceVersion()).To(Equal(before))
			w.becomes("etcd", ready)
		})
	}
})

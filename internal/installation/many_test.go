// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	runtimeconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/installation"
)

// many is how many Installations there are at once.
const many = 100

// running starts a manager with informers that reconciles the world, and counts its
// writes of statuses.
func (w *world) running(t *testing.T, limits installation.Limits) *atomic.Int64 {
	cluster, err := theCluster()
	w.g.Expect(err).NotTo(HaveOccurred())
	writes := &atomic.Int64{}
	mgr, err := ctrl.NewManager(cluster.operator, ctrl.Options{
		Scheme: testScheme(), Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}, ByObject: installation.Informers()},
		Controller: runtimeconfig.Controller{SkipNameValidation: ptr.To(true)},
		NewClient: func(config *rest.Config, o client.Options) (client.Client, error) {
			plain, err := client.NewWithWatch(config, o)
			if err != nil {
				return nil, err
			}
			return interceptor.NewClient(plain, interceptor.Funcs{
				SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
					err := c.SubResource(sub).Patch(ctx, obj, patch, opts...)
					if err == nil {
						writes.Add(1)
					}
					return err
				},
			}), nil
		},
	})
	w.g.Expect(err).NotTo(HaveOccurred())
	r := installation.New(installation.Settings{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Recorder: mgr.GetEventRecorder("installation"), Observer: w.told, Extensions: w.shelf, Payloads: twoParts{},
		Image: image, Job: options, Limits: limits, Now: time.Now,
	})
	w.g.Expect(r.Setup(t.Context(), mgr, 8)).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		w.g.Eventually(ended, 30*time.Second).Should(Receive(BeNil()))
	})
	return writes
}

// Many Installations at once, with fewer places than there are: all reach the end, none
// runs twice, and then nothing is written any more.
func TestManyAtOnceReachTheEnd(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(g)
	writes := w.running(t, installation.Limits{Total: 1000, PerNamespace: many / 4})
	began := time.Now()
	for n := range many {
		inst := newInstallation()
		inst.Namespace, inst.Name, inst.UID, inst.Generation = w.namespace, fmt.Sprintf("db-%d", n), "", 0
		inst.Spec.ServiceAccountName = ""
		g.Expect(w.admin.Create(t.Context(), inst)).To(Succeed())
	}
	g.Eventually(func() int {
		w.playPods()
		return w.installedCount()
	}, 3*time.Minute, 100*time.Millisecond).Should(Equal(many))
	took := time.Since(began)

	jobs := &batchv1.JobList{}
	g.Expect(w.admin.List(t.Context(), jobs, client.InNamespace(w.namespace))).To(Succeed())
	g.Expect(jobs.Items).To(HaveLen(many))
	pods := w.pods()
	g.Expect(pods).To(HaveLen(many))
	for job, n := range pods {
		g.Expect(n).To(Equal(1), job)
	}
	g.Eventually(w.jobsWithFinalizer, 30*time.Second).Should(BeEmpty())
	written := writes.Load()
	t.Logf("%d Installations in %s, %.1f writes of the status each", many, took.Round(time.Millisecond), float64(written)/many)

	// A library changes under all of them: each is told, and none runs.
	w.offer("17.2.0", "b")
	w.touchExtension()
	g.Eventually(func() int64 { return writes.Load() - written }, time.Minute).Should(BeEquivalentTo(many))
	g.Consistently(func() int64 { return writes.Load() - written }, time.Second).Should(BeEquivalentTo(many))
	g.Expect(w.jobsThere()).To(Equal(many))
}

// installedCount is how many Installations of the world are Ready.
func (w *world) installedCount() int {
	list := &api.InstallationList{}
	w.g.Expect(w.admin.List(context.Background(), list, client.InNamespace(w.namespace))).To(Succeed())
	count := 0
	for i := range list.Items {
		if readyIs(&list.Items[i], "True", api.InstalledReason) {
			count++
		}
	}
	return count
}

// touchExtension has whoever watches the Extension look.
func (w *world) touchExtension() {
	ext := &api.Extension{}
	w.g.Expect(w.admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: "postgresql"}, ext)).To(Succeed())
	ext.Status.Version = "17.2.0"
	w.g.Expect(w.admin.Status().Update(context.Background(), ext)).To(Succeed())
}

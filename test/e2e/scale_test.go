// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// crowd is how many Extensions the label scale makes.
const crowd = 2000

func scaleSpecs() {
	It(fmt.Sprintf("holds %d Extensions", crowd), Label("scale"), func(ctx SpecContext) {
		r := newRoom(ctx)
		restarts, from := restartsOf(ctx), time.Now()
		r.fill(ctx, crowd)
		figure(fmt.Sprintf("%d Extensions created", crowd), time.Since(from).Round(time.Second))
		peak := map[string]uint64{}
		Eventually(func() int {
			for pod, u := range usageOf(ctx) {
				peak[pod] = max(peak[pod], u.memory>>20)
			}
			return r.countReady(ctx)
		}).WithTimeout(15 * time.Minute).WithPolling(2 * time.Second).Should(Equal(crowd))
		figure(fmt.Sprintf("%d Extensions created → all Ready", crowd), time.Since(from).Round(time.Second))
		figure(fmt.Sprintf("%d Extensions, most memory of a pod meanwhile", crowd), fmt.Sprintf("%d MiB", slices.Max(slices.Collect(maps.Values(peak)))))
		if ownCluster() {
			written := writes(requestsOfOperator(from))
			figure(fmt.Sprintf("%d Extensions, writes of the operator", crowd), len(written))
			// One for each; twice that where loads take long.
			Expect(len(written)).To(BeNumerically("<=", 2*crowd))
		}
		idle(ctx, fmt.Sprintf("idle with %d Extensions", crowd))
		Expect(restartsOf(ctx)).To(Equal(restarts))
	})
}

// restartsOf is how often each running pod of the operator was started again.
func restartsOf(ctx context.Context) map[string]int32 {
	GinkgoHelper()
	found := map[string]int32{}
	for _, deployment := range []string{manager, installer} {
		for _, pod := range podsOf(ctx, deployment) {
			found[pod.Name] = pod.Status.ContainerStatuses[0].RestartCount
		}
	}
	return found
}

// fill makes as many Extensions of the built-in library, some at once.
func (r room) fill(ctx context.Context, count int) {
	GinkgoHelper()
	names := []string{"etcd", "containerd", "kubernetes", "postgresql"}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(20)
	for i := range count {
		group.Go(func() error {
			return admin.Create(ctx, &api.Extension{
				ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: fmt.Sprintf("crowd-%d", i)},
				Spec:       api.ExtensionSpec{Type: api.TaskservType, Name: names[i%len(names)]},
			})
		})
	}
	Expect(group.Wait()).To(Succeed())
}

func (r room) countReady(ctx context.Context) int {
	GinkgoHelper()
	list := &api.ExtensionList{}
	Expect(admin.List(ctx, list, client.InNamespace(r.name))).To(Succeed())
	count := 0
	for i := range list.Items {
		if verdict(list.Items[i].Generation, list.Items[i].Status.Conditions) == ready {
			count++
		}
	}
	return count
}

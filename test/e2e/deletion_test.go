// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// purposeLabel of a Job is what it is for.
const purposeLabel = "extensions.provisioning.dev/purpose"

// jobWatch sees every Job that there is in a room, however short.
type jobWatch struct {
	mu   sync.Mutex
	seen map[types.UID]string
}

// watchJobs begins with what there is and ends with the spec.
func (r room) watchJobs(ctx context.Context) *jobWatch {
	GinkgoHelper()
	w := &jobWatch{seen: map[types.UID]string{}}
	watching, err := clientset.BatchV1().Jobs(r.name).Watch(ctx, metav1.ListOptions{})
	Expect(err).NotTo(HaveOccurred())
	go func() {
		for event := range watching.ResultChan() {
			if job, is := event.Object.(*batchv1.Job); is {
				w.mu.Lock()
				w.seen[job.UID] = fmt.Sprintf("%s, %d succeeded, %d failed", job.Labels[purposeLabel], job.Status.Succeeded, job.Status.Failed)
				w.mu.Unlock()
			}
		}
	}()
	return w
}

// all are the Jobs that were seen, each as it was last.
func (w *jobWatch) all() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Values(w.seen))
}

// belongings are what the operator has made for an Installation: Jobs, pods and ConfigMaps.
func (r room) belongings(ctx context.Context, name string) []client.Object {
	GinkgoHelper()
	found := []client.Object{}
	jobs, pods, maps := &batchv1.JobList{}, &corev1.PodList{}, &corev1.ConfigMapList{}
	for _, list := range []client.ObjectList{jobs, pods, maps} {
		Expect(admin.List(ctx, list, client.InNamespace(r.name), client.MatchingLabels{installationLabel: name})).To(Succeed())
	}
	for i := range jobs.Items {
		found = append(found, &jobs.Items[i])
	}
	for i := range pods.Items {
		found = append(found, &pods.Items[i])
	}
	for i := range maps.Items {
		found = append(found, &maps.Items[i])
	}
	return found
}

// ofInstall are those that the Installation owns: a Job that uninstalls has no owner, so that it outlives the deletion.
func ofInstall(all []client.Object) []client.Object {
	found := []client.Object{}
	for _, object := range all {
		if object.GetLabels()[purposeLabel] != api.UninstallPurpose {
			found = append(found, object)
		}
	}
	return found
}

// withoutHold matches objects that wait for no operator any more.
func withoutHold() gomegatypes.GomegaMatcher {
	return HaveEach(WithTransform(client.Object.GetFinalizers, Not(ContainElement(HavePrefix("extensions.provisioning.dev/")))))
}

// cascades are the three ways of deleting an Installation, and what is left of what the operator has made to install it.
var cascades = map[string]func(ctx context.Context, r room){
	"foreground": func(ctx context.Context, r room) {
		Expect(ofInstall(r.belongings(ctx, "hello"))).To(BeEmpty(), "all of it has gone before the object")
	},
	"background": func(ctx context.Context, r room) {
		Eventually(func() []client.Object { return ofInstall(r.belongings(ctx, "hello")) }).Should(BeEmpty(), "all of it goes after the object")
	},
	"orphan": func(ctx context.Context, r room) {
		// A Job, its pod, and the payload and the values.
		Consistently(func(g Gomega) {
			left := ofInstall(r.belongings(ctx, "hello"))
			g.Expect(len(left)).To(BeNumerically(">=", 4))
			for _, object := range left {
				if _, pod := object.(*corev1.Pod); !pod {
					g.Expect(object.GetOwnerReferences()).To(BeEmpty(), "%T %s", object, object.GetName())
				}
			}
		}).Should(Succeed())
	},
}

func deletionSpecs() {
	for _, cascade := range []string{"foreground", "background", "orphan"} {
		It("uninstalls once before it goes by "+cascade+" deletion, and leaves what that leaves", Label("deletion"), func(ctx SpecContext) {
			r := newRoom(ctx)
			jobs := r.watchJobs(ctx)
			inst := r.hello(ctx)
			r.kubectl("delete", "installation", "hello", "--cascade="+cascade, "--timeout=2m")
			gone(ctx, inst)
			cascades[cascade](ctx, r)
			gone(ctx, &appsv1.Deployment{ObjectMeta: r.named("hello")})
			Eventually(func() []client.Object { return r.belongings(ctx, "hello") }).Should(withoutHold())
			Eventually(jobs.all).Should(ConsistOf("Apply, 1 succeeded, 0 failed", "Uninstall, 1 succeeded, 0 failed"))
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// greeting is what the pods of hello say.
const greeting = "Hello from the suite"

// installationLabel is on the Jobs and pods of an Installation, and on its payload.
const installationLabel = "extensions.provisioning.dev/installation"

// values are those of an Installation.
func values(of map[string]any) func(*api.Installation) {
	return func(inst *api.Installation) {
		raw, err := json.Marshal(of)
		Expect(err).NotTo(HaveOccurred())
		inst.Spec.Values = &runtime.RawExtension{Raw: raw}
	}
}

// hello installs the extension of that name, with the rights that its hooks need, to be uninstalled when it is deleted.
func (r room) hello(ctx context.Context) *api.Installation {
	GinkgoHelper()
	r.beginHello(ctx)
	return r.endHello(ctx)
}

func (r room) beginHello(ctx context.Context) {
	GinkgoHelper()
	r.kubectl("apply", "-f", "extensions/taskservs/hello/rbac.yaml")
	r.extends(ctx, api.TaskservType, "hello", "")
	r.installs(ctx, "hello", values(map[string]any{"greeting": greeting}), func(inst *api.Installation) {
		inst.Spec.ServiceAccountName, inst.Spec.DeletionPolicy = "hello-installer", api.UninstallOnDeletion
	})
}

// endHello waits until it is installed and the operator has nothing left to write.
func (r room) endHello(ctx context.Context) *api.Installation {
	GinkgoHelper()
	inst := r.ends(ctx, "hello", installed)
	Eventually(func() []batchv1.Job { return r.jobs(ctx, "hello") }).
		Should(ConsistOf(And(HaveField("Status.Succeeded", BeEquivalentTo(1)), HaveField("Finalizers", BeEmpty()))))
	return inst
}

// jobs are those of an Installation.
func (r room) jobs(ctx context.Context, name string) []batchv1.Job {
	GinkgoHelper()
	list := &batchv1.JobList{}
	Expect(admin.List(ctx, list, client.InNamespace(r.name), client.MatchingLabels{installationLabel: name})).To(Succeed())
	return list.Items
}

// pods are those of its Jobs.
func (r room) pods(ctx context.Context, name string) []corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Expect(admin.List(ctx, list, client.InNamespace(r.name), client.MatchingLabels{installationLabel: name})).To(Succeed())
	return list.Items
}

// ranOnce holds that one Job with one pod ran for an Installation, and each container of it once.
func (r room) ranOnce(ctx context.Context, name string) {
	GinkgoHelper()
	Expect(r.jobs(ctx, name)).To(HaveLen(1))
	pods := r.pods(ctx, name)
	Expect(pods).To(HaveLen(1))
	for _, c := range append(pods[0].Status.InitContainerStatuses, pods[0].Status.ContainerStatuses...) {
		Expect(c.RestartCount).To(BeZero(), c.Name)
	}
}

// gone waits until there is no such object any more.
func gone(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Eventually(func() error { return admin.Get(ctx, client.ObjectKeyFromObject(object), object) }).
		Should(Satisfy(apierrors.IsNotFound), func() string { return asJSON(object) })
}

func (r room) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: r.name, Name: name}
}

func installationSpecs() {
	It("installs hello for real, verifies it, and uninstalls it when it is deleted", Label("installation"), func(ctx SpecContext) {
		r := newRoom(ctx)
		inst := r.hello(ctx)
		for _, s := range inst.Status.Steps {
			Expect(s.State).To(Equal("Succeeded"), "%+v", s)
		}
		r.ranOnce(ctx, "hello")
		Expect(r.kubectl("logs", "deployment/hello")).To(ContainSubstring(greeting))
		Expect(r.kubectl("exec", "deployment/hello", "--", "/usr/local/bin/nu", "-c", "open --raw /etc/hello/greeting.txt | print")).To(ContainSubstring(greeting))
		r.kubectl("delete", "installation", "hello", "--timeout=2m")
		gone(ctx, &appsv1.Deployment{ObjectMeta: r.named("hello")})
		gone(ctx, &corev1.ConfigMap{ObjectMeta: r.named("hello")})
	})

	It("says which image cannot be had where postgresql does not come up", Label("installation"), func(ctx SpecContext) {
		r := newRoom(ctx)
		const image = "registry.invalid/postgres:16.4"
		r.kubectl("apply", "-f", "extensions/taskservs/postgresql/16.4.0/rbac.yaml")
		r.volume(ctx, "postgresql-data")
		r.extends(ctx, api.TaskservType, "postgresql", "16")
		r.installs(ctx, "postgresql", values(map[string]any{"image": image, "patience_s": 20, "storage": "10Mi", "memory_mib": 512}), func(inst *api.Installation) {
			inst.Spec.ServiceAccountName = "postgresql-installer"
		})
		inst := r.ends(ctx, "postgresql", "False VerifyFailed Stalled")
		Expect(message(inst.Status.Conditions)).To(ContainSubstring(image))
	})
}

// volume makes a PersistentVolume for a claim of the room, for clusters without a storage class.
func (r room) volume(ctx context.Context, claim string) {
	GinkgoHelper()
	pv := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: r.name + "-" + claim},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: resourceOf("10Mi")},
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			ClaimRef:    &corev1.ObjectReference{Namespace: r.name, Name: claim},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: "/var/lib/" + r.name},
			},
		},
	}
	Expect(admin.Create(ctx, pv)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(admin.Delete(ctx, pv))).To(Succeed()) })
}

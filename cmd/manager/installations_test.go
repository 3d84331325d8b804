// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/step"
	"provisioning.dev/extension-operator/test/env"
)

// apart starts a manager of Extensions and one of Installations, each with its own rights,
// cache and settings, as they are shipped.
func (w *world) apart() {
	GinkgoHelper()
	w.start()
	other := &world{t: w.t, namespace: w.namespace, catalogDir: w.catalogDir, settings: w.settings}
	other.settings.Controllers = []string{config.InstallationController}
	other.settings.CacheDir = w.t.TempDir()
	other.settings.LoadWorkers = 0
	other.startAs(asInstaller)
}

// installs creates an Installation that is called like its Extension.
func (w *world) installs(name string, change ...func(*api.Installation)) {
	GinkgoHelper()
	inst := &api.Installation{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: name}},
	}
	for _, c := range change {
		c(inst)
	}
	create(inst)
}

func (w *world) installation(name string) *api.Installation {
	inst := &api.Installation{}
	Expect(admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: name}, inst)).To(Succeed())
	return inst
}

// reasonOf is that of Ready.
func (w *world) reasonOf(name string) string {
	ready := meta.FindStatusCondition(w.installation(name).Status.Conditions, api.ReadyCondition)
	if ready == nil {
		return ""
	}
	return ready.Reason + ": " + ready.Message
}

func (w *world) jobs() []batchv1.Job {
	list := &batchv1.JobList{}
	Expect(admin.List(context.Background(), list, client.InNamespace(w.namespace))).To(Succeed())
	return list.Items
}

// podOf waits for the pod of the only Job of an Installation.
func (w *world) podOf(name string) *corev1.Pod {
	GinkgoHelper()
	list := &corev1.PodList{}
	Eventually(func() []corev1.Pod {
		Expect(admin.List(context.Background(), list, client.InNamespace(w.namespace),
			client.MatchingLabels{"extensions.provisioning.dev/installation": name})).To(Succeed())
		return list.Items
	}).Should(HaveLen(1))
	return &list.Items[0]
}

// ends has every container of a pod end well, as a kubelet tells it.
func ends(pod *corev1.Pod) {
	GinkgoHelper()
	ended := func(containers []corev1.Container) []corev1.ContainerStatus {
		var all []corev1.ContainerStatus
		for _, c := range containers {
			report := step.NewReport(step.Step(c.Name), "", "done")
			if report.Step == step.Configure {
				report.ConfigDigest = "sha256:" + "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
			}
			now := metav1.Now()
			all = append(all, corev1.ContainerStatus{Name: c.Name, Image: c.Image, State: corev1.ContainerState{
				Terminated: &corev1.ContainerStateTerminated{Message: string(report.Encode()), StartedAt: now, FinishedAt: now},
			}})
		}
		return all
	}
	pod.Status.Phase = corev1.PodSucceeded
	pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = ended(pod.Spec.InitContainers), ended(pod.Spec.Containers)
	Expect(admin.Status().Update(context.Background(), pod)).To(Succeed())
}

// payloadOf unpacks what a container is given, as the kubelet and the runner do, and returns the order.
func (w *world) payloadOf(pod *corev1.Pod, container corev1.Container) (step.Order, string) {
	GinkgoHelper()
	order, err := step.Parse(container.Args)
	Expect(err).NotTo(HaveOccurred())
	parts, stage := w.t.TempDir(), w.t.TempDir()
	for _, v := range pod.Spec.Volumes {
		if v.Name != "payload" {
			continue
		}
		for _, source := range v.Projected.Sources {
			kept := &corev1.ConfigMap{}
			Expect(admin.Get(context.Background(), client.ObjectKey{Namespace: w.namespace, Name: source.ConfigMap.Name}, kept)).To(Succeed())
			item := source.ConfigMap.Items[0]
			Expect(os.WriteFile(filepath.Join(parts, item.Path), kept.BinaryData[item.Key], 0o600)).To(Succeed())
		}
	}
	Expect(payload.Unpack(os.DirFS(parts), order.Members, stage)).To(Succeed())
	return order, stage
}

var _ = Describe("Installations", Ordered, func() {
	BeforeAll(func() {
		stop, err := cluster.RunControllers(env.JobController, env.GarbageCollector)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(stop()).To(Succeed()) })
	})

	It("give a Job the exact bytes of what the Extension has loaded, with the controllers run apart", func() {
		w := newWorld()
		w.settings.Libraries = []string{filepath.Join("..", "..", "extensions")}
		w.settings.RunnerImage = "registry.example/operator:v9"
		w.apart()
		w.apply(api.TaskservType, "hello", "")
		w.installs("hello")
		pod := w.podOf("hello")
		Expect(w.becomes("hello", ready).Status.Version).NotTo(BeEmpty())
		Expect(pod.Spec.InitContainers).To(HaveLen(2))
		container := pod.Spec.InitContainers[1]
		Expect(container.Image).To(Equal("registry.example/operator:v9"))
		order, stage := w.payloadOf(pod, container)
		Expect(order.Members).To(HaveLen(2))
		Expect(order.Members[0].Key.Name).To(Equal("kube"), "what it depends on comes first")
		Expect(string(order.Members[1].Digest)).To(Equal(w.get("hello").Status.Digest))
		carried, err := os.ReadFile(filepath.Join(stage, "taskserv", "hello", "mod.nu"))
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(filepath.Join("..", "..", "extensions", "taskservs", "hello", "mod.nu"))).To(Equal(carried))
		ends(pod)
		Eventually(func() string { return w.reasonOf("hello") }).Should(HavePrefix(api.InstalledReason))
		Expect(w.installation("hello").Status.Installed.Version).To(Equal(w.get("hello").Status.Version))
		Expect(w.jobs()).To(HaveLen(1))
		Eventually(func() []string { return w.events("hello") }).Should(ContainElement(HavePrefix(api.InstalledReason)))
	})

	It("wait for the Installations of dependencies with a hook install, by event", func() {
		w := newWorld()
		w.publish(api.TaskservType, "base", "1.2.0", nil)
		w.publish(api.TaskservType, "plain", "1.0.0", map[string]string{"mod.nu": "export const answer = 42\n"})
		w.publish(api.TaskservType, "app", "1.0.0", map[string]string{
			"manifest.toml": manifest(api.TaskservType, "app", "1.0.0") + "dependencies = [\"base@^1\", \"plain\"]\n",
		})
		w.apart()
		w.apply(api.TaskservType, "app", "")
		w.installs("app")
		Eventually(func() string { return w.reasonOf("app") }).Should(And(
			HavePrefix(api.DependencyNotReadyReason), ContainSubstring("base@^1"), Not(ContainSubstring("plain"))))
		Expect(w.jobs()).To(BeEmpty())
		w.apply(api.TaskservType, "base", "")
		w.installs("base")
		ends(w.podOf("base"))
		ends(w.podOf("app"))
		Eventually(func() string { return w.reasonOf("app") }).Should(HavePrefix(api.InstalledReason))
	})

	It("do not run again because a library file has changed", func() {
		w := newWorld()
		w.publish(api.TaskservType, "base", "1.2.0", nil)
		w.settings.Controllers = config.Default().Controllers
		both(w)
		w.apply(api.TaskservType, "base", "")
		w.installs("base")
		ends(w.podOf("base"))
		Eventually(func() string { return w.reasonOf("base") }).Should(HavePrefix(api.InstalledReason))
		before := w.get("base").Status.Digest
		w.publish(api.TaskservType, "base", "1.2.0", map[string]string{"notes.txt": "more"})
		Eventually(func() string { return w.get("base").Status.Digest }).ShouldNot(Equal(before))
		Eventually(func() bool {
			return meta.IsStatusConditionTrue(w.installation("base").Status.Conditions, api.UpgradeAvailableCondition)
		}).Should(BeTrue())
		Consistently(w.jobs).Should(HaveLen(1))
	})

	It("say what keeps them from beginning", func() {
		w := newWorld()
		w.publish(api.TaskservType, "base", "1.2.0", map[string]string{"mod.nu": "export const answer = 42\n"})
		w.apart()
		w.installs("nothing")
		Eventually(func() string { return w.reasonOf("nothing") }).Should(HavePrefix(api.ExtensionNotFoundReason))
		w.apply(api.TaskservType, "base", "9.9.9")
		w.installs("base")
		Eventually(func() string { return w.reasonOf("base") }).Should(And(HavePrefix(api.ExtensionNotReadyReason), ContainSubstring("9.9.9 of taskserv base not found")))
		w.change("base", func(ext *api.Extension) { ext.Spec.Version = "" })
		Eventually(func() string { return w.reasonOf("base") }).Should(And(HavePrefix(api.NothingToInstallReason), ContainSubstring("an Extension alone is enough")))
		Expect(w.jobs()).To(BeEmpty())
	})

	It("do not begin with content that is nowhere any more", func() {
		w := newWorld()
		w.publish(api.TaskservType, "base", "1.2.0", nil)
		w.start()
		w.apply(api.TaskservType, "base", "")
		w.becomes("base", ready)
		w.change("base", func(ext *api.Extension) { ext.Spec.Suspend = true })
		Eventually(func() int64 { return w.get("base").Status.ObservedGeneration }).Should(BeEquivalentTo(2))
		w.stop()
		w.publish(api.TaskservType, "base", "1.2.0", map[string]string{"notes.txt": "another content"})
		w.settings.CacheDir = w.t.TempDir()
		w.settings.Controllers = []string{config.InstallationController}
		w.startAs(asInstaller)
		w.installs("base")
		Eventually(func() string { return w.reasonOf("base") }).Should(ContainSubstring("is in no library and no copy of it is left"))
		Expect(w.jobs()).To(BeEmpty())
	})

	It("begin once the installer's own copy of a library has what the loader's had before", func() {
		w := newWorld()
		w.publish(api.TaskservType, "base", "1.2.0", nil)
		w.start()
		late := newWorld()
		late.publish(api.TaskservType, "other", "1.0.0", nil)
		installer := &world{t: w.t, namespace: w.namespace, catalogDir: late.catalogDir, settings: late.settings}
		installer.settings.Controllers = []string{config.InstallationController}
		installer.startAs(asInstaller)
		w.apply(api.TaskservType, "base", "")
		w.becomes("base", ready)
		w.installs("base")
		Eventually(func() string { return w.reasonOf("base") }).Should(ContainSubstring("no copy of it is left"))
		late.publish(api.TaskservType, "base", "1.2.0", nil)
		Eventually(w.jobs).Should(HaveLen(1))
	})

	It("are out of reach for the loader", func() {
		asLoader, err := client.New(asManager, client.Options{Scheme: scheme()})
		Expect(err).NotTo(HaveOccurred())
		Expect(asLoader.List(context.Background(), &batchv1.JobList{})).To(MatchError(ContainSubstring("forbidden")))
		installer, err := client.New(asInstaller, client.Options{Scheme: scheme()})
		Expect(err).NotTo(HaveOccurred())
		Expect(installer.List(context.Background(), &corev1.SecretList{})).To(MatchError(ContainSubstring("forbidden")))
		Expect(installer.Patch(context.Background(), &api.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "x"}},
			client.RawPatch(types.MergePatchType, []byte("{}")))).To(MatchError(ContainSubstring("forbidden")))
	})
})

// both runs the two controllers in one process, which has the rights of both.
func both(w *world) {
	GinkgoHelper()
	user, err := cluster.AddUser("both-" + w.namespace)
	Expect(err).NotTo(HaveOccurred())
	user.QPS = -1
	for _, role := range []string{"extension-manager", "extension-installer"} {
		create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role + "-" + w.namespace},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "both-" + w.namespace}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		})
	}
	w.startAs(user)
}

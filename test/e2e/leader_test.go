// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// holder is who holds a Deployment's Lease: the name of a pod and a word of its process.
func holder(ctx context.Context, deployment string) string {
	GinkgoHelper()
	l := &coordinationv1.Lease{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: system, Name: lease[deployment]}, l)).To(Succeed())
	return ptr.Deref(l.Spec.HolderIdentity, "")
}

// leader waits for a pod of a Deployment that leads, and returns it.
func leader(ctx context.Context, deployment string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{}
	Eventually(func() error {
		name, _, _ := strings.Cut(holder(ctx, deployment), "_")
		return admin.Get(ctx, client.ObjectKey{Namespace: system, Name: name}, pod)
	}).Should(Succeed())
	return pod
}

// killLeader ends the leading process as nothing else can, so that it gives nothing back; in a cluster of others the pod is
// deleted without grace.
func killLeader(ctx context.Context, deployment string) {
	GinkgoHelper()
	pod := leader(ctx, deployment)
	if !ownCluster() {
		Expect(admin.Delete(ctx, pod, client.GracePeriodSeconds(0))).To(Succeed())
		return
	}
	pid := managerOf(pod)
	Expect(pid).NotTo(BeZero(), "the process of pod %s is on this machine", pod.Name)
	Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
}

// managerOf is the process of a pod's manager; 0 where there is none.
func managerOf(pod *corev1.Pod) int {
	folders, err := filepath.Glob("/proc/[0-9]*")
	Expect(err).NotTo(HaveOccurred())
	for _, folder := range folders {
		groups, err := os.ReadFile(filepath.Join(folder, "cgroup"))
		if err != nil || !strings.Contains(string(groups), string(pod.UID)) {
			continue
		}
		line, err := os.ReadFile(filepath.Join(folder, "cmdline"))
		if err != nil || filepath.Base(strings.Split(string(line), "\x00")[0]) != "manager" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		Expect(err).NotTo(HaveOccurred())
		return pid
	}
	return 0
}

func leaderSpecs() {
	It("loads on where the leader is killed in the middle of a load", Label("leader"), func(ctx SpecContext) {
		withLibrary(ctx)
		r := newRoom(ctx)
		r.extends(ctx, api.TaskservType, "slow", "")
		r.becomes(ctx, "slow", "False Loading Reconciling")
		before := holder(ctx, manager)
		killLeader(ctx, manager)
		from := time.Now()
		r.extends(ctx, api.TaskservType, "steady", "")
		r.becomes(ctx, "steady", ready)
		figure("leader killed → next Extension loaded", time.Since(from).Round(100*time.Millisecond))
		slow := r.becomes(ctx, "slow", ready)
		Expect(slow.Status.History).To(HaveLen(1))
		Expect(holder(ctx, manager)).NotTo(Equal(before))
		rolledOut()
	})

	It("runs one Job where the leader is killed in the middle of an install", Label("leader"), func(ctx SpecContext) {
		withLibrary(ctx)
		r := newRoom(ctx)
		r.lasting(ctx, 20)
		before := holder(ctx, installer)
		killLeader(ctx, installer)
		inst := r.ends(ctx, "lasting", installed)
		Expect(inst.Status.Attempt.Number).To(BeEquivalentTo(1))
		r.ranOnce(ctx, "lasting")
		Expect(holder(ctx, installer)).NotTo(Equal(before))
		rolledOut()
	})
}

// lasting begins an Installation that takes as many seconds, and returns in the middle of Install.
func (r room) lasting(ctx context.Context, seconds int) {
	GinkgoHelper()
	r.extends(ctx, api.TaskservType, "lasting", "")
	r.installs(ctx, "lasting", values(map[string]any{"seconds": seconds}))
	Eventually(func() string { return r.installation(ctx, "lasting").Status.Step }).
		Should(Equal("Install/Running"), func() string { return asJSON(r.installation(ctx, "lasting").Status) })
}

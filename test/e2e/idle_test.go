// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// What docs/operations.md promises of each pod of the operator where nothing happens, whatever there is.
const (
	idleMillicores = 10
	idleMiB        = 256
)

const (
	// window is how long what a pod takes is measured at once. The kubelet looks each 10 s or so.
	window = 20 * time.Second
	// steady is by how many millicores two windows in a row may differ where nothing happens.
	steady = 2
	// settling is how long what specs before have caused may go on.
	settling = 5 * time.Minute
)

// usage is what the kubelet measured of a pod.
type usage struct {
	at     time.Time
	cpu    time.Duration
	memory uint64
}

// usageOf asks the kubelets for that of the operator's running pods.
func usageOf(ctx context.Context) map[string]usage {
	GinkgoHelper()
	all := map[string]usage{}
	for node := range strings.FieldsSeq(kubectl("get", "nodes", "-o", "name")) {
		var summary struct {
			Pods []struct {
				PodRef struct{ Name, Namespace string }
				CPU    struct {
					Time                 time.Time
					UsageCoreNanoSeconds int64
				}
				Memory struct{ WorkingSetBytes uint64 }
			}
		}
		answer := kubectl("get", "--raw", "/api/v1/nodes/"+strings.TrimPrefix(node, "node/")+"/proxy/stats/summary")
		Expect(json.Unmarshal([]byte(answer), &summary)).To(Succeed())
		for _, p := range summary.Pods {
			if p.PodRef.Namespace == system {
				all[p.PodRef.Name] = usage{at: p.CPU.Time, cpu: time.Duration(p.CPU.UsageCoreNanoSeconds), memory: p.Memory.WorkingSetBytes}
			}
		}
	}
	running := map[string]usage{}
	for _, deployment := range []string{manager, installer} {
		for _, pod := range podsOf(ctx, deployment) {
			Expect(all).To(HaveKey(pod.Name), "the kubelet measures it")
			running[pod.Name] = all[pod.Name]
		}
	}
	return running
}

// millicores are what each pod takes during a window from now on.
func millicores(ctx context.Context) map[string]float64 {
	GinkgoHelper()
	taken, before := map[string]float64{}, usageOf(ctx)
	Eventually(func(g Gomega) {
		after := usageOf(ctx)
		for pod, b := range before {
			took := after[pod].at.Sub(b.at)
			g.Expect(took).To(BeNumerically(">=", window), pod)
			taken[pod] = 1000 * (after[pod].cpu - b.cpu).Seconds() / took.Seconds()
		}
	}).WithTimeout(4 * window).WithPolling(2 * time.Second).Should(Succeed())
	return taken
}

// idle waits until nothing happens any more, writes down what each pod takes then, and holds that to what is promised.
func idle(ctx context.Context, when string) {
	GinkgoHelper()
	last, from := millicores(ctx), time.Now()
	Eventually(func(g Gomega) {
		before := last
		last, from = nil, time.Now()
		last = millicores(ctx)
		for pod, cpu := range last {
			g.Expect(math.Abs(cpu-before[pod])).To(BeNumerically("<=", steady), "%s takes %.1f m CPU and has taken %.1f", pod, cpu, before[pod])
		}
	}).WithTimeout(settling).Should(Succeed(), "it is not idle")
	memory := usageOf(ctx)
	for _, deployment := range []string{manager, installer} {
		leading := leader(ctx, deployment).Name
		for _, pod := range podsOf(ctx, deployment) {
			role := "standby"
			if pod.Name == leading {
				role = "leader"
			}
			cpu, mib := last[pod.Name], memory[pod.Name].memory>>20
			figure(fmt.Sprintf("%s, %s %s", when, deployment, role), fmt.Sprintf("%.1f m CPU, %d MiB", cpu, mib))
			Expect(cpu).To(BeNumerically("<=", idleMillicores), pod.Name)
			Expect(mib).To(And(BeNumerically(">", 0), BeNumerically("<=", idleMiB)), pod.Name)
		}
	}
	if ownCluster() {
		Expect(writes(requestsOfOperator(from))).To(BeEmpty(), "nothing is written where nothing happens")
	}
}

func idleSpecs() {
	It("takes little where nothing happens", Label("idle"), func(ctx SpecContext) {
		idle(ctx, "idle")
	})
}

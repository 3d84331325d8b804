// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// usage is what the kubelet measured of a pod.
type usage struct {
	at     time.Time
	cpu    time.Duration
	memory uint64
}

// usageOf asks the kubelets for that of the operator's pods.
func usageOf() map[string]usage {
	GinkgoHelper()
	found := map[string]usage{}
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
				found[p.PodRef.Name] = usage{at: p.CPU.Time, cpu: time.Duration(p.CPU.UsageCoreNanoSeconds), memory: p.Memory.WorkingSetBytes}
			}
		}
	}
	return found
}

// idle writes down what the pods take where nothing happens.
func idle(ctx context.Context, when string) {
	GinkgoHelper()
	before := usageOf()
	for _, deployment := range []string{manager, installer} {
		leading := leader(ctx, deployment).Name
		Eventually(func() time.Duration { return usageOf()[leading].at.Sub(before[leading].at) }).
			WithPolling(2 * time.Second).Should(BeNumerically(">=", 20*time.Second))
	}
	after := usageOf()
	for _, deployment := range []string{manager, installer} {
		leading := leader(ctx, deployment).Name
		for _, pod := range podsOf(ctx, deployment) {
			a, b := before[pod.Name], after[pod.Name]
			Expect(b.memory).To(BeNumerically(">", 0), "the kubelet measures %s", pod.Name)
			role := "standby"
			if pod.Name == leading {
				role = "leader"
			}
			cores := b.cpu.Seconds() - a.cpu.Seconds()
			figure(fmt.Sprintf("%s, %s %s", when, deployment, role),
				fmt.Sprintf("%.1f m CPU, %d MiB", 1000*cores/b.at.Sub(a.at).Seconds(), b.memory>>20))
		}
	}
}

func idleSpecs() {
	It("takes little where nothing happens", Label("idle"), func(ctx SpecContext) {
		idle(ctx, "idle")
	})
}

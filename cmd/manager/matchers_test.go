// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// verdict is Ready as kubectl get shows it, with whether the object has given up
// or is at work, once the newest generation has been looked at.
func (w *world) verdict(name string) string {
	GinkgoHelper()
	ext := w.get(name)
	invariants(ext)
	ready := meta.FindStatusCondition(ext.Status.Conditions, api.ReadyCondition)
	if ready == nil || ready.ObservedGeneration != ext.Generation {
		return "unseen"
	}
	words := []string{string(ready.Status), ready.Reason}
	for _, t := range []string{api.StalledCondition, api.ReconcilingCondition} {
		if meta.IsStatusConditionTrue(ext.Status.Conditions, t) {
			words = append(words, t)
		}
	}
	return strings.Join(words, " ")
}

// Verdicts that specs wait for.
const (
	ready = "True Loaded"
)

// message of Ready.
func (w *world) message(name string) string {
	GinkgoHelper()
	if c := meta.FindStatusCondition(w.get(name).Status.Conditions, api.ReadyCondition); c != nil {
		return c.Message
	}
	return ""
}

// becomes waits until an Extension's verdict is the one wanted, and returns it.
func (w *world) becomes(name, verdict string) *api.Extension {
	GinkgoHelper()
	Eventually(func() string { return w.verdict(name) }).Should(Equal(verdict), func() string {
		return "the message is: " + w.message(name)
	})
	return w.get(name)
}

// stays checks for a second that an Extension's verdict does not change.
func (w *world) stays(name, verdict string) {
	GinkgoHelper()
	Consistently(func() string { return w.verdict(name) }).Should(Equal(verdict))
}

// invariants hold for every status that was ever written.
func invariants(ext *api.Extension) {
	GinkgoHelper()
	s := ext.Status
	if s.ObservedGeneration == -1 {
		Expect(s.Conditions).To(BeEmpty())
		return
	}
	for _, c := range s.Conditions {
		Expect(c.LastTransitionTime.IsZero()).To(BeFalse(), c.Type)
		Expect(c.ObservedGeneration).To(BeNumerically("<=", ext.Generation), c.Type)
		Expect(len(c.Message)).To(BeNumerically("<=", api.MaxMessageLength), c.Type)
		if c.Type == api.StalledCondition || c.Type == api.ReconcilingCondition {
			Expect(c.Status).To(Equal(metav1.ConditionTrue), c.Type)
		}
	}
	lastGood := []bool{
		s.Version != "", s.Catalog != "", s.Digest != "", s.InputDigest != "", s.Key != "", s.Path != "",
		s.LoadedAt != nil, s.Sandbox != nil, s.Metadata != nil, len(s.History) > 0,
		meta.IsStatusConditionTrue(s.Conditions, api.LoadedCondition),
	}
	for _, present := range lastGood {
		Expect(present).To(Equal(lastGood[0]), "the last good load is there whole, or not at all: %+v", s)
	}
}

// reconciles counts those of all worlds so far.
func reconciles() float64 {
	GinkgoHelper()
	families, err := metrics.Registry.Gather()
	Expect(err).NotTo(HaveOccurred())
	sum := 0.0
	for _, family := range families {
		if family.GetName() != "controller_runtime_reconcile_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			sum += m.GetCounter().GetValue()
		}
	}
	return sum
}

// stayTheSame matches a count that is what it was when it was last looked at.
func stayTheSame() types.GomegaMatcher {
	last := -1.0
	return WithTransform(func(now float64) bool {
		same := now == last
		last = now
		return same
	}, BeTrue())
}

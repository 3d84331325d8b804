// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// suiteLabel is on every namespace of the suite.
const suiteLabel = "e2e.extensions.provisioning.dev/suite"

// Verdicts that specs wait for.
const (
	ready     = "True Loaded"
	installed = "True Installed"
)

// room is a namespace with what a spec makes in it.
type room struct{ name string }

// newRoom makes a namespace that goes with the spec.
func newRoom(ctx context.Context) room {
	GinkgoHelper()
	r := newHall(ctx)
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(admin.Delete(ctx, &corev1.Namespace{ObjectMeta: metaNamed(r.name)}))).To(Succeed())
	})
	return r
}

// newHall makes a namespace under Pod Security restricted that stays for another spec.
func newHall(ctx context.Context) room {
	GinkgoHelper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-", Labels: map[string]string{
		suiteLabel: "", "pod-security.kubernetes.io/enforce": "restricted",
	}}}
	Expect(admin.Create(ctx, ns)).To(Succeed())
	return room{name: ns.Name}
}

// kubectl runs it in the namespace.
func (r room) kubectl(args ...string) string {
	GinkgoHelper()
	return kubectl(append([]string{"-n", r.name}, args...)...)
}

// extends creates an Extension that is called like what it asks for.
func (r room) extends(ctx context.Context, kind api.ExtensionType, name, version string, change ...func(*api.Extension)) {
	GinkgoHelper()
	ext := &api.Extension{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name},
		Spec:       api.ExtensionSpec{Type: kind, Name: name, Version: version},
	}
	for _, c := range change {
		c(ext)
	}
	Expect(admin.Create(ctx, ext)).To(Succeed())
}

// installs creates an Installation that is called like its Extension.
func (r room) installs(ctx context.Context, name string, change ...func(*api.Installation)) {
	GinkgoHelper()
	inst := &api.Installation{
		ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name},
		Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: name}},
	}
	for _, c := range change {
		c(inst)
	}
	Expect(admin.Create(ctx, inst)).To(Succeed())
}

func (r room) extension(ctx context.Context, name string) *api.Extension {
	GinkgoHelper()
	ext := &api.Extension{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: r.name, Name: name}, ext)).To(Succeed())
	return ext
}

func (r room) installation(ctx context.Context, name string) *api.Installation {
	GinkgoHelper()
	inst := &api.Installation{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: r.name, Name: name}, inst)).To(Succeed())
	return inst
}

// becomes waits until Ready of an Extension says one of these.
func (r room) becomes(ctx context.Context, name string, wanted ...string) *api.Extension {
	GinkgoHelper()
	Eventually(func() string {
		ext := r.extension(ctx, name)
		return verdict(ext.Generation, ext.Status.Conditions)
	}).Should(BeElementOf(wanted), func() string { return asJSON(r.extension(ctx, name).Status) })
	return r.extension(ctx, name)
}

// ends waits until Ready of an Installation says so.
func (r room) ends(ctx context.Context, name, wanted string) *api.Installation {
	GinkgoHelper()
	Eventually(func() string {
		inst := r.installation(ctx, name)
		return verdict(inst.Generation, inst.Status.Conditions)
	}).Should(Equal(wanted), func() string { return asJSON(r.installation(ctx, name).Status) })
	return r.installation(ctx, name)
}

// verdict is Ready as kubectl get shows it, and Stalled or Reconciling, once the newest generation was looked at.
func verdict(generation int64, conditions []metav1.Condition) string {
	c := meta.FindStatusCondition(conditions, api.ReadyCondition)
	if c == nil || c.ObservedGeneration != generation {
		return "unseen"
	}
	words := []string{string(c.Status), c.Reason}
	for _, t := range []string{api.StalledCondition, api.ReconcilingCondition} {
		if meta.IsStatusConditionTrue(conditions, t) {
			words = append(words, t)
		}
	}
	return strings.Join(words, " ")
}

// message is Ready's.
func message(conditions []metav1.Condition) string {
	if c := meta.FindStatusCondition(conditions, api.ReadyCondition); c != nil {
		return c.Message
	}
	return ""
}

func asJSON(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Sprint(err)
	}
	return string(text)
}

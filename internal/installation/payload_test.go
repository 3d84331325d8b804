// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

func TestAPayloadIsKeptAndReadAgain(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(func(i *api.Installation) { i.Spec.DeletionPolicy = api.UninstallOnDeletion })
	plan := members("16.4.0", "a")
	maps := installation.PayloadConfigMaps(inst, plan, [][]byte{{0xff, 1}, {2}, {3}})
	g.Expect(maps).To(HaveLen(3))
	names := map[string]bool{}
	for i, m := range maps {
		g.Expect(*m.Immutable).To(BeTrue())
		g.Expect(metav1.IsControlledBy(m, inst)).To(BeTrue())
		g.Expect(m.Finalizers).To(ConsistOf(installation.UninstallFinalizer))
		g.Expect(m.Name).To(Equal(installation.PayloadName(inst, installation.ContentDigest(plan), i)))
		g.Expect(m.BinaryData).To(HaveKey("part"))
		names[m.Name] = true
	}
	g.Expect(names).To(HaveLen(3))

	got, parts, err := installation.ReadPayload(maps[0], installation.ContentDigest(plan))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(parts).To(Equal(3))
	g.Expect(got).To(Equal(plan))

	orphaned := installation.PayloadConfigMaps(newInstallation(), plan, [][]byte{{1}})
	g.Expect(orphaned[0].Finalizers).To(BeEmpty())
}

func TestAPayloadThatIsAnotherIsRefused(t *testing.T) {
	plan := members("16.4.0", "a")
	content := installation.ContentDigest(plan)
	for name, c := range map[string]struct {
		spoil func(*corev1.ConfigMap)
		want  string
	}{
		"other members": {func(m *corev1.ConfigMap) { m.Data["members"] = "taskserv:postgresql:16.4.0@" + string(digest("b")) }, "has a payload of content"},
		"in other order": {func(m *corev1.ConfigMap) {
			l := strings.Split(m.Data["members"], "\n")
			m.Data["members"] = l[1] + "\n" + l[0]
		}, "has a payload of content"},
		"an argument":  {func(m *corev1.ConfigMap) { m.Data["members"] += "\n--sandbox=off" }, "does not say what its payload is"},
		"no members":   {func(m *corev1.ConfigMap) { m.Data = nil }, "does not say what its payload is"},
		"no count":     {func(m *corev1.ConfigMap) { delete(m.Data, "parts") }, "how many parts"},
		"a huge count": {func(m *corev1.ConfigMap) { m.Data["parts"] = "9" }, "how many parts"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			first := installation.PayloadConfigMaps(newInstallation(), plan, [][]byte{{1}})[0]
			c.spoil(first)
			_, _, err := installation.ReadPayload(first, content)
			g.Expect(err).To(MatchError(ContainSubstring(c.want)))
		})
	}
}

func TestValuesAreKeptAsTheyWere(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(withSecret)
	kept, err := installation.ValuesConfigMap(inst)
	g.Expect(err).NotTo(HaveOccurred())
	spec, err := installation.SpecDigest(inst.Spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(kept.Name).To(Equal(installation.ValuesName(inst, spec)))
	g.Expect(*kept.Immutable).To(BeTrue())
	g.Expect(kept.Data["values"]).To(Equal(`{"replicas":3}`))
	values, sources, err := installation.ReadValues(kept, spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(values)).To(Equal(`{"replicas":3}`))
	g.Expect(sources).To(Equal(inst.Spec.ValuesFrom))
	for key, forged := range map[string]string{"values": `{"replicas":4}`, "spec": strings.Replace(kept.Data["spec"], "db.credentials", "another", 1)} {
		other := kept.DeepCopy()
		other.Data[key] = forged
		_, _, err = installation.ReadValues(other, spec)
		g.Expect(err).To(MatchError(And(ContainSubstring("has other values than those of digest"), ContainSubstring("somebody has changed it"))))
	}
	kept.Data["spec"] = "?"
	_, _, err = installation.ReadValues(kept, spec)
	g.Expect(err).To(MatchError(ContainSubstring("does not say what its values are")))
}

// An operator that hashes the same spec in another way would run every Installation again.
func TestTheSpecDigestStaysWhatItIs(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation(withSecret, func(i *api.Installation) {
		i.Spec.PodOptions = &api.PodOptions{
			Resources:    &api.PodResources{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
			NodeSelector: map[string]string{"disk": "ssd"},
			Tolerations:  []corev1.Toleration{{Key: "a", Operator: corev1.TolerationOpExists}},
		}
	})
	got, err := installation.SpecDigest(inst.Spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal("sha256:389592ac1ea8b5ebf6acdf829056b8a24b7b880d394410c2685556580b9a2c29"))
}

func TestASpecDigestCoversWhatARunDependsOn(t *testing.T) {
	g := NewWithT(t)
	digestOf := func(change func(*api.InstallationSpec)) extension.Digest {
		inst := newInstallation(withSecret)
		change(&inst.Spec)
		d, err := installation.SpecDigest(inst.Spec)
		g.Expect(err).NotTo(HaveOccurred())
		return d
	}
	raw := func(text string) func(*api.InstallationSpec) {
		return func(s *api.InstallationSpec) { s.Values = &runtime.RawExtension{Raw: []byte(text)} }
	}
	base := digestOf(func(*api.InstallationSpec) {})
	for name, change := range map[string]func(*api.InstallationSpec){
		"values":      raw(`{"replicas": 4}`),
		"big numbers": raw(`{"replicas": 9007199254740993}`),
		"no values":   func(s *api.InstallationSpec) { s.Values = nil },
		"sources":     func(s *api.InstallationSpec) { s.ValuesFrom = s.ValuesFrom[:1] },
		"account":     func(s *api.InstallationSpec) { s.ServiceAccountName = "other" },
		"timeout":     func(s *api.InstallationSpec) { s.Timeout = &metav1.Duration{Duration: time.Hour} },
		"podOptions": func(s *api.InstallationSpec) {
			s.PodOptions = &api.PodOptions{NodeSelector: map[string]string{"a": "b"}}
		},
	} {
		g.Expect(digestOf(change)).NotTo(Equal(base), name)
	}
	g.Expect(digestOf(raw(`{"replicas": 9007199254740993}`))).NotTo(Equal(digestOf(raw(`{"replicas": 9007199254740992}`))), "numbers are not rounded")
	for name, change := range map[string]func(*api.InstallationSpec){
		"white space": raw(`{  "replicas":3 }`),
		"suspend":     func(s *api.InstallationSpec) { s.Suspend = true },
		"policies": func(s *api.InstallationSpec) {
			s.UpgradePolicy, s.DeletionPolicy = api.AutoUpgrade, api.UninstallOnDeletion
		},
		"approval": func(s *api.InstallationSpec) { s.Mode, s.ApprovedPlan = api.PlanMode, string(digest("a")) },
	} {
		g.Expect(digestOf(change)).To(Equal(base), name)
	}
}

func TestValuesHaveALimit(t *testing.T) {
	g := NewWithT(t)
	inst := newInstallation()
	inst.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"a":"` + strings.Repeat("x", installation.MaxValues) + `"}`)}
	_, err := installation.ValuesConfigMap(inst)
	g.Expect(err).To(MatchError(ContainSubstring("at most 262144 are allowed: keep large values in a ConfigMap")))
	g.Expect(extension.AsFault(err).Code).To(Equal(extension.LimitExceeded))
	inst.Spec.Values.Raw = []byte(`[1`)
	_, err = installation.SpecDigest(inst.Spec)
	g.Expect(err).To(MatchError(ContainSubstring("spec.values cannot be read as JSON")))
}

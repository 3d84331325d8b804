// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/test/env"
)

// installationOf is a right one, for specs to spoil.
func installationOf(change ...func(*api.Installation)) *api.Installation {
	inst := &api.Installation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", GenerateName: "schema-"},
		Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: "postgresql"}},
	}
	for _, c := range change {
		c(inst)
	}
	return inst
}

// made creates an Installation that is gone with the spec.
func made(inst *api.Installation) *api.Installation {
	GinkgoHelper()
	Expect(admin.Create(context.Background(), inst)).To(Succeed())
	DeferCleanup(func() { Expect(admin.Delete(context.Background(), inst)).To(Succeed()) })
	return inst
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

var _ = Describe("the schema of an Installation", func() {
	DescribeTable("refuses, and says what to do",
		func(spoil func(*api.Installation), message string) {
			err := admin.Create(context.Background(), installationOf(spoil), client.DryRunAll)
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("no Extension", func(i *api.Installation) { i.Spec.ExtensionRef.Name = "" }, "spec.extensionRef.name"),
		Entry("an Extension of another namespace", func(i *api.Installation) { i.Spec.ExtensionRef.Name = "other/postgresql" },
			"extensionRef.name must be the name of an Extension object of this namespace"),
		Entry("a name with code", func(i *api.Installation) { i.Spec.ExtensionRef.Name = "x'; rm -rf /" }, "kubectl get extensions lists them"),
		Entry("a name that hooks cannot use", func(i *api.Installation) { i.GenerateName, i.Name = "", "db.example" }, "because hooks name objects after it"),
		Entry("an over-long name", func(i *api.Installation) { i.GenerateName, i.Name = "", strings.Repeat("a", 53) }, "at most 52 characters"),
		Entry("a name that begins with a digit", func(i *api.Installation) { i.GenerateName, i.Name = "", "7up" }, "must begin with a letter"),
		Entry("an unknown kind of values", func(i *api.Installation) {
			i.Spec.ValuesFrom = []api.ValuesReference{{Kind: "Pod", Name: "x"}}
		}, `supported values: "ConfigMap", "Secret"`),
		Entry("values of another namespace", func(i *api.Installation) {
			i.Spec.ValuesFrom = []api.ValuesReference{{Kind: api.SecretValues, Name: "other/secret"}}
		}, "those of another namespace cannot be read"),
		Entry("values without a name", func(i *api.Installation) { i.Spec.ValuesFrom = []api.ValuesReference{{Kind: api.SecretValues}} }, "valuesFrom[0].name"),
		Entry("a key that leads elsewhere", func(i *api.Installation) {
			i.Spec.ValuesFrom = []api.ValuesReference{{Kind: api.SecretValues, Name: "s", ValuesKey: "../token"}}
		}, "valuesKey must be a key of the ConfigMap or Secret"),
		Entry("too many sources of values", func(i *api.Installation) {
			for n := range 17 {
				i.Spec.ValuesFrom = append(i.Spec.ValuesFrom, api.ValuesReference{Kind: api.ConfigMapValues, Name: fmt.Sprintf("c%d", n)})
			}
		}, "must have at most 16 items"),
		Entry("values that are no object", func(i *api.Installation) { i.Spec.Values = &runtime.RawExtension{Raw: []byte(`["a"]`)} }, "spec.values"),
		Entry("an account of another namespace", func(i *api.Installation) { i.Spec.ServiceAccountName = "kube-system:admin" },
			"serviceAccountName must be the name of a ServiceAccount of this namespace"),
		Entry("too short a timeout", func(i *api.Installation) { i.Spec.Timeout = &metav1.Duration{} }, "timeout must be between 1s and 6h"),
		Entry("too long a timeout", func(i *api.Installation) { i.Spec.Timeout = hours(7) }, "timeout must be between 1s and 6h"),
		Entry("an unknown upgrade policy", func(i *api.Installation) { i.Spec.UpgradePolicy = "Always" }, `supported values: "Manual", "SameVersion", "Auto"`),
		Entry("an unknown deletion policy", func(i *api.Installation) { i.Spec.DeletionPolicy = "Purge" }, `supported values: "Orphan", "Uninstall"`),
		Entry("an unknown mode", func(i *api.Installation) { i.Spec.Mode = "DryRun" }, `supported values: "Apply", "Plan"`),
		Entry("an approval that nothing asks for", func(i *api.Installation) { i.Spec.ApprovedPlan = "sha256:" + strings.Repeat("a", 64) },
			"approvedPlan has a meaning only with mode Plan or upgradePolicy Auto"),
		Entry("an approval of something else", func(i *api.Installation) { i.Spec.Mode, i.Spec.ApprovedPlan = api.PlanMode, "yes" },
			"copy it from status.plan.digest"),
		Entry("too many tolerations", func(i *api.Installation) {
			i.Spec.PodOptions = &api.PodOptions{Tolerations: make([]corev1.Toleration, 17)}
		}, "must have at most 16 items"),
	)

	It("takes all that it has, and keeps values of any form", func() {
		values := `{"replicas":3,"tuning":{"shared_buffers":"1GB","list":[1,null,{"a":true}]},"kind":"Secret"}`
		inst := made(installationOf(func(i *api.Installation) {
			i.Spec = api.InstallationSpec{
				ExtensionRef:       api.ExtensionReference{Name: "postgresql-16.4"},
				Values:             &runtime.RawExtension{Raw: []byte(values)},
				ValuesFrom:         []api.ValuesReference{{Kind: api.ConfigMapValues, Name: "base"}, {Kind: api.SecretValues, Name: "db.credentials", ValuesKey: "values.json", Optional: true}},
				ServiceAccountName: "installer", Timeout: hours(6), Suspend: true,
				UpgradePolicy: api.AutoUpgrade, DeletionPolicy: api.UninstallOnDeletion, Mode: api.PlanMode,
				ApprovedPlan: "sha256:" + strings.Repeat("0a", 32),
				PodOptions: &api.PodOptions{
					Resources:    &api.PodResources{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}},
					NodeSelector: map[string]string{"disk": "ssd"},
					Tolerations:  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
					Affinity:     &corev1.Affinity{},
				},
			}
		}))
		read := &api.Installation{}
		Expect(admin.Get(context.Background(), client.ObjectKeyFromObject(inst), read)).To(Succeed())
		Expect(string(read.Spec.Values.Raw)).To(MatchJSON(values))
		Expect(read.Spec.PodOptions).To(Equal(inst.Spec.PodOptions))
		Expect(read.Spec.ValuesFrom[0].ValuesKey).To(Equal("values.yaml"))
	})

	It("fills the defaults, which run nothing by themselves and leave data alone, and marks a new object as not yet seen", func() {
		inst := made(installationOf())
		Expect(inst.Spec.UpgradePolicy).To(Equal(api.ManualUpgrade))
		Expect(inst.Spec.DeletionPolicy).To(Equal(api.OrphanOnDeletion))
		Expect(inst.Spec.Mode).To(Equal(api.ApplyMode))
		Expect(inst.Spec.Timeout.Duration).To(Equal(10 * time.Minute))
		Expect(inst.Spec.ServiceAccountName).To(BeEmpty())
		Expect(inst.Status.ObservedGeneration).To(BeEquivalentTo(-1))
	})

	It("keeps the Extension that it is for, and lets all else change", func() {
		inst := made(installationOf())
		other := inst.DeepCopy()
		other.Spec.ExtensionRef.Name = "etcd"
		Expect(admin.Update(context.Background(), other)).To(MatchError(ContainSubstring("extensionRef cannot be changed, because what was installed belongs to it")))
		inst.Spec.Suspend, inst.Spec.Mode, inst.Spec.DeletionPolicy = true, api.PlanMode, api.UninstallOnDeletion
		Expect(admin.Update(context.Background(), inst)).To(Succeed())
	})

	It("is told field by field, and lists the step and its state", func() {
		inst := made(installationOf())
		inst.Status.Step = "Install/Running"
		Expect(admin.Status().Update(context.Background(), inst)).To(Succeed())
		kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
		Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
		kubectl := func(args ...string) string {
			out, err := exec.Command(cluster.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
			return string(out)
		}
		Expect(kubectl("explain", "installation.spec.serviceAccountName")).To(MatchRegexp(`must\s+be\s+allowed\s+to\s+impersonate`))
		Expect(kubectl("explain", "installation.status.steps.jobUID")).To(MatchRegexp(`the\s+only\s+Job\s+that\s+may\s+run\s+the\s+step`))
		table := strings.Fields(kubectl("get", "extinst", inst.Name, "-n", inst.Namespace))
		Expect(table[:7]).To(Equal([]string{"NAME", "EXTENSION", "VERSION", "STEP", "READY", "STATUS", "AGE"}))
		Expect(table).To(ContainElement("Install/Running"))
		Expect(kubectl("get", "extensions,installations", "-n", inst.Namespace)).To(ContainSubstring(inst.Name))
	})

	DescribeTable("takes the samples, each with its Extension and its account", func(folder string) {
		names := map[string]string{}
		var inst *unstructured.Unstructured
		for _, object := range kustomize(filepath.Join("samples", "installations", folder)) {
			serverSideApply(object, client.DryRunAll)
			Expect(names).NotTo(HaveKey(object.GetKind()))
			names[object.GetKind()] = object.GetName()
			if object.GetKind() == "Installation" {
				inst = object
			}
		}
		Expect(names).To(And(HaveLen(5), HaveKey("Role"), HaveKey("RoleBinding")))
		for kind, field := range map[string][]string{"Extension": {"spec", "extensionRef", "name"}, "ServiceAccount": {"spec", "serviceAccountName"}} {
			name, _, err := unstructured.NestedString(inst.Object, field...)
			Expect(err).NotTo(HaveOccurred())
			Expect(names).To(HaveKeyWithValue(kind, name))
		}
	},
		Entry("what needs no registry", "."),
		Entry("hello", "hello"),
		Entry("postgresql", "postgresql"),
		Entry("buildkit", "buildkit"),
	)

	DescribeTable("bounds every list and text of the status", func(field string, value any, message string) {
		inst := made(installationOf())
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(api.GroupVersion.WithKind("Installation"))
		Expect(admin.Get(context.Background(), client.ObjectKeyFromObject(inst), object)).To(Succeed())
		Expect(unstructured.SetNestedField(object.Object, value, "status", field)).To(Succeed())
		Expect(admin.Status().Update(context.Background(), object)).To(MatchError(ContainSubstring(message)))
	},
		Entry("steps", "steps", steps(9, ""), "must have at most 8 items"),
		Entry("a step's message", "steps", steps(1, strings.Repeat("a", 1025)), "may not be more than 1024"),
		Entry("the token", "lastHandledRetryAt", strings.Repeat("a", 129), "may not be more than 128"),
		Entry("the step", "step", strings.Repeat("a", 65), "may not be more than 64"),
	)
})

// steps is a list of n steps of a status.
func steps(n int, message string) []any {
	var list []any
	for i := range n {
		list = append(list, map[string]any{"name": fmt.Sprintf("step-%d", i), "state": "Running", "message": message})
	}
	return list
}

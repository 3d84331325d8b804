// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shipped is what kubectl applies of config/, without what is there only in the one way.
func shipped(g *WithT) objects {
	return append(kustomized(g, "default"), kustomized(g, "uninstall")...)
}

func TestTheChartHasEveryObjectOfConfigAndNoOther(t *testing.T) {
	g := NewWithT(t)
	names := shipped(g).names()
	names = slices.DeleteFunc(names, func(name string) bool { return name == "Namespace extension-system" }) // helm makes it
	g.Expect(rendered(t, g, "").names()).To(ConsistOf(names))
}

// bare is an object without what each way writes of its own: labels, what helm is told, and the namespace.
func bare(object *unstructured.Unstructured) map[string]any {
	plain := object.DeepCopy()
	aggregates := map[string]string{}
	for name, value := range plain.GetLabels() {
		if strings.HasPrefix(name, "rbac.authorization.k8s.io/") {
			aggregates[name] = value
		}
	}
	plain.SetLabels(aggregates)
	annotations := plain.GetAnnotations()
	maps.DeleteFunc(annotations, func(name, _ string) bool { return strings.HasPrefix(name, "helm.sh/") })
	plain.SetAnnotations(nil)
	if len(annotations) > 0 {
		plain.SetAnnotations(annotations)
	}
	if plain.GetNamespace() != "" {
		plain.SetNamespace("the-namespace")
	}
	return plain.Object
}

// TestObjectsAreThoseOfConfig compares whole objects: roles, bindings, policies, CRDs and Services.
func TestObjectsAreThoseOfConfig(t *testing.T) {
	g := NewWithT(t)
	ours := rendered(t, g, "")
	for _, object := range shipped(g) {
		switch object.GetKind() {
		case "Namespace", "Deployment", "Job":
			continue
		}
		name := object.GetKind() + " " + object.GetName()
		got := ours.of(object.GetKind())[object.GetName()]
		g.Expect(got).NotTo(BeNil(), name)
		want := bare(object)
		text := fmt.Sprint(want)
		if subjects, ok := want["subjects"].([]any); ok {
			for _, subject := range subjects {
				subject.(map[string]any)["namespace"] = namespace
			}
		} else if object.GetName() == "extension-manager-reload" && strings.Contains(text, "matchConditions") {
			spec := want["spec"].(map[string]any)
			condition := spec["matchConditions"].([]any)[0].(map[string]any)
			condition["expression"] = strings.Replace(condition["expression"].(string), ":extension-system:", ":"+namespace+":", 1)
			g.Expect(fmt.Sprint(want)).NotTo(Equal(text))
		}
		g.Expect(bare(got)).To(Equal(want), name)
	}
}

func TestDeploymentsRunWhatThoseOfConfigRun(t *testing.T) {
	g := NewWithT(t)
	ours, theirs := rendered(t, g, ""), kustomized(g, "default")
	for name := range theirs.of("Deployment") {
		want, got := as[appsv1.Deployment](g, theirs, "Deployment", name), as[appsv1.Deployment](g, ours, "Deployment", name)
		g.Expect(got.Spec.Template.Annotations).To(Equal(want.Spec.Template.Annotations))
		for label, value := range want.Spec.Selector.MatchLabels {
			g.Expect(got.Spec.Template.Labels).To(HaveKeyWithValue(label, value))
		}
		got.Spec.Template.Labels, want.Spec.Template.Labels = nil, nil
		g.Expect(got.Spec).To(Equal(want.Spec), name)
	}
}

func TestTheUninstallJobIsThatOfConfig(t *testing.T) {
	g := NewWithT(t)
	got, want := podsOf(g, rendered(t, g, ""))["extension-uninstall"].Spec, podsOf(g, kustomized(g, "uninstall"))["extension-uninstall"].Spec
	args := want.Containers[0].Args
	g.Expect(args[len(args)-1]).To(Equal("--stop=extension-system/extension-installer"))
	args[len(args)-1] = "--stop=" + namespace + "/extension-installer"
	g.Expect(got).To(Equal(want))
}

// TestMemoryOfThePodsSuffices: the limit has room for the manager and for every nu at once, whatever the values.
func TestMemoryOfThePodsSuffices(t *testing.T) {
	g := NewWithT(t)
	for name, values := range matrix {
		for _, deployment := range []string{"extension-manager", "extension-installer"} {
			all := rendered(t, g, values)
			if all.of("Deployment")[deployment] == nil {
				continue
			}
			container := podsOf(g, all)[deployment].Spec.Containers[0]
			env := environment(container)
			slots, err := strconv.ParseInt(env["EXTOP_LOADING_LOAD_SLOTS"], 10, 64)
			g.Expect(err).NotTo(HaveOccurred(), "the default follows the machine, which a pod's limit does not")
			memory, err := strconv.ParseInt(env["EXTOP_LIMITS_LOAD_MEMORY_MIB"], 10, 64)
			g.Expect(err).NotTo(HaveOccurred())
			heap := resource.MustParse(strings.TrimSuffix(env["GOMEMLIMIT"], "B"))
			limit, request := container.Resources.Limits[corev1.ResourceMemory], container.Resources.Requests[corev1.ResourceMemory]
			g.Expect(limit.Value()).To(BeNumerically(">=", heap.Value()+slots*memory<<20+32<<20), "%s: %s", name, deployment)
			g.Expect(limit.Cmp(request)).To(BeNumerically(">=", 0), "%s: %s", name, deployment)
		}
	}
}

func environment(container corev1.Container) map[string]string {
	env := map[string]string{}
	for _, variable := range container.Env {
		env[variable.Name] = variable.Value
	}
	return env
}

func TestValuesReachBothDeployments(t *testing.T) {
	g := NewWithT(t)
	all := rendered(t, g, everything)
	const image = "registry.example:5000/team/operator@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	pods := podsOf(g, all)
	for name, pod := range pods {
		g.Expect(pod.Spec.Containers[0].Image).To(Equal(image), name)
		g.Expect(pod.Spec.ImagePullSecrets).To(HaveLen(1), name)
		if name == "extension-uninstall" {
			continue
		}
		args := pod.Spec.Containers[0].Args
		g.Expect(libraries(args)).To(Equal([]string{
			"claim=/srv/libraries/claim", "map=/srv/libraries/map", "oci=/srv/libraries/oci", "/usr/share/extension-operator/extensions",
		}), name)
		g.Expect(args).To(ContainElements("--config=/etc/extension-operator/config/config.toml"), name)
		g.Expect(environment(pod.Spec.Containers[0])).To(And(HaveKeyWithValue("EXTOP_LIMITS_LOAD_MEMORY_MIB", "512"), HaveKeyWithValue("EXTOP_LOADING_LOAD_SLOTS", "4"),
			HaveKeyWithValue("EXTOP_LOADING_SANDBOX", "best-effort"), HaveKeyWithValue("TZ", "UTC")), name)
		g.Expect(args[len(args)-1]).To(Equal("--log-level=debug"), "the last of a kind counts")
		mounts := map[string]string{}
		for _, mount := range pod.Spec.Containers[0].VolumeMounts {
			mounts[mount.Name] = mount.MountPath
			g.Expect(mount.ReadOnly).To(Equal(mount.Name != "data" && mount.Name != "tmp" && mount.Name != "scratch"), "%s: %s", name, mount.Name)
		}
		for _, volume := range pod.Spec.Volumes {
			g.Expect(mounts).To(HaveKey(volume.Name), name)
		}
		g.Expect(mounts).To(HaveLen(len(pod.Spec.Volumes)), name)
		g.Expect(pod.Annotations).To(HaveKey("checksum/config"), name)
		g.Expect(pod.Spec.PriorityClassName).To(Equal("system-cluster-critical"), name)
	}
	g.Expect(environment(pods["extension-installer"].Spec.Containers[0])).To(And(HaveKeyWithValue("EXTOP_INSTALLATION_RUNNER_IMAGE", image), HaveKeyWithValue("EXTOP_INSTALLATION_RUNNER_SANDBOX", "require")))
	g.Expect(pods["extension-manager"].Spec.Containers[0].Args).To(ContainElements(
		"--api-tls-cert-file=/etc/extension-operator/tls/tls.crt", "--api-tls-key-file=/etc/extension-operator/tls/tls.key"))

	bound := as[rbacv1.ClusterRoleBinding](g, all, "ClusterRoleBinding", "extension-installer")
	g.Expect(bound.Subjects).To(Equal([]rbacv1.Subject{{Kind: "ServiceAccount", Name: "installs", Namespace: namespace}}))
	g.Expect(fmt.Sprint(all.of("ValidatingAdmissionPolicy")["extension-manager-reload"])).To(ContainSubstring("'system:serviceaccount:platform:loads'"))
}

// libraries are those that the flags name, in their order.
func libraries(args []string) (all []string) {
	for _, arg := range args {
		if library, ok := strings.CutPrefix(arg, "--library="); ok {
			all = append(all, library)
		}
	}
	return all
}

func TestTheBuiltinLibraryCountsWhereItIsTold(t *testing.T) {
	g := NewWithT(t)
	const builtin, own = "/usr/share/extension-operator/extensions", "m=/srv/libraries/m"
	for where, want := range map[string][]string{"first": {builtin, own}, "last": {own, builtin}, "none": {own}} {
		all := rendered(t, g, matrix["a ConfigMap"]+"\nbuiltinLibrary: "+where)
		g.Expect(libraries(podsOf(g, all)["extension-manager"].Spec.Containers[0].Args)).To(Equal(want), where)
	}
	g.Expect(libraries(podsOf(g, rendered(t, g, ""))["extension-manager"].Spec.Containers[0].Args)).To(BeEmpty(), "the settings' default")
}

func TestCRDsAreKeptUnlessToldOtherwise(t *testing.T) {
	g := NewWithT(t)
	for values, want := range map[string]string{"": "keep", "crds: {keep: false}": ""} {
		for name, crd := range rendered(t, g, values).of("CustomResourceDefinition") {
			g.Expect(crd.GetAnnotations()["helm.sh/resource-policy"]).To(Equal(want), name)
		}
	}
}

// TestWhatTheChartSetsIsSetByItAlone: no flag and no variable of its own is given a second time, where one would overrule what is computed of it.
func TestWhatTheChartSetsIsSetByItAlone(t *testing.T) {
	g := NewWithT(t)
	for deployment, section := range map[string]string{"extension-manager": "manager", "extension-installer": "installations"} {
		own := map[string]bool{}
		for _, values := range []string{"", everything, matrix["plain metrics"]} {
			container := podsOf(g, rendered(t, g, values))[deployment].Spec.Containers[0]
			for _, arg := range container.Args {
				flag, _, _ := strings.Cut(arg, "=")
				own["extraArgs: ["+flag+"=x]"] = true
			}
			for _, variable := range container.Env {
				own["extraEnv: [{name: "+variable.Name+", value: x}]"] = true
			}
		}
		delete(own, "extraArgs: [--log-level=x]") // the matrix gives it so
		delete(own, "extraEnv: [{name: TZ, value: x}]")
		g.Expect(len(own)).To(BeNumerically(">", 10))
		for extra := range own {
			_, err := template(t, section+": {"+extra+"}")
			g.Expect(err).To(MatchError(MatchRegexp(section+`\.extra(Args|Env) has .*, which the chart sets: (use|leave) `)), extra)
		}
	}
}

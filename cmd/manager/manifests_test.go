// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/test/manifests"
)

// kustomize builds a folder of config/ with the pinned tool.
func kustomize(folder string) []*unstructured.Unstructured {
	GinkgoHelper()
	objects, err := manifests.Kustomize(filepath.Join("config", folder))
	Expect(err).NotTo(HaveOccurred())
	return objects
}

// serverSideApply is what kubectl apply --server-side does, and strict about fields that are not known.
func serverSideApply(object *unstructured.Unstructured, more ...client.ApplyOption) {
	GinkgoHelper()
	strict := client.WithFieldValidation(admin, "Strict")
	options := append([]client.ApplyOption{client.FieldOwner("kubectl"), client.ForceOwnership}, more...)
	err := strict.Apply(context.Background(), client.ApplyConfigurationFromUnstructured(object), options...)
	Expect(err).NotTo(HaveOccurred(), "%s %s", object.GetKind(), object.GetName())
}

var _ = Describe("the manifests", func() {
	It("of config/default are what an API server takes", func() {
		objects := kustomize("default")
		kinds := map[string]bool{}
		for _, object := range objects {
			kinds[object.GetKind()] = true
			// The suite made the namespace for the role that it granted, so that objects in it can be tried.
			serverSideApply(object, client.DryRunAll)
		}
		for _, kind := range []string{"Namespace", "CustomResourceDefinition", "ClusterRole", "ServiceAccount", "Deployment", "Service"} {
			Expect(kinds).To(HaveKey(kind))
		}
	})

	It("let the manager change the reload annotation of an Extension, and nothing else of it", func() {
		const account = "system:serviceaccount:extension-system:extension-manager"
		for _, object := range kustomize("rbac") {
			if strings.HasPrefix(object.GetKind(), "ValidatingAdmissionPolicy") {
				create(object)
				DeferCleanup(func() { Expect(admin.Delete(context.Background(), object)).To(Succeed()) })
			}
		}
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "for-the-policy"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: account}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "extension-manager"},
		}
		create(binding)
		DeferCleanup(func() { Expect(admin.Delete(context.Background(), binding)).To(Succeed()) })
		impersonated := rest.CopyConfig(cluster.Config)
		impersonated.Impersonate.UserName = account
		manager, err := client.New(impersonated, client.Options{Scheme: scheme()})
		Expect(err).NotTo(HaveOccurred())
		w := newWorld()
		ext := w.apply(api.TaskservType, "etcd", "", func(ext *api.Extension) { ext.Annotations = map[string]string{"example.org/kept": "1"} })
		patch := func(text string) error {
			return manager.Patch(context.Background(), ext.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(text)))
		}
		suspend := false // the API server learns of a policy a moment later, and then it must be a change still
		Eventually(func() error {
			suspend = !suspend
			return patch(fmt.Sprintf(`{"spec":{"suspend":%v}}`, suspend))
		}).Should(MatchError(ContainSubstring("does not change a spec")))
		for text, message := range map[string]string{
			`{"metadata":{"labels":{"a":"b"}}}`:                          "labels",
			`{"metadata":{"finalizers":["a/b"]}}`:                        "finalizers",
			`{"metadata":{"annotations":{"example.org/more":"1"}}}`:      "no annotation but",
			`{"metadata":{"annotations":{"example.org/kept":"2"}}}`:      "no annotation but",
			`{"metadata":{"annotations":{"example.org/kept":null}}}`:     "no annotation but",
			`{"metadata":{"annotations":null},"spec":{"version":"1.x"}}`: "does not change a spec",
		} {
			Expect(patch(text)).To(MatchError(ContainSubstring(message)), text)
		}
		Expect(patch(`{"metadata":{"annotations":{"` + api.ReloadAnnotation + `":"now"}}}`)).To(Succeed())
		Expect(manager.Status().Patch(context.Background(), ext.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"observedGeneration":1}}`)))).To(Succeed())
		Expect(w.get("etcd").Annotations).To(Equal(map[string]string{"example.org/kept": "1", api.ReloadAnnotation: "now"}))
	})

	It("of config/samples become Ready from the built-in library", func() {
		w := newWorld()
		w.settings.Libraries = []string{filepath.Join("..", "..", "extensions")}
		w.start()
		samples := kustomize("samples")
		Expect(samples).NotTo(BeEmpty())
		for _, sample := range samples {
			sample.SetNamespace(w.namespace)
			serverSideApply(sample)
		}
		for _, sample := range samples {
			w.becomes(sample.GetName(), ready)
		}
	})
})

// The pods' limits have room for the manager and for every nu at once: it is not the kernel that decides what ends.
func TestMemoryOfThePodsSuffices(t *testing.T) {
	for _, file := range []string{"deployment.yaml", "installer_deployment.yaml"} {
		g := NewWithT(t)
		container := shipped(g, file).Spec.Template.Spec.Containers[0]
		var environ []string
		var heap resource.Quantity
		for _, variable := range container.Env {
			environ = append(environ, variable.Name+"="+variable.Value)
			if variable.Name == "GOMEMLIMIT" {
				heap = resource.MustParse(strings.TrimSuffix(variable.Value, "B"))
			}
		}
		g.Expect(heap.IsZero()).To(BeFalse())
		cmd := command()
		g.Expect(cmd.Flags().Parse(container.Args)).To(Succeed())
		effective, err := config.Load(config.Sources{Environ: environ, Flags: cmd.Flags()})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(environ).To(ContainElement(HavePrefix("EXTOP_LOADING_LOAD_SLOTS=")), "the default follows the machine, which a pod's limit does not")
		needed := heap.Value() + int64(effective.Settings.LoadSlots)*int64(effective.Settings.LoadMemory)<<20
		limit := container.Resources.Limits[corev1.ResourceMemory]
		g.Expect(needed).To(BeNumerically("<=", limit.Value()), file)
	}
}

// shipped is a Deployment of config/manager.
func shipped(g *WithT, file string) *appsv1.Deployment {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "manager", file))
	g.Expect(err).NotTo(HaveOccurred())
	deployment := &appsv1.Deployment{}
	g.Expect(yaml.UnmarshalStrict(text, deployment)).To(Succeed())
	return deployment
}

// Variables that begin with the prefix of settings are refused where they are none, and a Service called extop would add some.
func TestServicesGiveThePodNoVariables(t *testing.T) {
	g := NewWithT(t)
	g.Expect(shipped(g, "deployment.yaml").Spec.Template.Spec.EnableServiceLinks).To(HaveValue(BeFalse()))
}

// A Service's port has a name of the container's, and that is where the flags have the manager listen.
func TestServicesReachThePortsThatAreListenedOn(t *testing.T) {
	g := NewWithT(t)
	pod := shipped(g, "deployment.yaml").Spec.Template
	flags := command().Flags()
	g.Expect(flags.Parse(pod.Spec.Containers[0].Args)).To(Succeed())
	ports := map[string]int32{}
	for _, port := range pod.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	for flag, port := range map[string]string{"metrics-bind-address": "metrics", "health-probe-bind-address": "probes", "api-bind-address": "api"} {
		address, err := flags.GetString(flag)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(address).To(Equal(fmt.Sprintf(":%d", ports[port])), flag)
	}
	for _, file := range []string{"metrics_service.yaml", "api_service.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "config", "manager", file))
		g.Expect(err).NotTo(HaveOccurred())
		service := &corev1.Service{}
		g.Expect(yaml.UnmarshalStrict(text, service)).To(Succeed())
		g.Expect(ports).To(HaveKeyWithValue(service.Spec.Ports[0].TargetPort.String(), service.Spec.Ports[0].Port), file)
		for label, value := range service.Spec.Selector {
			g.Expect(pod.Labels).To(HaveKeyWithValue(label, value), file)
		}
	}
}

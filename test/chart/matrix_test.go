// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"provisioning.dev/extension-operator/test/env"
	"provisioning.dev/extension-operator/test/manifests"
)

// everything is on, and nothing has its default.
const everything = `
image: {repository: registry.example:5000/team/operator, tag: v1, digest: "sha256:` +
	`0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", pullPolicy: IfNotPresent, pullSecrets: [{name: registry}]}
namespace: {create: true}
sandbox: best-effort
config: |
  [orchestrator.extensions]
  auto_load = false
libraries:
- {name: claim, pvc: {claimName: library}, subPath: extensions}
- {name: map, configMap: {name: library, items: [{key: a, path: taskservs/x/manifest.toml}, {key: b, path: taskservs/x/mod.nu}]}}
- {name: oci, image: {reference: "registry.example/library:1", pullPolicy: Always}}
builtinLibrary: last
manager: &workload
  replicas: 3
  memory: {goMiB: 500, loadSlots: 4, perLoadMiB: 512, reserveMiB: 200}
  resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: "2"}}
  dataSizeLimit: 4Gi
  serviceAccount: {create: true, name: loads, annotations: {example.org/a: b}}
  podDisruptionBudget: {enabled: true, maxUnavailable: 50%}
  topologySpread: {enabled: true, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}
  extraArgs: [--log-level=debug]
  extraEnv: [{name: TZ, value: UTC}]
  extraVolumes: [{name: scratch, emptyDir: {}}]
  extraVolumeMounts: [{name: scratch, mountPath: /scratch}]
  nodeSelector: {disk: ssd}
  tolerations: [{key: a, operator: Exists}]
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: a, operator: Exists}]}}]}}
  priorityClassName: system-cluster-critical
  annotations: {example.org/b: c}
  podLabels: {team: platform}
  podAnnotations: {example.org/c: d}
installations:
  <<: *workload
  runnerSandbox: require
  serviceAccount: {create: true, name: installs, annotations: {}}
api: {service: {type: LoadBalancer, annotations: {example.org/e: f}}, tls: {secretName: api-tls}}
metrics:
  readers: [{name: prometheus-k8s, namespace: monitoring}]
  serviceMonitor: {enabled: true, interval: 1m, labels: {release: kps}, authorization: {secretName: own, key: bearer}}
  prometheusRule: {enabled: true, labels: {release: kps}, disabled: [ExtensionsNotReady]}
  dashboard: {enabled: true, annotations: {k8s-sidecar-target-directory: Extensions}}
networkPolicy:
  enabled: true
  apiServerPorts: [6443]
  apiServerCIDRs: [10.0.0.1/32]
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  apiFrom: [{podSelector: {}}]
podSecurityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000}
uninstall: {podLabels: {sidecar.istio.io/inject: "false"}, podAnnotations: {example.org/g: h}}
`

// nothing is on that can be off.
const nothing = `
manager: {replicas: 1, podDisruptionBudget: {enabled: false}, topologySpread: {enabled: false}, serviceAccount: {create: false, name: mine}}
installations: {enabled: false}
api: {enabled: false}
metrics: {enabled: false}
rbac: {userRoles: false, aggregate: false}
admissionPolicies: {enabled: false}
crds: {install: false}
uninstall: {releaseFinalizers: false}
`

// matrix is what is rendered and shown to an API server.
var matrix = map[string]string{
	"default":        "",
	"everything":     everything,
	"nothing":        nothing,
	"cert-manager":   "api: {tls: {certManager: {enabled: true, issuerRef: {name: ca, kind: ClusterIssuer}, dnsNames: [extensions.example.org]}}}",
	"TLS by Secret":  "api: {tls: {secretName: own}}",
	"a ConfigMap":    "libraries: [{name: m, configMap: {name: l, items: [{key: a, path: providers/x/mod.nu}]}}]",
	"a claim":        "libraries: [{name: c, pvc: {claimName: l}}]\nbuiltinLibrary: none",
	"an image":       "libraries: [{name: i, image: {reference: registry.example/l}}]",
	"no jobs":        "installations: {enabled: false}",
	"no API":         "api: {enabled: false}",
	"plain metrics":  "metrics: {secure: false, serviceMonitor: {enabled: true}}",
	"own reader":     "metrics: {serviceMonitor: {enabled: true}}",
	"scrape class":   "metrics: {readers: [{name: prometheus-k8s, namespace: monitoring}], serviceMonitor: {enabled: true, scrapeClass: in-cluster}}",
	"cluster's ids":  "podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}",
	"one replica":    "manager: {replicas: 1}\ninstallations: {replicas: 1}",
	"network policy": "networkPolicy: {enabled: true}",
	"roles apart":    "rbac: {aggregate: false}\ncrds: {keep: false}",
	"config file":    "config: |\n  [manager]\n  workers = 8\n",
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiextensions.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}

// foreignCRDs are the real ones of the Prometheus operator and of cert-manager, out of their modules.
func foreignCRDs(g *WithT) []string {
	var paths []string
	for module, files := range map[string][]string{
		"github.com/prometheus-operator/prometheus-operator": {
			"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
		"github.com/cert-manager/cert-manager": {"deploy/crds/cert-manager.io_certificates.yaml"},
	} {
		of, err := manifests.ForeignCRDs(module, files...)
		g.Expect(err).NotTo(HaveOccurred())
		paths = append(paths, of...)
	}
	return paths
}

// started is a control plane that knows every kind that the chart makes.
func started(t *testing.T, g *WithT) (*env.Cluster, client.Client) {
	cluster, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(cluster.Stop()).To(Succeed()) })
	_, err = envtest.InstallCRDs(cluster.Config, envtest.CRDInstallOptions{Paths: foreignCRDs(g), ErrorIfPathMissing: true})
	g.Expect(err).NotTo(HaveOccurred())
	admin, err := client.New(cluster.Config, client.Options{Scheme: scheme()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})).To(Succeed())
	return cluster, admin
}

func TestEveryRenderedObjectIsWhatAnAPIServerTakes(t *testing.T) {
	g := NewWithT(t)
	_, admin := started(t, g)
	strict := client.WithFieldValidation(admin, "Strict")
	kinds := map[string]bool{}
	for name, values := range matrix {
		seen := map[string]bool{}
		for _, object := range rendered(t, g, values) {
			what := fmt.Sprintf("%s: %s %s", name, object.GetKind(), object.GetName())
			g.Expect(seen).NotTo(HaveKey(what), "rendered twice")
			seen[what], kinds[object.GetKind()] = true, true
			err := strict.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.DryRunAll, client.FieldOwner("helm"), client.ForceOwnership)
			g.Expect(err).NotTo(HaveOccurred(), what)
			g.Expect(object.GetLabels()).To(HaveKeyWithValue("app.kubernetes.io/managed-by", "Helm"), what)
			g.Expect(object.GetNamespace()).To(Or(BeEmpty(), Equal(namespace)), what)
		}
	}
	for _, kind := range []string{
		"Namespace", "ConfigMap", "CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount", "Deployment", "Service",
		"PodDisruptionBudget", "NetworkPolicy", "Secret", "ServiceMonitor", "PrometheusRule", "Certificate", "Job", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	} {
		g.Expect(kinds).To(HaveKey(kind), "the matrix tries each kind")
	}
}

// podsOf are the templates of everything that has one.
func podsOf(g *WithT, all objects) map[string]corev1.PodTemplateSpec {
	pods := map[string]corev1.PodTemplateSpec{}
	for name := range all.of("Deployment") {
		pods[name] = as[appsv1.Deployment](g, all, "Deployment", name).Spec.Template
	}
	for name := range all.of("Job") {
		pods[name] = as[batchv1.Job](g, all, "Job", name).Spec.Template
	}
	return pods
}

func TestEveryPodIsWithinRestricted(t *testing.T) {
	g := NewWithT(t)
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	g.Expect(err).NotTo(HaveOccurred())
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	all := map[string]objects{"config/default": kustomized(g, "default"), "config/uninstall": kustomized(g, "uninstall")}
	for name, values := range matrix {
		all[name] = rendered(t, g, values)
	}
	for name, of := range all {
		pods := podsOf(g, of)
		g.Expect(pods).NotTo(BeEmpty(), name)
		for workload, pod := range pods {
			result := policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec))
			g.Expect(result.Allowed).To(BeTrue(), "%s: %s: %s", name, workload, result.ForbiddenDetail())
		}
	}
	bad := podsOf(g, rendered(t, g, ""))["extension-manager"]
	bad.Spec.Containers[0].SecurityContext.Capabilities = nil
	g.Expect(policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &bad.ObjectMeta, &bad.Spec)).Allowed).To(BeFalse(), "the check can fail")
}

// TestARealReleaseIsInstalledUpgradedAndUninstalled has helm do it on an API server. There is no kubelet: the Job that
// releases finalizers is made to end by hand.
func TestARealReleaseIsInstalledUpgradedAndUninstalled(t *testing.T) {
	g := NewWithT(t)
	cluster, admin := started(t, g)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(kubeconfig, cluster.Config)).To(Succeed())
	// The CRDs that the control plane begins with are not the release's.
	for _, crd := range []string{"extensions.extensions.provisioning.dev", "installations.extensions.provisioning.dev"} {
		g.Expect(admin.Delete(t.Context(), &apiextensions.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: crd}})).To(Succeed())
		g.Eventually(func() bool {
			return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKey{Name: crd}, &apiextensions.CustomResourceDefinition{}))
		}, "60s", "100ms").Should(BeTrue())
	}
	release := func(args ...string) string {
		t.Helper()
		out, err := helm(t, append(args, "--kubeconfig="+kubeconfig, "--namespace="+namespace)...)
		g.Expect(err).NotTo(HaveOccurred())
		return out
	}
	release("install", "extop", chart, "--set=image.repository=registry.example/operator")
	notes := release("get", "notes", "extop")
	g.Expect(notes).To(ContainSubstring("kubectl -n platform rollout status deployment extension-manager"))
	g.Expect(notes).To(ContainSubstring("kubectl label namespace platform pod-security.kubernetes.io/enforce=restricted"))
	g.Expect(notes).NotTo(ContainSubstring("names no registry"))

	_, err := helm(t, "install", "second", chart, "--kubeconfig="+kubeconfig, "--namespace=default")
	g.Expect(err).To(MatchError(ContainSubstring("cannot be imported into the current release")), "a cluster has one operator")

	release("upgrade", "extop", chart, "--set=manager.replicas=3,installations.enabled=false")
	deployment := &appsv1.Deployment{}
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "extension-manager"}, deployment)).To(Succeed())
	g.Expect(deployment.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
	err = admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "extension-installer"}, deployment)
	g.Expect(client.IgnoreNotFound(err)).To(Succeed())
	g.Expect(err).To(HaveOccurred(), "what is switched off goes")

	uninstalled := make(chan error, 1)
	go func() {
		_, err := helm(t, "uninstall", "extop", "--kubeconfig="+kubeconfig, "--namespace="+namespace, "--timeout=60s")
		uninstalled <- err
	}()
	job := &batchv1.Job{}
	g.Eventually(func() error {
		return admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "extension-uninstall"}, job)
	}, "30s").Should(Succeed(), "it runs before anything is deleted")
	g.Expect(admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "extension-manager"}, deployment)).To(Succeed())
	now := metav1.Now()
	job.Status.StartTime, job.Status.CompletionTime, job.Status.Succeeded = &now, &now, 1
	job.Status.Conditions = []batchv1.JobCondition{
		{Type: batchv1.JobSuccessCriteriaMet, Status: corev1.ConditionTrue, LastTransitionTime: now},
		{Type: batchv1.JobComplete, Status: corev1.ConditionTrue, LastTransitionTime: now},
	}
	g.Expect(admin.Status().Update(t.Context(), job)).To(Succeed())
	g.Eventually(uninstalled, "60s").Should(Receive(BeNil()))
	crds := &apiextensions.CustomResourceDefinitionList{}
	g.Expect(admin.List(t.Context(), crds)).To(Succeed())
	var left []string
	for _, crd := range crds.Items {
		left = append(left, crd.Name)
	}
	g.Expect(left).To(ContainElements("extensions.extensions.provisioning.dev", "installations.extensions.provisioning.dev"), "they are kept")
	g.Expect(leftOf(t, g, admin)).To(BeEmpty())
}

// leftOf are objects of the operator's that are still there, bar the CRDs.
func leftOf(t *testing.T, g *WithT, admin client.Client) (left []string) {
	for _, kind := range []string{
		"v1 ServiceAccount", "v1 ConfigMap", "v1 Service", "apps/v1 Deployment", "rbac.authorization.k8s.io/v1 ClusterRole", "rbac.authorization.k8s.io/v1 ClusterRoleBinding",
		"rbac.authorization.k8s.io/v1 Role", "rbac.authorization.k8s.io/v1 RoleBinding", "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy", "batch/v1 Job",
	} {
		version, name, _ := strings.Cut(kind, " ")
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(version)
		list.SetKind(name + "List")
		g.Expect(admin.List(t.Context(), list, client.MatchingLabels{"app.kubernetes.io/name": "extension-operator"})).To(Succeed())
		for _, object := range list.Items {
			left = append(left, name+" "+object.GetName())
		}
	}
	return left
}

func TestThePackageHasTheVersionOfTheImage(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	_, err := helm(t, "package", chart, "--version=1.2.3", "--app-version=v1.2.3", "--destination="+dir)
	g.Expect(err).NotTo(HaveOccurred())
	out, err := helm(t, "template", "release", filepath.Join(dir, "extension-operator-1.2.3.tgz"), "--kube-version=1.36.3")
	g.Expect(err).NotTo(HaveOccurred())
	all, err := manifests.Decode(out)
	g.Expect(err).NotTo(HaveOccurred())
	container := podsOf(g, all)["extension-installer"].Spec.Containers[0]
	g.Expect(container.Image).To(Equal("extension-operator:v1.2.3"))
	g.Expect(environment(container)).To(HaveKeyWithValue("EXTOP_INSTALLATION_RUNNER_IMAGE", "extension-operator:v1.2.3"))
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text, err := os.ReadFile(filepath.Join(root, chart, "files", file))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.TrimSpace(text)).NotTo(BeEmpty())
	}
}

// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func TestWrongValuesAreRefused(t *testing.T) {
	for values, messages := range map[string][]string{
		"manger: {replicas: 3}":                         {"additional properties 'manger' not allowed"},
		"manager: {replica: 3}":                         {"at '/manager'", "additional properties 'replica' not allowed"},
		"manager: {replicas: 0}":                        {"at '/manager/replicas'", "minimum"},
		"manager: {replicas: two}":                      {"at '/manager/replicas'", "want integer"},
		"manager: {resources: {limits: {memory: 1Gi}}}": {"manager.resources.limits.memory cannot be set", "set manager.memory"},
		"manager: {extraArgs: [log-level=debug]}":       {"at '/manager/extraArgs/0'", "pattern"},
		"sandbox: off":                                  {"at '/sandbox'", "'require', 'best-effort'"},
		"image: {digest: 0123}":                         {"at '/image/digest'"},
		"image: {repository: \"\"}":                     {"at '/image/repository'"},
		"image: {pullPolicy: always}":                   {"at '/image/pullPolicy'", "'Always'"},
		"metrics: {readers: [prometheus]}":              {"at '/metrics/readers/0'", "want object"},
		"libraries: [{name: a}]":                        {"at '/libraries/0'", "oneOf"},
		"libraries: [{name: a, pvc: {claimName: b}, image: {reference: c}}]":            {"at '/libraries/0'", "oneOf"},
		"libraries: [{name: A, pvc: {claimName: b}}]":                                   {"at '/libraries/0/name'"},
		"libraries: [{name: a, configMap: {name: b}}]":                                  {"at '/libraries/0/configMap'", "items"},
		"libraries: [{name: a, configMap: {name: b, items: [{key: k, path: mod.nu}]}}]": {"at '/libraries/0/configMap/items/0/path'", "providers|taskservs|clusters"},
		"libraries: [{name: a, pvc: {claimName: b}}, {name: a, pvc: {claimName: c}}]":   {"libraries has the name a twice"},
		"libraries: [{name: extensions, pvc: {claimName: b}}]":                          {"the built-in one is called extensions"},
		"builtinLibrary: none":                       {"there would be nothing to load"},
		"api: {tls: {certManager: {enabled: true}}}": {"issuerRef.name"},
		"api: {tls: {secretName: a, certManager: {enabled: true, issuerRef: {name: b}}}}":                       {"leave the other out"},
		"metrics: {enabled: false, serviceMonitor: {enabled: true}}":                                            {"need metrics.enabled"},
		"metrics: {prometheusRule: {enabled: true, disabled: [Nonsense]}}":                                      {"Nonsense, which is no alert", "ExtensionOperatorDown"},
		"installations: {serviceAccount: {create: true, name: extension-manager}}":                              {"must not have the rights to make Jobs"},
		"networkPolicy: {apiServerPorts: []}":                                                                   {"at '/networkPolicy/apiServerPorts'"},
		"manager: {memory: {goMiB: 400, loadSlots: 0, perLoadMiB: 384, reserveMiB: 112}}":                       {"at '/manager/memory/loadSlots'"},
		"manager: {podDisruptionBudget: {enabled: true, maxUnavailable: 0}}":                                    {"at '/manager/podDisruptionBudget/maxUnavailable'"},
		"api: {service: {type: ExternalName}}":                                                                  {"at '/api/service/type'", "'ClusterIP'"},
		"manager: {serviceAccount: {create: false, name: \"\"}}":                                                {"at '/manager/serviceAccount/name'"},
		"installations: {extraEnv: [{name: A, value: 1}]}":                                                      {"at '/installations/extraEnv/0/value'", "want string"},
		"uninstall: {releaseFinalizers: \"no\"}":                                                                {"at '/uninstall/releaseFinalizers'", "want boolean"},
		"manager: {resources: {requests: {memory: 2Gi}}}":                                                       {"manager.resources.requests.memory is 2Gi, and the limit 1280Mi", "raise manager.memory"},
		"installations: {resources: {requests: {memory: 939524097}}}":                                           {"installations.resources.requests.memory", "and the limit 896Mi"},
		"manager: {resources: {requests: {cpu: 1500m}, limits: {cpu: 1}}}":                                      {"manager.resources.requests.cpu is 1500m, and the limit 1", "raise manager.resources.limits.cpu"},
		"manager: {podLabels: {app.kubernetes.io/component: mine}}":                                             {"manager.podLabels has app.kubernetes.io/component", "leave it out"},
		"installations: {podAnnotations: {checksum/config: a}}":                                                 {"installations.podAnnotations has checksum/config"},
		"manager: {extraArgs: [--load-slots=8]}":                                                                {"manager.extraArgs has --load-slots", "use manager.memory.loadSlots"},
		"installations: {extraEnv: [{name: GOMEMLIMIT, value: 2GiB}]}":                                          {"installations.extraEnv has GOMEMLIMIT", "use installations.memory.goMiB"},
		"manager: {extraEnv: [{name: A, value: b}, {name: A, value: c}]}":                                       {"manager.extraEnv has A twice"},
		"manager: {extraVolumes: [{name: tmp, emptyDir: {}}]}":                                                  {"manager.extraVolumes has tmp"},
		"manager: {extraVolumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}]}":                           {"manager.extraVolumes has a"},
		"metrics: {dashboard: {labels: {app.kubernetes.io/name: mine}}}":                                        {"metrics.dashboard.labels has app.kubernetes.io/name"},
		"metrics: {serviceMonitor: {labels: {helm.sh/chart: mine}}}":                                            {"metrics.serviceMonitor.labels has helm.sh/chart"},
		"metrics: {serviceMonitor: {scrapeClass: a, authorization: {secretName: b}}}":                           {"leave the other out"},
		"uninstall: {podLabels: {app.kubernetes.io/component: manager}}":                                        {"uninstall.podLabels has app.kubernetes.io/component"},
		"podSecurityContext: {runAsNonRoot: false}":                                                             {"at '/podSecurityContext/runAsNonRoot'"},
		"podSecurityContext: {runAsUser: 0}":                                                                    {"at '/podSecurityContext/runAsUser'"},
		"libraries: [{name: a, subPath: b, configMap: {name: c, items: [{key: k, path: taskservs/x/mod.nu}]}}]": {"mounted so never changes"},
		"metrics: {serviceMonitor: {enabled: true, interval: soon, labels: {release: kps}}}":                    {"at '/metrics/serviceMonitor/interval'"},
	} {
		t.Run(values, func(t *testing.T) {
			g := NewWithT(t)
			_, err := template(t, values)
			g.Expect(err).To(HaveOccurred())
			for _, message := range messages {
				g.Expect(err).To(MatchError(ContainSubstring(message)))
			}
		})
	}
}

func TestAnOldKubernetesIsRefused(t *testing.T) {
	g := NewWithT(t)
	_, err := template(t, "", "--kube-version=1.30.0")
	g.Expect(err).To(MatchError(ContainSubstring("kubeVersion: >=1.31.0-0")))
}

// TestTheSchemaKnowsEveryValue: what values.yaml has, the schema has, and no less at any depth.
func TestTheSchemaKnowsEveryValue(t *testing.T) {
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join(root, chart, "values.schema.json"))
	g.Expect(err).NotTo(HaveOccurred())
	var schema map[string]any
	g.Expect(json.Unmarshal(text, &schema)).To(Succeed())
	text, err = os.ReadFile(filepath.Join(root, chart, "values.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var values map[string]any
	g.Expect(yaml.Unmarshal(text, &values)).To(Succeed())
	properties := schema["properties"].(map[string]any)
	delete(properties, "global") // helm adds it
	sameKeys(g, "", properties, values)
}

// sameKeys follows objects that the schema closes.
func sameKeys(g *WithT, at string, properties, values map[string]any) {
	for name := range values {
		g.Expect(properties).To(HaveKey(name), at)
	}
	for name, of := range properties {
		g.Expect(values).To(HaveKey(name), at+" has a property that values.yaml does not show")
		inner, ok := of.(map[string]any)["properties"].(map[string]any)
		if !ok {
			continue
		}
		g.Expect(of).To(HaveKeyWithValue("additionalProperties", false), at+"/"+name)
		sameKeys(g, at+"/"+name, inner, values[name].(map[string]any))
	}
}

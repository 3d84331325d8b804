// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// good is a module with a hook that does nothing.
const good = "export def install [ctx: record]: nothing -> record<message: string> { {message: done} }\n"

// lasting takes as many seconds to be installed as its value says.
const lasting = `export def configure [values: record<seconds: int>]: nothing -> record<files: record, objects: list> {
    {files: {}, objects: [], seconds: $values.seconds}
}
export def install [ctx: record]: nothing -> record<message: string> {
    sleep ($ctx.config.seconds * 1sec)
    {message: $"slept ($ctx.config.seconds) s"}
}
`

// attack is a hostile module, and how its Extension ends.
type attack struct {
	name, module     string
	verdict, message string
	// prey is what a Nushell without the sandbox says of the same module in the same pod, where it gets at what it is after; empty
	// where Nushell itself refuses it, or where the sandbox does not prevent it but bounds it.
	prey string
}

const tokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// attacks are those of cmd/manager's tests that make sense in a pod: each goes for what is there beside its stage.
var attacks = []attack{
	{name: "passwd", module: "use /etc/passwd\n" + good, verdict: badLoad, message: "Module not found", prey: "root:x:0:0"},
	{name: "token", module: "use " + tokenFile + " *\n" + good, verdict: badLoad, message: "Module not found", prey: "eyJ"},
	{name: "neighbour", module: "export use /e2e/library/taskservs/steady/mod.nu *\n" + good, verdict: badLoad, message: "Module not found", prey: survived},
	{name: "reader", module: "const X = (open --raw " + tokenFile + ")\n" + good, verdict: badLoad, message: "Not a const command"},
	{name: "external", module: "const X = (^/usr/local/bin/nu --version)\n" + good, verdict: badLoad, message: "Not a constant"},
	{name: "forever", module: good + strings.Repeat("const SLOW = (1..500000 | math sum)\n", 5000), verdict: "False LimitExceeded Stalled", message: "the limit of CPU time"},
	{name: "deep", module: "export def a [] { " + strings.Repeat("(", 20000) + strings.Repeat(")", 20000) + " }\n", verdict: "False LoadFailed Reconciling", message: "ended by a signal (segmentation fault)"},
}

// survived is printed after a module that loads.
const survived = "SURVIVED"

const badLoad = "False LoadFailed Stalled"

// slowModule takes some 5 s of CPU time to be loaded.
var slowModule = good + strings.Repeat("const SLOW = (1..500000 | math sum)\n", 60)

// library is what the ConfigMap has, by extension. What has been slow once is remembered, so that each spec has one of its own.
var library = map[string]string{
	"steady": good, "changing": good, "lasting": lasting,
	"slow": slowModule, "sluggish": slowModule + "# likewise\n", "heavy": slowModule + "# as well\n",
}

const libraryName = "e2e-library"

// libraryData are the keys of the ConfigMap: a manifest and a module for each extension.
func libraryData() map[string]string {
	data := map[string]string{}
	for name, module := range library {
		data[name+".toml"] = manifestOf(name)
		data[name+".nu"] = module
	}
	return data
}

func manifestOf(name string) string {
	return fmt.Sprintf("manifest = 1\nname = %q\ntype = \"taskserv\"\nversion = \"1.0.0\"\ndescription = \"of the suite\"\n", name)
}

// withLibrary mounts the library into the operator's pods and waits until they run with it. It does so once.
func withLibrary(ctx context.Context) {
	GinkgoHelper()
	for _, a := range attacks {
		library[a.name] = a.module
	}
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: libraryName}, Data: libraryData()}
	if admin.Get(ctx, client.ObjectKeyFromObject(cm), &corev1.ConfigMap{}) == nil {
		return
	}
	Expect(admin.Create(ctx, cm)).To(Succeed())
	items := []corev1.KeyToPath{}
	for _, name := range slices.Sorted(maps.Keys(library)) {
		items = append(items,
			corev1.KeyToPath{Key: name + ".toml", Path: "taskservs/" + name + "/manifest.toml"},
			corev1.KeyToPath{Key: name + ".nu", Path: "taskservs/" + name + "/mod.nu"})
	}
	type change struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	const pod = "/spec/template/spec"
	patch := []change{
		{"add", pod + "/volumes/-", corev1.Volume{Name: "library", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: libraryName}, Items: items,
		}}}},
		{"add", pod + "/containers/0/volumeMounts/-", corev1.VolumeMount{Name: "library", MountPath: "/e2e/library", ReadOnly: true}},
	}
	for _, arg := range []string{"--library=/usr/share/extension-operator/extensions", "--library=/e2e/library", "--load-cpu=12s", "--load-timeout=2m", "--audit-log=-"} {
		patch = append(patch, change{"add", pod + "/containers/0/args/-", arg})
	}
	text, err := json.Marshal(patch)
	Expect(err).NotTo(HaveOccurred())
	for _, deployment := range []string{manager, installer} {
		kubectl("-n", system, "patch", "deployment", deployment, "--type=json", "--patch="+string(text))
	}
	rolledOut()
}

// publish changes a module in the ConfigMap. The kubelet looks at a pod at once when its annotations change, and otherwise
// within a minute or two.
func publish(ctx context.Context, name, module string) {
	GinkgoHelper()
	cm := &corev1.ConfigMap{}
	Expect(admin.Get(ctx, client.ObjectKey{Namespace: system, Name: libraryName}, cm)).To(Succeed())
	cm.Data[name+".nu"] = module
	Expect(admin.Update(ctx, cm)).To(Succeed())
	for _, deployment := range []string{manager, installer} {
		for _, pod := range podsOf(ctx, deployment) {
			kubectl("-n", system, "annotate", "pod", pod.Name, "--overwrite", "e2e/look="+strconv.FormatInt(time.Now().UnixNano(), 10))
		}
	}
}

func librarySpecs() {
	It("loads again what changes in a library on a ConfigMap, and nothing else", Label("library"), func(ctx SpecContext) {
		withLibrary(ctx)
		r := newRoom(ctx)
		for _, name := range []string{"steady", "changing"} {
			r.extends(ctx, api.TaskservType, name, "")
			r.becomes(ctx, name, ready)
		}
		steady, before := r.extension(ctx, "steady"), r.extension(ctx, "changing").Status
		from := time.Now()
		publish(ctx, "changing", good+"export def verify [ctx: record]: nothing -> record<message: string> { {message: ok} }\n")
		Eventually(func() []string { return r.extension(ctx, "changing").Status.Hooks }).Should(Equal([]string{"install", "verify"}))
		figure("ConfigMap of a library changed → loaded again", time.Since(from).Round(100*time.Millisecond))
		after := r.becomes(ctx, "changing", ready).Status
		Expect(after.Digest).NotTo(Equal(before.Digest))
		Expect(after.History).To(HaveLen(2))
		Expect(r.extension(ctx, "steady").ResourceVersion).To(Equal(steady.ResourceVersion))

		publish(ctx, "changing", "export def install [\n")
		broken := r.becomes(ctx, "changing", badLoad)
		Expect(broken.Status.Digest).To(Equal(after.Digest), "the last good one stays")
		publish(ctx, "changing", good)
		r.becomes(ctx, "changing", ready)
	})
}

func sandboxSpecs() {
	It("stops attacks inside the pod, says so, and harms no neighbour", Label("sandbox"), func(ctx SpecContext) {
		withLibrary(ctx)
		r := newRoom(ctx)
		enforced := api.SandboxStatus{Level: "Enforced"}
		for _, a := range attacks {
			r.extends(ctx, api.TaskservType, a.name, "")
		}
		for _, a := range attacks {
			By(a.name)
			ext := r.becomes(ctx, a.name, a.verdict)
			Expect(message(ext.Status.Conditions)).To(ContainSubstring(a.message))
			Expect(ext.Status.Sandbox).To(BeNil(), "nothing was loaded")
			if strings.HasSuffix(a.verdict, api.StalledCondition) {
				Expect(ext.Status.LastAttempted.Sandbox).To(HaveValue(Equal(enforced)), "with nothing missing")
			}
			status := asJSON(ext.Status)
			Expect(status).NotTo(ContainSubstring("root:x:"), "a line of the password file")
			Expect(status).NotTo(ContainSubstring("eyJ"), "the beginning of a token")
			if a.prey != "" {
				Expect(unconfined(ctx, a.name)).To(ContainSubstring(a.prey), "it is the sandbox that has stopped it")
			}
		}
		r.extends(ctx, api.TaskservType, "steady", "")
		Expect(r.becomes(ctx, "steady", ready).Status.Sandbox).To(HaveValue(Equal(enforced)))

		loads := r.loads(ctx)
		for _, a := range attacks {
			Expect(loads[a.name]).NotTo(BeEmpty(), a.name)
			for _, record := range loads[a.name] {
				Expect(record).To(Equal(loadRecord{Outcome: strings.Fields(a.verdict)[1], Sandbox: enforced.Level}), a.name)
			}
		}
		for _, deployment := range []string{manager, installer} {
			for _, pod := range podsOf(ctx, deployment) {
				Expect(pod.Status.ContainerStatuses[0].RestartCount).To(BeZero(), pod.Name)
			}
		}
	})
}

// unconfined is what a Nushell of the manager's pod that is in no sandbox says of a module of the library.
func unconfined(ctx context.Context, name string) string {
	GinkgoHelper()
	out, _ := nuInPod(ctx, "use /e2e/library/taskservs/"+name+"/mod.nu; print "+survived) // it fails where it shows what it has read
	return out
}

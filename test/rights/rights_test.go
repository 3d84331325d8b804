// SPDX-License-Identifier: Apache-2.0

// Package rights holds the rights that config/rbac and config/uninstall give against what the programs do.
package rights_test

import (
	"maps"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

const (
	good   = "export def install [ctx: record]: nothing -> record<message: string> { {message: \"done\"} }\n"
	broken = "export def install [ctx: record] { this is no nushell (\n"
	// undoes has an uninstall too.
	undoes = good + "export def uninstall [ctx: record]: nothing -> record<message: string> { {message: \"gone\"} }\n"
)

// explained are findings of the comparison, and why the rights stay as they are all the same.
var explained = map[string]string{
	"extension-manager: patch events.k8s.io/events: unused":                                   repeated,
	"extension-installer: patch events.k8s.io/events: unused":                                 repeated,
	"extension-manager: patch events in extension-system: unused":                             repeated,
	"extension-installer: patch events in extension-system: unused":                           repeated,
	"extension-manager: list extensions.provisioning.dev/extensions: unused":                  listed,
	"extension-installer: list extensions.provisioning.dev/extensions: unused":                listed,
	"extension-installer: list extensions.provisioning.dev/installations: unused":             listed,
	"extension-installer: list batch/jobs: unused":                                            listed,
	"extension-installer: list pods: unused":                                                  listed,
	"extension-manager: list configmaps extension-operator-cache in extension-system: unused": listed,

	"extension-installer: delete configmaps: unused": "payloads and values that nothing uses are deleted when they are an hour old",
	"extension-installer: update extensions.provisioning.dev/installations/finalizers: unused": "asked for by the admission plugin OwnerReferencesPermissionEnforcement, " +
		"as OpenShift has it, of whoever makes an object whose owner may not go before it",
}

const (
	repeated = "an Event that comes again soon is counted up in the one that is there"
	listed   = "an informer lists where the API server does not send by a watch what is there already, as old ones do not"
)

// TestTheShippedRightsAreThoseThatAreUsed runs everything that the programs do, as their own ServiceAccounts with the shipped roles, and compares
// the API server's audit log with these: nothing is refused, and nothing is granted that is not used, as widely as it is granted, or explained.
func TestTheShippedRightsAreThoseThatAreUsed(t *testing.T) {
	w := newWorld(t)
	manager, installer := w.run("extension-manager"), w.run("extension-installer")
	// In two namespaces, under names of their own: what is granted for all of them is used so.
	places := []place{w.in("team"), w.in("other")}
	for _, in := range places {
		extensionsAreLoaded(in, manager)
		installationsAreRun(in)
	}
	whatIsServedIsAskedFor(places[0], manager, installer)
	finalizersAreReleased(w, places, installer)
	manager.stop()

	used, refused := asked(w)
	w.Expect(refused).To(BeEmpty())
	granted, everybody := grants(w)
	w.Expect(slices.Sorted(maps.Keys(granted))).To(Equal([]string{"extension-installer", "extension-manager", "extension-uninstall", reader}))
	found := map[string]bool{}
	for account := range granted {
		w.Expect(used[account]).NotTo(BeEmpty(), account)
		for _, finding := range compare(granted[account], everybody, used[account]) {
			found[account+": "+finding] = true
		}
	}
	for _, finding := range slices.Sorted(maps.Keys(found)) {
		if explained[finding] == "" {
			t.Error(finding)
		}
	}
	for finding := range explained {
		if !found[finding] {
			t.Errorf("%s: is not so, and needs no explanation any more", finding)
		}
	}
}

func extensionsAreLoaded(w place, manager *process) {
	w.publish("one", "1.0.0", good)
	w.publish("two", "1.0.0", broken)
	for _, name := range []string{"one", "two", "hello"} {
		w.extension(name)
	}
	one := &api.Extension{}
	w.becomes(one, "one", api.LoadedReason)
	w.becomes(&api.Extension{}, "two", api.LoadFailedReason)
	w.becomes(&api.Extension{}, "hello", api.LoadedReason)
	before := one.Status.Digest
	w.publish("one", "1.0.0", good+"# changed for "+w.namespace+"\n")
	w.Eventually(func() string { w.becomes(one, "one", api.LoadedReason); return one.Status.Digest }, patience).ShouldNot(Equal(before))
	w.Expect(manager.cmd.ProcessState).To(BeNil())
}

func installationsAreRun(w place) {
	w.create(&corev1.ServiceAccount{ObjectMeta: w.named("hooks")})
	inst := &api.Installation{}
	change := func(name string, edit func(*api.Installation)) {
		w.t.Helper()
		w.Expect(w.admin.Get(w.t.Context(), w.key(name), inst)).To(Succeed())
		base := inst.DeepCopy()
		edit(inst)
		w.Expect(w.admin.Patch(w.t.Context(), inst, client.MergeFrom(base))).To(Succeed())
	}
	uninstalls := func(i *api.Installation) { i.Spec.DeletionPolicy = api.UninstallOnDeletion }

	// One is installed, kept by a finalizer from then on, and uninstalled when it is deleted.
	w.publish("undoes", "1.0.0", undoes)
	w.extension("undoes")
	w.installation("undoes", "undoes")
	pod := w.pod("undoes")
	w.fitsNowhere(pod)
	w.becomes(inst, "undoes", api.PodPendingReason)
	w.ends(pod)
	w.becomes(inst, "undoes", api.InstalledReason)
	change("undoes", uninstalls)
	w.Eventually(func() []string {
		w.becomes(inst, "undoes", api.InstalledReason)
		return inst.Finalizers
	}, patience).ShouldNot(BeEmpty())
	w.Expect(w.admin.Delete(w.t.Context(), inst)).To(Succeed())
	w.ends(w.pod("undoes"))
	w.isGone(inst, "undoes")

	// The Job of one is taken away under it; one is deleted while its Job runs.
	w.installation("loses", "one")
	w.pod("loses")
	w.loses("loses")
	w.becomes(inst, "loses", api.OutcomeUnknownReason)
	w.installation("leaves", "one")
	w.pod("leaves")
	change("leaves", func(*api.Installation) {})
	w.Expect(w.admin.Delete(w.t.Context(), inst)).To(Succeed())
	w.isGone(inst, "leaves")

	// One waits for the operator that is gone.
	w.installation("waits", "undoes", uninstalls)
	w.ends(w.pod("waits"))
	w.becomes(inst, "waits", api.InstalledReason)
}

func whatIsServedIsAskedFor(w place, manager, installer *process) {
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: reader}})
	for _, role := range []string{"extension-metrics-reader", "extension-api-user"} {
		w.create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "reader-" + role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: reader}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		})
	}
	token := w.token(w.namespace, reader)
	for _, p := range []*process{manager, installer} {
		w.call(http.MethodGet, "https://"+p.metrics+"/metrics", token, "", http.StatusOK)
	}
	_, err := net.Dial("tcp", installer.api)
	w.Expect(err).To(HaveOccurred(), "only what loads Extensions serves the REST API")
	base := "https://" + manager.api + "/api/v1/extensions/"
	for _, path := range []string{"loaded", "loaded/taskserv/one", "taskserv/one/dependents", "available", "graph", "stats"} {
		w.call(http.MethodGet, base+path, token, "", http.StatusOK)
	}
	w.call(http.MethodPost, base+"reload", token, `{"extension_type": "taskserv", "name": "one"}`, http.StatusOK)
	w.call(http.MethodDelete, base+"cache", token, "", http.StatusOK)
}

func finalizersAreReleased(w *world, places []place, installer *process) {
	release := func() (string, error) {
		out, err := exec.Command(w.manager, "release-finalizers", "--kubeconfig="+w.kubeconfig("extension-uninstall"),
			"--all-namespaces", "--stop="+shippedNamespace+"/extension-installer").CombinedOutput()
		return string(out), err
	}
	out, err := release()
	w.Expect(err).To(HaveOccurred(), "the process is of no Deployment here, and still there")
	w.Expect(out).To(And(ContainSubstring("a controller of Installations is running"), Not(ContainSubstring("released"))))

	// It dies, and what it has begun is not taken up any more; what loads Extensions goes on.
	installer.kill()
	for _, in := range places {
		w.Expect(w.admin.Delete(w.t.Context(), &api.Installation{ObjectMeta: in.named("waits")})).To(Succeed())
		in.holdJob("waits")
	}
	out, err = release()
	w.Expect(err).NotTo(HaveOccurred(), out)
	w.Expect(out).To(ContainSubstring("waiting up to 15s whether"))
	for _, in := range places {
		for _, kind := range []string{"Installation", "ConfigMap", "Job"} {
			w.Expect(out).To(ContainSubstring("released %[1]s %[2]s/waits-%[2]s", kind, in.namespace))
		}
		in.isGone(&api.Installation{}, "waits")
	}
}

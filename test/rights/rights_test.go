// SPDX-License-Identifier: Apache-2.0

// Package rights holds the rights that config/rbac and config/uninstall give against what the programs do.
package rights_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

const (
	good   = "export def install [ctx: record]: nothing -> record<message: string> { {message: \"done\"} }\n"
	broken = "export def install [ctx: record] { this is no nushell (\n"
	// undoes has an uninstall too.
	undoes = good + "export def uninstall [ctx: record]: nothing -> record<message: string> { {message: \"gone\"} }\n"
)

// unused are rights that the run below does not use, and why they are there all the same.
var unused = map[string]string{
	"extension-manager: patch events.k8s.io/events":   repeated,
	"extension-installer: patch events.k8s.io/events": repeated,
	"extension-manager: patch events":                 repeated,
	"extension-installer: patch events":               repeated,

	"extension-manager: list extensions.provisioning.dev/extensions":      listed,
	"extension-manager: list configmaps":                                  listed,
	"extension-installer: list extensions.provisioning.dev/extensions":    listed,
	"extension-installer: list extensions.provisioning.dev/installations": listed,
	"extension-installer: list batch/jobs":                                listed,
	"extension-installer: list pods":                                      listed,

	"extension-installer: delete configmaps": "payloads and values that nothing uses are deleted when they are an hour old",
	"extension-installer: update extensions.provisioning.dev/installations/finalizers": "asked for by the admission plugin OwnerReferencesPermissionEnforcement, " +
		"as OpenShift has it, of whoever makes an object whose owner may not go before it",
}

const (
	repeated = "an Event that comes again soon is counted up in the one that is there"
	listed   = "an informer lists where the API server does not send by a watch what is there already, as old ones do not"
)

// TestTheShippedRightsAreThoseThatAreUsed runs everything that the programs do, as their own ServiceAccounts with the shipped roles, and compares
// the API server's audit log with these: nothing is refused, and nothing is granted that is not used or explained.
func TestTheShippedRightsAreThoseThatAreUsed(t *testing.T) {
	w := newWorld(t)
	manager, installer := w.run("extension-manager"), w.run("extension-installer")
	extensionsAreLoaded(w, manager)
	installationsAreRun(w)
	whatIsServedIsAskedFor(w, manager, installer)
	manager.stop()
	installer.stop()
	finalizersAreReleased(w)

	used, refused := asked(w)
	w.Expect(refused).To(BeEmpty())
	for account, granted := range grants(w) {
		w.Expect(granted).NotTo(BeEmpty(), account)
		w.Expect(used[account]).NotTo(BeEmpty(), account)
		for _, right := range slices.Sorted(maps.Keys(used[account])) {
			if !granted[right] {
				t.Errorf("%s: %s was used, and is granted by no shipped role", account, right)
			}
		}
		for _, right := range slices.Sorted(maps.Keys(granted)) {
			explained := unused[account+": "+right] != ""
			if !used[account][right] && !explained {
				t.Errorf("%s: %s is granted and was not used", account, right)
			}
			if used[account][right] && explained {
				t.Errorf("%s: %s was used: it needs no explanation any more", account, right)
			}
		}
	}
}

func extensionsAreLoaded(w *world, manager *process) {
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
	w.publish("one", "1.0.0", good+"# changed\n")
	w.Eventually(func() string { w.becomes(one, "one", api.LoadedReason); return one.Status.Digest }, patience).ShouldNot(Equal(before))
	w.Expect(manager.cmd.ProcessState).To(BeNil())
}

func installationsAreRun(w *world) {
	w.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "hooks"}})
	inst := &api.Installation{}
	change := func(name string, edit func(*api.Installation)) {
		w.t.Helper()
		w.Expect(w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: team, Name: name}, inst)).To(Succeed())
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

func whatIsServedIsAskedFor(w *world, manager, installer *process) {
	reader := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "reader"}}
	w.create(reader)
	for _, role := range []string{"extension-metrics-reader", "extension-api-user"} {
		w.create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "reader-" + role},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: team, Name: reader.Name}},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		})
	}
	token := w.token(team, reader.Name)
	for _, p := range []*process{manager, installer} {
		w.call(http.MethodGet, "https://"+p.metrics+"/metrics", token, "", http.StatusOK)
	}
	_, err := net.Dial("tcp", installer.api)
	w.Expect(err).To(HaveOccurred(), "only what loads Extensions serves the REST API")
	base := "https://" + manager.api + "/api/v1/extensions/"
	w.call(http.MethodGet, base+"loaded", token, "", http.StatusOK)
	w.call(http.MethodPost, base+"reload", token, `{"extension_type": "taskserv", "name": "one"}`, http.StatusOK)
	w.call(http.MethodDelete, base+"cache", token, "", http.StatusOK)
}

func finalizersAreReleased(w *world) {
	inst := &api.Installation{ObjectMeta: metav1.ObjectMeta{Namespace: team, Name: "waits"}}
	w.Expect(w.admin.Delete(w.t.Context(), inst)).To(Succeed())
	// A Job whose outcome was not taken up any more.
	w.holdJob("waits")
	w.Consistently(func() error {
		return w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(inst), inst)
	}, "1s").Should(Succeed(), "nobody lets it go")
	out, err := exec.Command(w.manager, "release-finalizers", "--kubeconfig="+w.kubeconfig("extension-uninstall"),
		"--all-namespaces", "--stop="+shippedNamespace+"/extension-installer").CombinedOutput()
	w.Expect(err).NotTo(HaveOccurred(), string(out))
	w.Expect(string(out)).To(And(ContainSubstring("released Installation team/waits"), ContainSubstring("released ConfigMap team/waits"), ContainSubstring("released Job team/waits")))
	w.isGone(inst, "waits")
}

// rights are "verb group/resource/subresource", the group left out where it is the core's.
type rights map[string]bool

func right(verb, group, resource, subresource string) string {
	what := resource
	if group != "" {
		what = group + "/" + resource
	}
	if subresource != "" {
		what += "/" + subresource
	}
	return verb + " " + what
}

const accountPrefix = "system:serviceaccount:" + shippedNamespace + ":"

// asked is what the audit log says that the shipped accounts used, and what they were refused.
func asked(w *world) (used map[string]rights, refused []string) {
	used = map[string]rights{}
	file, err := os.Open(w.cluster.AuditLog)
	w.Expect(err).NotTo(HaveOccurred())
	defer func() { w.Expect(file.Close()).To(Succeed()) }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event auditv1.Event
		w.Expect(json.Unmarshal(lines.Bytes(), &event)).To(Succeed())
		account, ours := event.User.Username, false
		if len(account) > len(accountPrefix) && account[:len(accountPrefix)] == accountPrefix {
			account, ours = account[len(accountPrefix):], true
		}
		if !ours {
			continue
		}
		if event.ResponseStatus != nil && event.ResponseStatus.Code == http.StatusForbidden {
			refused = append(refused, fmt.Sprintf("%s: %s %s: %s", account, event.Verb, event.RequestURI, event.ResponseStatus.Message))
		}
		if event.ObjectRef == nil { // discovery, which everybody may
			continue
		}
		if used[account] == nil {
			used[account] = rights{}
		}
		ref := event.ObjectRef
		used[account][right(event.Verb, ref.APIGroup, ref.Resource, ref.Subresource)] = true
	}
	w.Expect(lines.Err()).NotTo(HaveOccurred())
	return used, refused
}

// grants are the rights of each shipped account, of all roles that are bound to it.
func grants(w *world) map[string]rights {
	all := map[string]rights{}
	add := func(subjects []rbacv1.Subject, rules []rbacv1.PolicyRule) {
		for _, subject := range subjects {
			if subject.Kind != "ServiceAccount" || subject.Namespace != shippedNamespace {
				continue
			}
			if all[subject.Name] == nil {
				all[subject.Name] = rights{}
			}
			for _, rule := range rules {
				for _, group := range rule.APIGroups {
					for _, resource := range rule.Resources {
						for _, verb := range rule.Verbs {
							name := right(verb, group, resource, "")
							w.Expect(name).NotTo(ContainSubstring("*"))
							all[subject.Name][name] = true
						}
					}
				}
			}
		}
	}
	cluster := &rbacv1.ClusterRoleBindingList{}
	w.Expect(w.admin.List(w.t.Context(), cluster)).To(Succeed())
	for _, binding := range cluster.Items {
		role := &rbacv1.ClusterRole{}
		w.Expect(client.IgnoreNotFound(w.admin.Get(w.t.Context(), client.ObjectKey{Name: binding.RoleRef.Name}, role))).To(Succeed())
		add(binding.Subjects, role.Rules)
	}
	local := &rbacv1.RoleBindingList{}
	w.Expect(w.admin.List(w.t.Context(), local, client.InNamespace(shippedNamespace))).To(Succeed())
	for _, binding := range local.Items {
		role := &rbacv1.Role{}
		w.Expect(w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: binding.Namespace, Name: binding.RoleRef.Name}, role)).To(Succeed())
		add(binding.Subjects, role.Rules)
	}
	return all
}

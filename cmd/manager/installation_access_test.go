// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// shippedRole makes a ClusterRole of config/rbac known to the API server, if it is not.
func shippedRole(file string) *rbacv1.ClusterRole {
	GinkgoHelper()
	role := &rbacv1.ClusterRole{}
	readShipped(file, role)
	Expect(client.IgnoreAlreadyExists(admin.Create(context.Background(), role))).To(Succeed())
	return role
}

// userWith returns a client for a new user who has the rules and a ClusterRole in a namespace.
func userWith(name, namespace, clusterRole string, rules ...rbacv1.PolicyRule) client.Client {
	GinkgoHelper()
	config, err := cluster.AddUser(name)
	Expect(err).NotTo(HaveOccurred())
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name}
	create(
		&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: clusterRole}},
		&rbacv1.Role{ObjectMeta: meta, Rules: rules},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name + "-own"}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
		},
	)
	c, err := client.New(config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// as names the account.
func as(account string) func(*api.Installation) {
	return func(i *api.Installation) { i.Spec.ServiceAccountName = account }
}

var _ = Describe("who may have an Installation run as a ServiceAccount", Ordered, func() {
	var (
		namespace string
		// editor may write Installations; trusted may act as the account deployer as well; operator may only patch.
		editor, trusted, operator client.Client
	)
	ctx := context.Background()
	in := func(change ...func(*api.Installation)) *api.Installation {
		i := installationOf(change...)
		i.Namespace = namespace
		return i
	}

	BeforeAll(func() {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "accounts-"}}
		create(ns)
		namespace = ns.Name
		shippedRole("installation_editor_role.yaml")
		for _, object := range kustomize("admission") {
			serverSideApply(object)
			DeferCleanup(func() { Expect(admin.Delete(ctx, object)).To(Succeed()) })
		}
		editor = userWith("editor", namespace, "installation-editor")
		trusted = userWith("trusted", namespace, "installation-editor",
			rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{"deployer"}, Verbs: []string{"impersonate"}})
		operator = userWith("operator", namespace, "view",
			rbacv1.PolicyRule{APIGroups: []string{api.GroupVersion.Group}, Resources: []string{"installations", "installations/status"}, Verbs: []string{"get", "update", "patch"}})
		// The API server reads a new policy a moment later.
		Eventually(func() error {
			return editor.Create(ctx, in(as("deployer")), client.DryRunAll)
		}).Should(MatchError(ContainSubstring("impersonate")))
	})

	It("refuses who may not impersonate it, and says what to do", func() {
		err := editor.Create(ctx, in(as("deployer")))
		Expect(err).To(MatchError(ContainSubstring("editor may not have an Installation run as ServiceAccount deployer of namespace " + namespace)))
		Expect(err).To(MatchError(ContainSubstring("ask for a Role with it, name an account that you may impersonate, or leave spec.serviceAccountName out")))
		Expect(editor.Create(ctx, in(as("default")))).To(MatchError(ContainSubstring("ServiceAccount default")))
	})

	It("takes an Installation without an account from whoever may write one, and refuses the account later", func() {
		inst := in()
		Expect(editor.Create(ctx, inst)).To(Succeed())
		inst.Spec.ServiceAccountName = "deployer"
		Expect(editor.Update(ctx, inst)).To(MatchError(ContainSubstring("editor may not")))
	})

	It("takes it from who may impersonate that very account in that very namespace", func() {
		Expect(trusted.Create(ctx, in(as("deployer")))).To(Succeed())
		Expect(trusted.Create(ctx, in(as("other")))).To(MatchError(ContainSubstring("trusted may not")))
		Expect(trusted.Create(ctx, installationOf(as("deployer")))).To(MatchError(ContainSubstring("forbidden")), "in the namespace default")
	})

	It("lets nobody else change what runs as it, and everybody ask for a retry or take the account away", func() {
		inst := in(as("deployer"))
		Expect(trusted.Create(ctx, inst)).To(Succeed())

		changed := inst.DeepCopy()
		changed.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"command":"mine"}`)}
		Expect(editor.Update(ctx, changed)).To(MatchError(ContainSubstring("editor may not")))
		Expect(trusted.Update(ctx, changed)).To(Succeed())

		metav1.SetMetaDataAnnotation(&changed.ObjectMeta, api.RetryAnnotation, "token-1")
		Expect(editor.Update(ctx, changed)).To(Succeed())
		changed.Spec.ServiceAccountName = ""
		Expect(editor.Update(ctx, changed)).To(Succeed())
	})

	It("leaves finalizers and the status to the operator, which may act as nobody", func() {
		// A time that a client of Go would write otherwise: a patch leaves it as it is.
		inst := in(as("deployer"))
		Expect(trusted.Create(ctx, inst)).To(Succeed())
		Expect(trusted.Patch(ctx, inst, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"timeout":"90s"}}`)))).To(Succeed())
		patch := func(c client.SubResourceWriter, change func(*api.Installation)) {
			GinkgoHelper()
			base := inst.DeepCopy()
			change(inst)
			if c != nil {
				Expect(c.Patch(ctx, inst, client.MergeFrom(base))).To(Succeed())
				return
			}
			Expect(operator.Patch(ctx, inst, client.MergeFrom(base))).To(Succeed())
		}
		patch(nil, func(i *api.Installation) { i.Finalizers = []string{"extensions.provisioning.dev/uninstall"} })
		patch(operator.Status(), func(i *api.Installation) { i.Status.Step = "Install/Running" })
		patch(nil, func(i *api.Installation) { i.Finalizers = nil })
		Expect(trusted.Delete(ctx, inst)).To(Succeed())
	})

	It("gives nobody but the operator the status", func() {
		inst := in()
		Expect(editor.Create(ctx, inst)).To(Succeed())
		inst.Status.Step = "Verify/Succeeded"
		Expect(editor.Status().Update(ctx, inst)).To(MatchError(ContainSubstring("forbidden")))
		Expect(editor.Get(ctx, client.ObjectKeyFromObject(inst), inst)).To(Succeed())
	})
})

var _ = Describe("the roles for Installations", func() {
	It("are no part of the cluster's role edit, because to write one equals creating pods", func() {
		files, err := filepath.Glob(filepath.Join("..", "..", "config", "rbac", "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		writers := 0
		for _, file := range files {
			text, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			role := &rbacv1.ClusterRole{}
			if yaml.Unmarshal(text, role) != nil || role.Kind != "ClusterRole" || !writesInstallations(role) {
				continue
			}
			writers++
			Expect(role.Labels).NotTo(HaveKey("rbac.authorization.k8s.io/aggregate-to-edit"), file)
			Expect(role.Labels).NotTo(HaveKey("rbac.authorization.k8s.io/aggregate-to-view"), file)
		}
		Expect(writers).To(Equal(2), "admin and editor")
	})

	It("let a viewer read and nothing else", func() {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "viewed-"}}
		create(ns)
		shippedRole("installation_viewer_role.yaml")
		viewer := userWith("viewer-of-installations", ns.Name, "installation-viewer")
		inst := installationOf(func(i *api.Installation) { i.Namespace = ns.Name })
		Expect(admin.Create(context.Background(), inst)).To(Succeed())
		Expect(viewer.List(context.Background(), &api.InstallationList{}, client.InNamespace(ns.Name))).To(Succeed())
		Expect(viewer.Delete(context.Background(), inst)).To(MatchError(ContainSubstring("forbidden")))
		Expect(viewer.Create(context.Background(), installationOf(func(i *api.Installation) { i.Namespace = ns.Name }))).To(MatchError(ContainSubstring("forbidden")))
	})
})

func writesInstallations(role *rbacv1.ClusterRole) bool {
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if resource == "installations" && verb == "create" {
					return true
				}
			}
		}
	}
	return false
}

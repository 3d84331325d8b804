// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// beRefused matches what the API server's authorizer or admission forbids.
func beRefused() gomegatypes.GomegaMatcher {
	return Satisfy(apierrors.IsForbidden)
}

func rbacSpecs() {
	extension := func(r room, name string) *api.Extension {
		return &api.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name}, Spec: api.ExtensionSpec{Type: api.TaskservType, Name: "etcd"}}
	}

	It("lets a viewer read, an editor write, and neither do so elsewhere", Label("rbac"), func(ctx SpecContext) {
		r, elsewhere := newRoom(ctx), newRoom(ctx)
		viewer, editor := as(r.account(ctx, "viewer", "extension-viewer")), as(r.account(ctx, "editor", "extension-editor"))
		r.extends(ctx, api.TaskservType, "etcd", "")
		list := &api.ExtensionList{}
		Eventually(func() error { return viewer.List(ctx, list, client.InNamespace(r.name)) }).Should(Succeed())
		Expect(list.Items).To(HaveLen(1))
		Expect(viewer.Create(ctx, extension(r, "mine"))).To(beRefused())
		Expect(viewer.Delete(ctx, extension(r, "etcd"))).To(beRefused())

		Eventually(func() error { return editor.Create(ctx, extension(r, "mine")) }).Should(Succeed())
		r.becomes(ctx, "mine", ready)
		forged := r.extension(ctx, "mine")
		forged.Status.Version = "9.9.9"
		Expect(editor.Status().Update(ctx, forged)).To(beRefused())
		for _, user := range []client.Client{viewer, editor} {
			Expect(user.List(ctx, list, client.InNamespace(elsewhere.name))).To(beRefused())
			Expect(user.Create(ctx, extension(elsewhere, "mine"))).To(beRefused())
			Expect(user.List(ctx, &api.InstallationList{}, client.InNamespace(r.name))).To(beRefused(), "those roles are apart")
		}
	})

	It("lets nobody name a ServiceAccount that he may not impersonate", Label("rbac"), func(ctx SpecContext) {
		r := newRoom(ctx)
		editor := as(r.account(ctx, "editor", "installation-editor"))
		r.account(ctx, "strong")
		inst := &api.Installation{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "hello"},
			Spec:       api.InstallationSpec{ExtensionRef: api.ExtensionReference{Name: "hello"}, ServiceAccountName: "strong"},
		}
		create := func() error { return editor.Create(ctx, inst.DeepCopy(), client.DryRunAll) }
		Eventually(create).Should(MatchError(ContainSubstring("may not have an Installation run as ServiceAccount strong")))
		Expect(admin.Create(ctx, &rbacv1.Role{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "as-strong"},
			Rules:      []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{"strong"}, Verbs: []string{"impersonate"}}},
		})).To(Succeed())
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: "as-strong"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "as-strong"},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.name, Name: "editor"}},
		})).To(Succeed())
		Eventually(create).Should(Succeed())
	})
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// beRefused matches what the API server's authorizer or admission forbids.
func beRefused() gomegatypes.GomegaMatcher {
	return Satisfy(apierrors.IsForbidden)
}

// What a role may do with a kind; nobody writes a status.
const (
	reads      = "get list"
	changes    = reads + " create update patch delete"
	everything = changes + " deletecollection"
)

// roles are those for people, and the cluster's own that ours are a part of.
var roles = map[string]struct{ extensions, installations string }{
	"extension-viewer":    {extensions: reads},
	"extension-editor":    {extensions: changes},
	"extension-admin":     {extensions: everything},
	"installation-viewer": {installations: reads},
	"installation-editor": {installations: changes},
	"installation-admin":  {installations: everything},
	"view":                {extensions: reads, installations: reads},
	"edit":                {extensions: changes, installations: reads},
	"admin":               {extensions: everything, installations: everything},
}

// tries has somebody try everything on an object of the room, without effect, and returns what was allowed.
func (r room) tries(ctx context.Context, user client.Client, object client.Object, list client.ObjectList) string {
	GinkgoHelper()
	copied := func() client.Object {
		c, is := object.DeepCopyObject().(client.Object)
		Expect(is).To(BeTrue())
		return c
	}
	another := copied()
	another.SetName("another")
	another.SetResourceVersion("")
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"tried":"yes"}}}`))
	allowed := []string{}
	for _, try := range []struct {
		verb string
		do   func() error
	}{
		{"get", func() error { return user.Get(ctx, client.ObjectKeyFromObject(object), copied()) }},
		{"list", func() error { return user.List(ctx, list, client.InNamespace(r.name)) }},
		{"create", func() error { return user.Create(ctx, another, client.DryRunAll) }},
		{"update", func() error { return user.Update(ctx, copied(), client.DryRunAll) }},
		{"patch", func() error { return user.Patch(ctx, copied(), patch, client.DryRunAll) }},
		{"delete", func() error { return user.Delete(ctx, copied(), client.DryRunAll) }},
		{"deletecollection", func() error {
			return user.DeleteAllOf(ctx, copied(), client.InNamespace(r.name), client.DryRunAll)
		}},
		{"status", func() error { return user.Status().Patch(ctx, copied(), patch, client.DryRunAll) }},
	} {
		if err := try.do(); !apierrors.IsForbidden(err) {
			Expect(err).To(Or(BeNil(), Satisfy(apierrors.IsConflict)), try.verb) // the operator may have written meanwhile
			allowed = append(allowed, try.verb)
		}
	}
	return strings.Join(allowed, " ")
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
		}
	})

	It("lets each role do what it is for, and nothing else", Label("rbac"), func(ctx SpecContext) {
		r := newRoom(ctx)
		r.extends(ctx, api.TaskservType, "etcd", "")
		r.becomes(ctx, "etcd", ready)
		r.installs(ctx, "absent")
		r.ends(ctx, "absent", "False ExtensionNotFound")
		ext, inst := r.extension(ctx, "etcd"), r.installation(ctx, "absent")
		for role, may := range roles {
			user := as(r.account(ctx, "has-"+role, role))
			Eventually(func(g Gomega) {
				g.Expect(r.tries(ctx, user, ext, &api.ExtensionList{})).To(Equal(may.extensions), role+": Extensions")
				g.Expect(r.tries(ctx, user, inst, &api.InstallationList{})).To(Equal(may.installations), role+": Installations")
			}).Should(Succeed())
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

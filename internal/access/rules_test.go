// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// waitFor waits until the API server has learned of somebody's roles.
func (w *world) waitFor(t *testing.T, token string, allowed func(*guard, context.Context) (bool, error)) {
	t.Helper()
	NewWithT(t).Eventually(func() (bool, error) {
		guard := newGuard(t, w.manager) // one that remembers nothing
		return allowed(guard, guard.as(t, token))
	}, soon).Should(BeTrue())
}

// may tells whether somebody may do verb in a namespace.
func may(verb, namespace string) func(*guard, context.Context) (bool, error) {
	return func(g *guard, ctx context.Context) (bool, error) { return g.Object(ctx, verb, namespace, "any") }
}

func TestTheRulesOfOneNamespace(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	own, other := robot.Namespace, w.namespace(t)
	token := w.token(t, robot)
	w.bind(t, robot, own, w.shippedRole(t, "extension_api_user_role.yaml"))
	w.waitFor(t, token, may("patch", own))

	guard := newGuard(t, w.manager)
	ctx := guard.as(t, token)
	for _, verb := range []string{"list", "patch"} {
		g.Expect(guard.Namespaces(ctx, verb, []string{other, own, "nowhere"})).To(Equal([]string{own}), verb)
		g.Expect(guard.Object(ctx, verb, own, "etcd")).To(BeTrue(), verb)
		g.Expect(guard.Object(ctx, verb, other, "etcd")).To(BeFalse(), verb)
	}
	g.Expect(guard.Namespaces(ctx, "delete", []string{own})).To(BeEmpty())
	g.Expect(guard.Object(ctx, "delete", own, "etcd")).To(BeFalse())
	g.Expect(guard.Path(ctx, "delete", "/api/v1/extensions/cache")).To(BeFalse(), "it is of no namespace")
	g.Expect(guard.Namespaces(ctx, "list", nil)).To(BeEmpty())
}

func TestTheRulesOfEveryNamespace(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	w.bind(t, robot, "", w.shippedRole(t, "extension_api_user_role.yaml"))
	w.waitFor(t, token, may("patch", "any"))

	guard := newGuard(t, w.manager)
	ctx := guard.as(t, token)
	g.Expect(guard.Namespaces(ctx, "list", []string{"b", "a"})).To(Equal([]string{"b", "a"}))
	g.Expect(guard.Object(ctx, "patch", "a", "etcd")).To(BeTrue())
	g.Expect(guard.Path(ctx, "get", "/api/v1/extensions/stats")).To(BeTrue())
	g.Expect(guard.Path(ctx, "delete", "/api/v1/extensions/cache")).To(BeTrue())
	g.Expect(guard.Path(ctx, "post", "/api/v1/extensions/cache")).To(BeFalse())
	g.Expect(guard.Path(ctx, "get", "/metrics")).To(BeFalse())
}

// The cluster's own role system:discovery has get of /api/*: docs/access.md says so.
func TestWhoeverIsKnownMayReadWhatIsAboutNoObject(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	guard := newGuard(t, w.manager)
	ctx := guard.as(t, w.token(t, w.account(t)))
	g.Expect(guard.Path(ctx, "get", "/api/v1/extensions/stats")).To(BeTrue())
	g.Expect(guard.Path(ctx, "delete", "/api/v1/extensions/cache")).To(BeFalse())
	g.Expect(guard.Path(ctx, "get", "/openapi.json")).To(BeFalse())
}

func TestTheRulesOfOneObject(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	role, err := w.admin.RbacV1().ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "etcd-"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{resource.Group}, Resources: []string{resource.Resource}, ResourceNames: []string{"etcd"}, Verbs: []string{"patch"},
		}},
	}, metav1.CreateOptions{})
	g.Expect(err).NotTo(HaveOccurred())
	w.bind(t, robot, robot.Namespace, role.Name)
	w.waitFor(t, token, func(g *guard, ctx context.Context) (bool, error) {
		return g.Object(ctx, "patch", robot.Namespace, "etcd")
	})

	guard := newGuard(t, w.manager)
	ctx := guard.as(t, token)
	g.Expect(guard.Object(ctx, "patch", robot.Namespace, "etcd")).To(BeTrue())
	g.Expect(guard.Object(ctx, "patch", robot.Namespace, "containerd")).To(BeFalse())
	g.Expect(guard.Object(ctx, "list", robot.Namespace, "etcd")).To(BeFalse())
	g.Expect(guard.Namespaces(ctx, "patch", []string{robot.Namespace})).To(BeEmpty())
}

func TestNobodyMayDoAnything(t *testing.T) {
	g := NewWithT(t)
	guard := newGuard(t, newWorld(t).manager)
	_, err := guard.Namespaces(t.Context(), "list", []string{"a"})
	g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
	allowed, err := guard.Object(t.Context(), "get", "a", "b")
	g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
	g.Expect(allowed).To(BeFalse())
	allowed, err = guard.Path(t.Context(), "get", "/")
	g.Expect(apierrors.IsUnauthorized(err)).To(BeTrue())
	g.Expect(allowed).To(BeFalse())
	g.Expect(guard.calls.Load()).To(BeZero())
}

func TestWhatWasGrantedIsSeenAfterAWhile(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	token := w.token(t, robot)
	guard := newGuard(t, w.manager)
	ctx := guard.as(t, token)
	g.Expect(guard.Object(ctx, "list", robot.Namespace, "etcd")).To(BeFalse())
	w.bind(t, robot, robot.Namespace, w.shippedRole(t, "extension_api_user_role.yaml"))
	w.waitFor(t, token, may("list", robot.Namespace))
	g.Expect(guard.Object(ctx, "list", robot.Namespace, "etcd")).To(BeFalse(), "it is remembered")
	guard.clock.pass(noTime + 1)
	g.Expect(guard.Object(ctx, "list", robot.Namespace, "etcd")).To(BeTrue())
}

// It is a reason of the API server, and no evaluationError.
func TestABindingToNoRoleIsANo(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	robot := w.account(t)
	own, other := robot.Namespace, w.namespace(t)
	token := w.token(t, robot)
	w.bind(t, robot, own, w.shippedRole(t, "extension_api_user_role.yaml"))
	w.bind(t, robot, other, "role-that-is-not-there")
	w.waitFor(t, token, may("list", own))
	g.Eventually(func() (string, error) {
		answer, err := w.admin.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
			Spec: authorizationv1.SubjectAccessReviewSpec{User: userName(robot), ResourceAttributes: &authorizationv1.ResourceAttributes{
				Group: resource.Group, Resource: resource.Resource, Verb: "list", Namespace: other,
			}},
		}, metav1.CreateOptions{})
		return answer.Status.Reason, err
	}, soon).Should(ContainSubstring("not found"))

	guard := newGuard(t, w.manager)
	ctx := guard.as(t, token)
	g.Expect(guard.Namespaces(ctx, "list", []string{other, own})).To(Equal([]string{own}))
	g.Expect(guard.Object(ctx, "patch", other, "etcd")).To(BeFalse())
}

func TestWhatManyNamespacesDenyIsRemembered(t *testing.T) {
	g := NewWithT(t)
	w := newWorld(t)
	namespaces := make([]string, 2000)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("namespace-%04d", i)
	}
	guard := newGuard(t, w.manager)
	var all []context.Context
	for range 3 {
		all = append(all, guard.as(t, w.token(t, w.account(t))))
	}
	ask := func() int64 {
		before := guard.calls.Load()
		for _, ctx := range all {
			g.Expect(guard.Namespaces(ctx, "list", namespaces)).To(BeEmpty())
		}
		return guard.calls.Load() - before
	}
	g.Expect(ask()).To(BeEquivalentTo(3 * (1 + len(namespaces))))
	g.Expect(ask()).To(BeZero())
}

// Figures of the issue: calls of the API server for 1,000 requests of one client.
func TestCallsOfTheAPIServer(t *testing.T) {
	w := newWorld(t)
	namespaces := make([]string, 20)
	for i := range namespaces {
		namespaces[i] = fmt.Sprintf("namespace-%02d", i)
	}
	role := w.shippedRole(t, "extension_api_user_role.yaml")
	everywhere, somewhere := w.account(t), w.account(t)
	namespaces[0] = somewhere.Namespace
	w.bind(t, everywhere, "", role)
	w.bind(t, somewhere, somewhere.Namespace, role)
	forAll, forOne := w.token(t, everywhere), w.token(t, somewhere)
	w.waitFor(t, forAll, may("list", "any"))
	w.waitFor(t, forOne, may("list", somewhere.Namespace))

	list := func(g *guard, ctx context.Context, _ int) error {
		_, err := g.Namespaces(ctx, "list", namespaces)
		return err
	}
	read := func(g *guard, ctx context.Context, i int) error {
		allowed, err := g.Object(ctx, "list", somewhere.Namespace, fmt.Sprint("object-", i))
		if err == nil && !allowed {
			return fmt.Errorf("request %d is refused", i)
		}
		return err
	}
	for name, c := range map[string]struct {
		token string
		do    func(*guard, context.Context, int) error
		most  int
	}{
		"lists, everywhere":   {forAll, list, 2},
		"lists, one of 20":    {forOne, list, 1 + len(namespaces) + 1},
		"objects, everywhere": {forAll, read, 2},
		"objects, one of 20":  {forOne, read, 1 + 1 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			guard := newGuard(t, w.manager)
			for i := range 1000 {
				ctx := guard.as(t, c.token)
				g.Expect(c.do(guard, ctx, i)).To(Succeed())
			}
			t.Logf("%d calls for 1,000 requests", guard.calls.Load())
			g.Expect(guard.calls.Load()).To(BeNumerically("<=", c.most))
		})
	}
}

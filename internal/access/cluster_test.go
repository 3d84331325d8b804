// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/env"
)

var resource = schema.GroupVersionResource{Group: "extensions.provisioning.dev", Version: "v1alpha1", Resource: "extensions"}

// world is a real control plane, with a user who has what config/rbac ships for the manager.
type world struct {
	*env.Cluster
	admin   kubernetes.Interface
	manager *rest.Config
	err     error
}

// theWorld starts with the first test that wants it.
var theWorld = sync.OnceValue(func() *world {
	w := &world{}
	w.Cluster, w.err = env.Start()
	return w
})

func TestMain(m *testing.M) {
	var wanted atomic.Bool
	start := theWorld
	theWorld = func() *world { wanted.Store(true); return start() }
	code := m.Run()
	if wanted.Load() && theWorld().err == nil {
		if err := theWorld().Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	g := NewWithT(t)
	w := theWorld()
	g.Expect(w.err).NotTo(HaveOccurred())
	if w.admin != nil {
		return w
	}
	var err error
	w.admin, err = kubernetes.NewForConfig(w.Config)
	g.Expect(err).NotTo(HaveOccurred())
	w.manager, err = w.AddUser("extension-manager")
	g.Expect(err).NotTo(HaveOccurred())
	w.bind(t, rbacv1.Subject{Kind: rbacv1.UserKind, Name: "extension-manager"}, "", w.shippedRole(t, "metrics_auth_role.yaml"))
	return w
}

// shippedRole makes a role of config/rbac and returns its name.
func (w *world) shippedRole(t *testing.T, file string) string {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", file))
	g.Expect(err).NotTo(HaveOccurred())
	role := &rbacv1.ClusterRole{}
	g.Expect(yaml.UnmarshalStrict(text, role)).To(Succeed())
	_, err = w.admin.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		g.Expect(err).NotTo(HaveOccurred())
	}
	return role.Name
}

// bind gives a ClusterRole to somebody, in one namespace or, where that is empty, everywhere.
func (w *world) bind(t *testing.T, who rbacv1.Subject, namespace, role string) {
	t.Helper()
	ref := rbacv1.RoleRef{Kind: "ClusterRole", Name: role}
	meta := metav1.ObjectMeta{GenerateName: "access-"}
	var err error
	if namespace == "" {
		_, err = w.admin.RbacV1().ClusterRoleBindings().Create(t.Context(),
			&rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: []rbacv1.Subject{who}}, metav1.CreateOptions{})
	} else {
		_, err = w.admin.RbacV1().RoleBindings(namespace).Create(t.Context(),
			&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: []rbacv1.Subject{who}}, metav1.CreateOptions{})
	}
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
}

// namespace makes one.
func (w *world) namespace(t *testing.T) string {
	t.Helper()
	ns, err := w.admin.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "access-"}}, metav1.CreateOptions{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return ns.Name
}

// account makes a ServiceAccount, in a namespace of its own.
func (w *world) account(t *testing.T) rbacv1.Subject {
	t.Helper()
	namespace := w.namespace(t)
	_, err := w.admin.CoreV1().ServiceAccounts(namespace).Create(t.Context(),
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "robot"}
}

func userName(a rbacv1.Subject) string {
	return "system:serviceaccount:" + a.Namespace + ":" + a.Name
}

// token is what kubectl create token prints.
func (w *world) token(t *testing.T, a rbacv1.Subject, audiences ...string) string {
	t.Helper()
	answer, err := w.admin.CoreV1().ServiceAccounts(a.Namespace).CreateToken(t.Context(), a.Name, &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: ptr.To[int64](600)},
	}, metav1.CreateOptions{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return answer.Status.Token
}

// told is a log.
type told struct {
	mu    sync.Mutex
	lines []string
}

func (l *told) logger() logr.Logger {
	return funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
	}, funcr.Options{Verbosity: 9})
}

func (l *told) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string{}, l.lines...)
}

// guard is one with what can be seen of it.
type guard struct {
	*Tokens
	log   *told
	clock *moment
	// calls are those that reached the API server.
	calls atomic.Int64
}

// roundTripper lets a test count requests, and hold them back.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newGuard(t *testing.T, config *rest.Config, change ...func(*Options)) *guard {
	t.Helper()
	g := NewWithT(t)
	made := &guard{log: &told{}, clock: newMoment()}
	config = rest.CopyConfig(config)
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			made.calls.Add(1)
			return next.RoundTrip(r)
		})
	})
	client, err := kubernetes.NewForConfig(config)
	g.Expect(err).NotTo(HaveOccurred())
	o := Options{
		TokenReviews:         client.AuthenticationV1().TokenReviews(),
		SubjectAccessReviews: client.AuthorizationV1().SubjectAccessReviews(),
		Resource:             resource,
		Log:                  made.log.logger(),
		Now:                  made.clock.now,
	}
	for _, c := range change {
		c(&o)
	}
	made.Tokens, err = New(o)
	g.Expect(err).NotTo(HaveOccurred())
	return made
}

// request is one with a token.
func request(token string) *http.Request {
	return from(http.MethodGet, "extension-manager-api.extension-system.svc", map[string]string{"Authorization": "Bearer " + token})
}

// as is the context of somebody's request.
func (g *guard) as(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, err := g.Authenticate(request(token).WithContext(t.Context()))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return ctx
}

// soon is how long the API server may take to learn of a role, on a small machine.
const soon = 20 * time.Second

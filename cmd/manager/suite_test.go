// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/yaml"

	"provisioning.dev/extension-operator/test/env"
)

// What every spec runs against: a real API server, a real nu and the real helper.
var (
	cluster *env.Cluster
	nu      string
	helper  string
	// admin reads and writes past every cache, as kubectl does.
	admin client.Client
	// asManager is for a user with the shipped roles of the manager and nothing else, asInstaller
	// for one with that of the installer.
	asManager, asInstaller *rest.Config
)

func TestManager(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(20 * time.Second)
	SetDefaultEventuallyPollingInterval(20 * time.Millisecond)
	SetDefaultConsistentlyDuration(time.Second)
	RunSpecs(t, "Manager")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	startCluster(GinkgoTB())
})

// startCluster sets what every spec and benchmark runs against.
func startCluster(t testing.TB) {
	GinkgoHelper()
	var err error
	nu, err = env.Nushell()
	Expect(err).NotTo(HaveOccurred())
	helper, err = env.SandboxHelper()
	Expect(err).NotTo(HaveOccurred())
	cluster, err = env.Start()
	Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { Expect(cluster.Stop()).To(Succeed()) })
	admin, err = client.New(cluster.Config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	asManager, err = cluster.AddUser("extension-manager")
	Expect(err).NotTo(HaveOccurred())
	asManager.QPS = -1
	grantShippedRoles("extension-manager")
	asInstaller, err = cluster.AddUser("extension-installer")
	Expect(err).NotTo(HaveOccurred())
	asInstaller.QPS = -1
	role := shippedRole("installer_role.yaml")
	create(&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "extension-installer"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
	})
}

// grantShippedRoles gives a user the roles that config/rbac ships for the manager
// and nothing else, so that a verb that is missing there fails here.
func grantShippedRoles(user string) {
	GinkgoHelper()
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	for _, file := range []string{"role.yaml", "metrics_auth_role.yaml"} {
		role := &rbacv1.ClusterRole{}
		readShipped(file, role)
		create(role, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		})
	}
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shippedNamespace}})
	for _, file := range []string{"leader_election_role.yaml", "cache_role.yaml"} {
		role := &rbacv1.Role{}
		readShipped(file, role)
		create(role, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: role.Namespace, Name: role.Name}, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		})
	}
	shared := &corev1.ConfigMap{}
	readShipped("../manager/cache_configmap.yaml", shared)
	create(shared)
}

// shippedNamespace is the one of the shipped manifests.
const shippedNamespace = "extension-system"

func readShipped(file string, into client.Object) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", file))
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.UnmarshalStrict(text, into)).To(Succeed())
}

func create(objects ...client.Object) {
	GinkgoHelper()
	for _, object := range objects {
		Expect(admin.Create(context.Background(), object)).To(Succeed())
	}
}

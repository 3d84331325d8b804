// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// account makes a ServiceAccount that has these ClusterRoles in the namespace, and returns a real token of it.
func (r room) account(ctx context.Context, name string, roles ...string) string {
	GinkgoHelper()
	Expect(admin.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name}})).To(Succeed())
	for _, role := range roles {
		Expect(admin.Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: r.name, Name: name + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: r.name, Name: name}},
		})).To(Succeed())
	}
	token, err := clientset.CoreV1().ServiceAccounts(r.name).CreateToken(ctx, name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	Expect(err).NotTo(HaveOccurred())
	return token.Status.Token
}

// as is a client with a token and nothing else.
func as(token string) client.Client {
	GinkgoHelper()
	config := rest.AnonymousClientConfig(adminConfig)
	config.BearerToken = token
	c, err := client.New(config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	return c
}

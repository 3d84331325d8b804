// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// client returns a client of a kubeconfig of the cluster.
func client(kubeconfig string) (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // no proxy: it is on this machine
	return kubernetes.NewForConfig(config)
}

// apiServerReady asks as the admin.
func apiServerReady(ctx context.Context, c *cluster) error {
	admin, err := client(c.adminKubeconfig())
	if err != nil {
		return err
	}
	_, err = admin.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
	return err
}

// kubeletReady asks by way of the API server, which shows that this way is open.
func kubeletReady(ctx context.Context, c *cluster) error {
	admin, err := client(c.adminKubeconfig())
	if err != nil {
		return err
	}
	_, err = admin.CoreV1().RESTClient().Get().Resource("nodes").Name(nodeName).SubResource("proxy").Suffix("healthz").DoRaw(ctx)
	return err
}

// nodeReady returns nil once the node says that it takes pods.
func nodeReady(ctx context.Context, admin kubernetes.Interface) error {
	node, err := admin.CoreV1().Nodes().Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
		if condition.Type == corev1.NodeReady {
			err = fmt.Errorf("the node is not Ready: %s", condition.Message)
		}
	}
	if err == nil {
		err = errors.New("the node does not say whether it is Ready")
	}
	return err
}

// dnsRole is what the DNS server reads.
var dnsRole = rbacv1.ClusterRole{
	ObjectMeta: metav1.ObjectMeta{Name: "extension-operator:coredns"},
	Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"services", "namespaces"}, Verbs: []string{"list", "watch"}},
		{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
	},
}

// bindings are what a cluster needs beside the roles that the API server makes itself.
var bindings = map[string]rbacv1.ClusterRoleBinding{
	adminGroup: {
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: adminGroup}},
	},
	dnsRole.Name: {
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: dnsRole.Name},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "system:coredns"}},
	},
	"extension-operator:kubelet-client": {
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:kubelet-api-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: kubeletClient}},
	},
}

// bind makes the bindings as a member of system:masters, whose credentials are then removed: nobody is above RBAC afterwards.
func (c *cluster) bind(ctx context.Context) error {
	kubeconfig := filepath.Join(c.PKI(), "bootstrap.kubeconfig")
	master, err := client(kubeconfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // done before
	}
	if err != nil {
		return err
	}
	_, err = master.RbacV1().ClusterRoles().Create(ctx, &dnsRole, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("make the role %s: %w", dnsRole.Name, err)
	}
	for name, binding := range bindings {
		binding.Name = name
		_, err := master.RbacV1().ClusterRoleBindings().Create(ctx, &binding, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("bind %s: %w", name, err)
		}
	}
	return os.Remove(kubeconfig)
}

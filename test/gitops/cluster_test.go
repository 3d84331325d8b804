// SPDX-License-Identifier: Apache-2.0

// Package gitops has tests of what is shipped for Argo CD and Flux besides health checks.
package gitops

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"provisioning.dev/extension-operator/test/env"
	"provisioning.dev/extension-operator/test/manifests"
)

// flux are the files with the CustomResourceDefinitions of a Flux that the examples are for.
var flux = []string{
	"config/data/flux/v2.9.4/source-controller.yaml",
	"config/data/flux/v2.9.4/kustomize-controller.yaml",
	"config/data/flux/v2.9.4/helm-controller.yaml",
}

// cluster is a control plane that knows what Argo CD and Flux read, admin a client that refuses fields that it does not know.
var (
	cluster *env.Cluster
	admin   client.Client
)

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	argo, err := manifests.ForeignCRDs("github.com/argoproj/argo-cd/v3", "manifests/crds/application-crd.yaml")
	if err != nil {
		return 0, err
	}
	theirs, err := manifests.ForeignCRDs("github.com/controlplaneio-fluxcd/flux-operator", flux...)
	if err != nil {
		return 0, err
	}
	cluster, err = env.Start()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	if _, err := envtest.InstallCRDs(cluster.Config, envtest.CRDInstallOptions{Paths: append(argo, theirs...), ErrorIfPathMissing: true}); err != nil {
		return 0, err
	}
	plain, err := client.New(cluster.Config, client.Options{})
	if err != nil {
		return 0, err
	}
	admin = client.WithFieldValidation(plain, "Strict")
	for _, name := range []string{"argocd", "flux-system", "extension-system"} {
		if err := admin.Create(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return 0, err
		}
	}
	return m.Run(), nil
}

// apply is what both tools do with an object, by server-side apply.
func apply(t *testing.T, object *unstructured.Unstructured, options ...client.ApplyOption) error {
	t.Helper()
	options = append(options, client.FieldOwner("gitops"), client.ForceOwnership)
	return admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), options...)
}

// build is what kustomize makes of a folder of config/samples/gitops.
func build(g Gomega, folder string) []*unstructured.Unstructured {
	objects, err := manifests.Kustomize(filepath.Join("config", "samples", "gitops", folder))
	g.Expect(err).NotTo(HaveOccurred())
	return objects
}

// read is what a file of config/samples/gitops has, which is one object.
func read(g Gomega, file string) *unstructured.Unstructured {
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "samples", "gitops", file))
	g.Expect(err).NotTo(HaveOccurred())
	objects, err := manifests.Decode(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(objects).To(HaveLen(1))
	return objects[0]
}

// field of an object, zero where it has none.
func field[T any](g Gomega, object *unstructured.Unstructured, path ...string) (value T) {
	found, has, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	g.Expect(err).NotTo(HaveOccurred())
	if has {
		g.Expect(found).To(BeAssignableToTypeOf(value), "%s %v", object.GetName(), path)
		value = found.(T)
	}
	return value
}

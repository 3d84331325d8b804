// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"path/filepath"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"provisioning.dev/extension-operator/test/manifests"
)

// root is the folder of the source tree.
var root = filepath.Join("..", "..")

// chart is the folder of what is tested here.
var chart = filepath.Join("charts", "extension-operator")

// namespace is not the one of config/: what names it must follow the release.
const namespace = "platform"

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return manifests.Helm(t, "", args...)
}

// template renders the chart with values, hooks included.
func template(t *testing.T, values string, more ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	args := append([]string{"template", "release", chart, "--namespace=" + namespace, "--kube-version=1.36.3", "--values=-"}, more...)
	out, err := manifests.Helm(t, values, args...)
	if err != nil {
		return nil, err
	}
	return manifests.Decode(out)
}

// known is what was rendered before, by its values: several tests look at the same.
var known sync.Map

// rendered are the objects that the values give, for the caller alone.
func rendered(t *testing.T, g *WithT, values string) objects {
	t.Helper()
	before, ok := known.Load(values)
	if !ok {
		all, err := template(t, values)
		g.Expect(err).NotTo(HaveOccurred())
		before = objects(all)
		known.Store(values, before)
	}
	var all objects
	for _, object := range before.(objects) {
		all = append(all, object.DeepCopy())
	}
	return all
}

// kustomized are those of a folder of config/.
func kustomized(g *WithT, folder string) objects {
	all, err := manifests.Kustomize(filepath.Join("config", folder))
	g.Expect(err).NotTo(HaveOccurred())
	return all
}

type objects []*unstructured.Unstructured

// names are "Kind name", as they come.
func (o objects) names() []string {
	all := make([]string, 0, len(o))
	for _, object := range o {
		all = append(all, object.GetKind()+" "+object.GetName())
	}
	return all
}

// of are those of a kind, by name.
func (o objects) of(kind string) map[string]*unstructured.Unstructured {
	all := map[string]*unstructured.Unstructured{}
	for _, object := range o {
		if object.GetKind() == kind {
			all[object.GetName()] = object
		}
	}
	return all
}

// as finds an object and reads it strictly as its Go type.
func as[T any](g *WithT, o objects, kind, name string) *T {
	object := o.of(kind)[name]
	g.Expect(object).NotTo(BeNil(), "%s %s in %v", kind, name, o.names())
	into := new(T)
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, into, true)).To(Succeed())
	return into
}

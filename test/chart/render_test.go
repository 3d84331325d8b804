// SPDX-License-Identifier: Apache-2.0

package chart_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"
)

// root is the folder of the source tree.
var root = filepath.Join("..", "..")

// chart is the folder of what is tested here.
var chart = filepath.Join("charts", "extension-operator")

// namespace is not the one of config/: what names it must follow the release.
const namespace = "platform"

// tool is the path of a pinned tool, built by the first who asks.
func tool(name string) (string, error) {
	cmd := exec.Command("go", "tool", "-n", "-modfile=hack/tools/"+name+".mod", name)
	cmd.Dir = root
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, problems.String())
	}
	return strings.TrimSpace(string(out)), nil
}

var helmTool = sync.OnceValues(func() (string, error) { return tool("helm") })

func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return helmGiven(t, "", args...)
}

// helmGiven runs it in the root of the source tree with folders of its own, and with standard input; the error has what it printed.
func helmGiven(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	path, err := helmTool()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir, cmd.Stdin = root, strings.NewReader(stdin)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, problems.String())
	}
	return string(out), nil
}

// template renders the chart with values, hooks included.
func template(t *testing.T, values string, more ...string) ([]*unstructured.Unstructured, error) {
	t.Helper()
	args := append([]string{"template", "release", chart, "--namespace=" + namespace, "--kube-version=1.36.3", "--values=-"}, more...)
	out, err := helmGiven(t, values, args...)
	if err != nil {
		return nil, err
	}
	return decode(out)
}

func decode(text string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	documents := k8syaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := documents.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
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
	cmd := exec.Command("go", "tool", "-modfile=hack/tools/kustomize.mod", "kustomize", "build", filepath.Join("config", folder))
	cmd.Dir = root
	out, err := cmd.Output()
	g.Expect(err).NotTo(HaveOccurred())
	all, err := decode(string(out))
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

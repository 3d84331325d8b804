// SPDX-License-Identifier: Apache-2.0

// Package manifests builds with the pinned tools what is shipped as manifests, for the tests that hold it.
package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8syaml "k8s.io/apimachinery/pkg/util/yaml"

	"provisioning.dev/extension-operator/hack/tree"
)

// tool gives the path of a pinned tool, built by the first who asks.
func tool(name string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		out, err := run(exec.Command("go", "tool", "-n", "-modfile=hack/tools/"+name+".mod", name))
		return strings.TrimSpace(out), err
	})
}

var kustomize, helm = tool("kustomize"), tool("helm")

// Kustomize builds a folder of the source tree.
func Kustomize(folder string) ([]*unstructured.Unstructured, error) {
	path, err := kustomize()
	if err != nil {
		return nil, err
	}
	out, err := run(exec.Command(path, "build", folder))
	if err != nil {
		return nil, err
	}
	return Decode(out)
}

// Helm runs helm in the root of the source tree, with folders of its own and standard input.
func Helm(t testing.TB, stdin string, args ...string) (string, error) {
	t.Helper()
	path, err := helm()
	if err != nil {
		return "", err
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	return run(cmd)
}

// PromQL runs hack/promql, Prometheus' parser and engine, on a file of the source tree with standard input.
func PromQL(stdin, command, file string) (string, error) {
	cmd := exec.Command("go", "run", "-C=hack/promql", ".", command, filepath.Join("..", "..", file))
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return run(cmd)
}

// ForeignCRDs are the paths of files with the real CustomResourceDefinitions of another project, in the module that
// hack/tools/crds.mod pins.
func ForeignCRDs(module string, files ...string) ([]string, error) {
	out, err := run(exec.Command("go", "mod", "download", "-modfile=hack/tools/crds.mod", "-json", module))
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	var got struct{ Dir string }
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		return nil, err
	}
	var paths []string
	for _, file := range files {
		paths = append(paths, filepath.Join(got.Dir, file))
	}
	return paths, nil
}

// Decode reads the documents of a YAML text that have an object.
func Decode(text string) ([]*unstructured.Unstructured, error) {
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

// run gives what a program prints that runs in the root of the source tree; the error has what it says of its failure.
func run(cmd *exec.Cmd) (string, error) {
	root, err := tree.Root()
	if err != nil {
		return "", err
	}
	if err := remember(root); err != nil {
		return "", err
	}
	cmd.Dir = root
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s", cmd, err, problems.String())
	}
	return string(out), nil
}

// remember looks into the folders that the programs read. What they read go test does not see, and it would answer from its cache
// after a change; of a folder that a test looks into it remembers the files.
func remember(root string) error {
	for _, folder := range []string{"config", "charts", "hack/tools", "hack/promql"} {
		if err := filepath.WalkDir(filepath.Join(root, folder), func(_ string, _ fs.DirEntry, err error) error { return err }); err != nil {
			return err
		}
	}
	return nil
}

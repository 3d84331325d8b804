// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/sandbox"
)

// What the tests share: the real nu, the helper built from this tree, the real provisioning folder.
var (
	nuPath, helperPath string
	provisioning, _    = filepath.Abs("../../nushell")
	schemas, _         = filepath.Abs("../../docs/schemas")
	library, _         = filepath.Abs("../../extensions")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

// toolsVariable names a folder with nu, the helper and the loading program for a test binary that was started by another
// (hostile_test.go).
const toolsVariable = "NUSHELL_TEST_TOOLS"

func run(m *testing.M) int {
	if tools := os.Getenv(toolsVariable); tools != "" {
		nuPath, helperPath, provisioning = filepath.Join(tools, "nu"), filepath.Join(tools, "extension-sandbox"), tools
		return m.Run()
	}
	nuPath = os.Getenv("NUSHELL_PATH")
	if nuPath == "" {
		fmt.Fprintln(os.Stderr, "NUSHELL_PATH is not set: run make test")
		return 1
	}
	folder, err := os.MkdirTemp("", "nushell-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	helperPath = filepath.Join(folder, "extension-sandbox")
	build := exec.Command("go", "build", "-o", helperPath, "provisioning.dev/extension-operator/cmd/extension-sandbox")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the helper: %v\n%s", err, output)
		return 1
	}
	return m.Run()
}

// realSandbox is the sandbox with the helper of this tree.
func realSandbox(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(sandbox.Require, helperPath)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noSandbox is for what cannot run in one: a nu that is a script.
func noSandbox(t testing.TB) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.New(sandbox.Off, "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func options(t testing.TB) Options {
	limits := sandbox.DefaultLimits()
	limits.CPU = 5 * time.Second
	return Options{
		Nushell: nuPath, Provisioning: provisioning, Sandbox: realSandbox(t), NewStage: newStage, Limits: limits,
		WorkerIdle: time.Minute, Log: logr.Discard(),
	}
}

var shared struct {
	once   sync.Once
	runner *Runner
}

// sharedRunner is one Runner for all tests that change nothing of it, as in the operator: nu is hashed once.
func sharedRunner(t testing.TB) *Runner {
	shared.once.Do(func() { shared.runner = New(options(t)) })
	return shared.runner
}

// files are the contents of a folder by path below it.
type files map[string]string

func (f files) write(t testing.TB, folder string) {
	t.Helper()
	for name, text := range f {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// member is one version of a made-up taskserv.
func member(name string) extension.Member {
	key := extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}
	return extension.Member{
		Key: key, Path: "extensions/taskservs/" + name + "/1.0.0",
		Metadata: extension.Metadata{Type: key.Type, Name: key.Name, Version: key.Version},
	}
}

func manifest(name string, dependencies ...string) string {
	quoted := []string{}
	for _, d := range dependencies {
		quoted = append(quoted, fmt.Sprintf("%q", d))
	}
	return fmt.Sprintf("manifest = 1\nname = %q\ntype = \"taskserv\"\nversion = \"1.0.0\"\ndescription = \"made up\"\ndependencies = [%s]\n",
		name, strings.Join(quoted, ", "))
}

// sample is an extension named sample of these files, alone or with dependencies, in a folder laid out as a stage is.
type sample struct {
	stage string
	plan  extension.Plan
}

// add puts what is in a folder of the sample into its plan.
func (s *sample) add(name string) {
	m := member(name)
	m.Digest = content(filepath.Join(s.stage, "taskserv", name))
	s.plan.Members = append(s.plan.Members, m)
}

func stage(t testing.TB, folder string, root files, dependencies map[string]files) sample {
	t.Helper()
	s := sample{stage: folder}
	names := []string{}
	for name, content := range dependencies {
		names = append(names, name)
		s.add(name)
		files{"manifest.toml": manifest(name)}.write(t, filepath.Join(folder, "taskserv", name))
		content.write(t, filepath.Join(folder, "taskserv", name))
	}
	s.add("sample")
	files{"manifest.toml": manifest("sample", names...)}.write(t, filepath.Join(folder, "taskserv", "sample"))
	root.write(t, filepath.Join(folder, "taskserv", "sample"))
	return s
}

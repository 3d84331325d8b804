// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"provisioning.dev/extension-operator/internal/extension"
)

// cliAnswer is what the command prints, as far as the tests look at it.
type cliAnswer struct {
	OK         bool
	Extension  struct{ Type, Name, Version string }
	Hooks      []string
	Path       string
	Extensions []struct {
		Path     string
		Metadata struct {
			Type, Name, Version string
			Dependencies        []string
		}
	}
	Problems []struct{ Path, Message string }
	Error    struct {
		Code        extension.Code
		Message     string
		Diagnostics []diagnostic
		Available   []string
	}
}

// command is what the CLI did with its arguments.
func command(t testing.TB, args ...string) (stdout, stderr string, exitCode int) {
	t.Helper()
	cmd := exec.Command(nuPath, append([]string{"--no-config-file", "--no-std-lib", filepath.Join(provisioning, "provisioning")}, args...)...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=", "TMPDIR=" + t.TempDir()}
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	_ = cmd.Run() // The exit code says more than the error.
	return out.String(), problems.String(), cmd.ProcessState.ExitCode()
}

// ask has the CLI answer in JSON, checks it against its schema and reads it.
func ask(t testing.TB, schema string, args ...string) cliAnswer {
	t.Helper()
	stdout, stderr, exitCode := command(t, append(args, "--output", "json")...)
	var a cliAnswer
	if err := json.Unmarshal([]byte(stdout), &a); err != nil {
		t.Fatalf("%v: exit code %d, %v\n%s%s", args, exitCode, err, stdout, stderr)
	}
	if !a.OK {
		schema = "failure.json"
	}
	validate(t, schema, stdout)
	if want := map[bool]int{true: 0, false: 1}[a.OK]; exitCode != want && a.Error.Code != "InvalidUsage" {
		t.Errorf("%v: exit code %d, not %d", args, exitCode, want)
	}
	return a
}

func validate(t testing.TB, schema, document string) {
	t.Helper()
	compiled, err := schemaCompiler(t).Compile("https://extensions.provisioning.dev/schemas/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.Validate(instance); err != nil {
		t.Errorf("%s: %v\n%s", schema, err, document)
	}
}

// schemaCompiler knows every schema by its $id.
func schemaCompiler(t testing.TB) *jsonschema.Compiler {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"load.json", "failure.json", "discover.json"} {
		text, err := os.Open(filepath.Join(schemas, name))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(text)
		if err == nil {
			err = compiler.AddResource("https://extensions.provisioning.dev/schemas/"+name, document)
		}
		if err := errors.Join(err, text.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return compiler
}

// sameAnswer holds the command's answer to that of Check.
func sameAnswer(t testing.TB, said cliAnswer, s sample, checked extension.Checked, err error) {
	t.Helper()
	g := NewWithT(t)
	root := s.plan.Root()
	if err == nil {
		g.Expect(said.OK).To(BeTrue(), said.Error.Message)
		g.Expect(said.Hooks).To(Equal(checked.Hooks))
		g.Expect(said.Path).To(Equal(root.Path))
		return
	}
	fault := extension.AsFault(err)
	what := string(root.Key.Type) + " " + root.Key.Name + " " + root.Key.Version
	g.Expect(said.OK).To(BeFalse())
	g.Expect(said.Error.Code).To(Equal(fault.Code))
	g.Expect(summary(what+" does not load", said.Error.Diagnostics)).To(Equal(fault.Message))
}

// asLibrary writes a made-up extension and its dependencies as a library.
func asLibrary(t testing.TB, root files, dependencies map[string]files) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "extensions")
	names := []string{}
	for name, content := range dependencies {
		names = append(names, name)
		below := filepath.Join(folder, "taskservs", name, "1.0.0")
		files{"manifest.toml": manifest(name)}.write(t, below)
		content.write(t, below)
	}
	below := filepath.Join(folder, "taskservs", "sample", "1.0.0")
	files{"manifest.toml": manifest("sample", names...)}.write(t, below)
	root.write(t, below)
	return folder
}

func TestCommandAndOperatorAgreeOnMadeUpExtensions(t *testing.T) {
	all := map[string]brokenExtension{}
	for name, good := range goodExtensions {
		all["good: "+name] = brokenExtension{files: good.files, dependencies: good.dependencies}
	}
	for name, broken := range brokenExtensions {
		all["broken: "+name] = broken
	}
	for name, one := range all {
		t.Run(name, func(t *testing.T) {
			s := stage(t, t.TempDir(), one.files, one.dependencies)
			checked, err := check(t.Context(), t, sharedRunner(t), s)
			said := ask(t, "load.json", "module", "load", "taskserv", "sample", "--library", asLibrary(t, one.files, one.dependencies))
			sameAnswer(t, said, s, checked, err)
		})
	}
}

func TestCommandAndOperatorAgreeOnTheLibrary(t *testing.T) {
	g := NewWithT(t)
	listed := ask(t, "discover.json", "module", "discover", "--library", library)
	g.Expect(listed.Problems).To(BeEmpty())
	g.Expect(listed.Extensions).NotTo(BeEmpty())
	for _, one := range listed.Extensions {
		t.Run(one.Path, func(t *testing.T) {
			g := NewWithT(t)
			s := stageOfLibrary(t, listed, one.Path)
			checked, err := check(t.Context(), t, sharedRunner(t), s)
			g.Expect(err).NotTo(HaveOccurred())
			said := ask(t, "load.json", "module", "load", one.Metadata.Type, one.Metadata.Name, "--version", one.Metadata.Version, "--library", library)
			sameAnswer(t, said, s, checked, err)
		})
	}
}

// stageOfLibrary stages an extension of the built-in library with the newest version of each that it reaches.
func stageOfLibrary(t testing.TB, listed cliAnswer, path string) sample {
	t.Helper()
	s := sample{stage: t.TempDir()}
	var add func(path string)
	add = func(path string) {
		at := slices.IndexFunc(listed.Extensions, func(e struct {
			Path     string
			Metadata struct {
				Type, Name, Version string
				Dependencies        []string
			}
		}) bool {
			return strings.HasPrefix(e.Path+"/", path+"/")
		})
		if at < 0 {
			t.Fatalf("%s is not in the library", path)
		}
		e := listed.Extensions[at]
		for _, dependency := range e.Metadata.Dependencies {
			name, _, _ := strings.Cut(dependency, "@")
			folder := "taskservs/" + name
			if kind, bare, typed := strings.Cut(name, "/"); typed {
				folder = kind + "s/" + bare
			}
			add(filepath.Base(library) + "/" + folder)
		}
		key := extension.Key{Type: extension.Type(e.Metadata.Type), Name: e.Metadata.Name, Version: e.Metadata.Version}
		target := filepath.Join(s.stage, string(key.Type), key.Name)
		if _, err := os.Stat(target); err == nil {
			return
		}
		if err := os.CopyFS(target, os.DirFS(filepath.Join(filepath.Dir(library), e.Path))); err != nil {
			t.Fatal(err)
		}
		s.plan.Members = append(s.plan.Members, extension.Member{Key: key, Path: e.Path, Digest: content(target)})
	}
	add(path)
	return s
}

// The loading program's own answers, before the command adds to them, are of the documented form as well.
func TestAnswersOfTheProgramFitTheSchemas(t *testing.T) {
	for schema, root := range map[string]files{
		"load.json":    {"mod.nu": install},
		"failure.json": {"mod.nu": "export alias install = ls\n"},
	} {
		s := stage(t, t.TempDir(), root, nil)
		l, err := sharedRunner(t).prepare(t.Context(), s.plan, false)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.stage.Fill(t.Context(), s.plan.Members); err != nil {
			t.Fatal(err)
		}
		result, err := l.run(t.Context())
		l.end()
		if err != nil {
			t.Fatal(err)
		}
		validate(t, schema, string(result.Stdout))
	}
}

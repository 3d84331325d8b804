// SPDX-License-Identifier: Apache-2.0

package nushell

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

// versionFolder is a version of taskserv sample in a library, with a manifest that is good but for what is replaced.
func versionFolder(t testing.TB, libraryFolder, version, before, after string) {
	t.Helper()
	text := strings.Replace(manifest("sample"), "1.0.0", version, 1)
	files{"mod.nu": install, "manifest.toml": strings.Replace(text, before, after, 1)}.
		write(t, filepath.Join(libraryFolder, "taskservs", "sample", version))
}

func TestCommandChoosesVersions(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	for _, version := range []string{"1.2.0", "1.10.0", "1.9.9", "2.0.0-rc.1"} {
		versionFolder(t, folder, version, "", "")
	}
	load := func(more ...string) cliAnswer {
		return ask(t, "load.json", append([]string{"module", "load", "taskserv", "sample", "--library", folder}, more...)...)
	}
	g.Expect(load().Extension.Version).To(Equal("1.10.0"), "the newest stable")
	g.Expect(load("--version", "2.0.0-rc.1").Extension.Version).To(Equal("2.0.0-rc.1"))
	g.Expect(load("--version", ">=1.2 <1.10").Extension.Version).To(Equal("1.9.9"))
	missing := load("--version", "1.99.0")
	g.Expect(missing.Error.Code).To(Equal(extension.VersionNotFound))
	g.Expect(missing.Error.Available).To(Equal([]string{"2.0.0-rc.1", "1.10.0", "1.9.9", "1.2.0"}))
}

func TestCommandTellsWhatIsMissing(t *testing.T) {
	g := NewWithT(t)
	folder := t.TempDir()
	versionFolder(t, folder, "1.0.0", "[]", `["absent@^2"]`)
	load := func(name string) cliAnswer {
		return ask(t, "load.json", "module", "load", "taskserv", name, "--library", folder)
	}
	unknown := load("other")
	g.Expect(unknown.Error.Code).To(Equal(extension.ExtensionNotFound))
	g.Expect(unknown.Error.Available).To(Equal([]string{"sample"}))
	g.Expect(load("sample").Error.Code).To(Equal(extension.DependencyMissing))
	g.Expect(load("sample").Error.Message).To(HavePrefix("taskserv absent, which taskserv/sample depends on was not found"))

	files{"manifest.toml": manifest("absent", "sample"), "mod.nu": ""}.write(t, filepath.Join(folder, "taskservs", "absent", "1.0.0"))
	versionFolder(t, folder, "1.0.0", "[]", `["absent"]`)
	cycle := load("sample").Error
	g.Expect(cycle.Code).To(Equal(extension.DependencyCycle))
	g.Expect(cycle.Message).To(HaveSuffix("taskserv/sample -> taskserv/absent -> taskserv/sample"))
}

// The first library that has a name owns it, with all its versions.
func TestCommandNeverMixesLibraries(t *testing.T) {
	g := NewWithT(t)
	first, second := t.TempDir(), t.TempDir()
	versionFolder(t, first, "1.0.0", "", "")
	versionFolder(t, second, "9.0.0", "", "")
	listed := ask(t, "discover.json", "module", "discover", "taskserv", "--library", first+","+second)
	g.Expect(listed.Extensions).To(HaveLen(1))
	g.Expect(listed.Extensions[0].Metadata.Version).To(Equal("1.0.0"))
}

func TestCommandRefusesBrokenManifests(t *testing.T) {
	for old, c := range map[string]struct{ new, problem string }{
		"manifest = 1\n":          {"", "key manifest is missing"},
		"manifest = 1":            {"manifest = 2", "needs a newer release"},
		"= 1":                     {`= "1"`, "manifest must be the number 1"},
		"description =":           {"descripton =", "unknown key descripton; remove it; description is missing"}, //nolint:misspell // the misspelling is the case
		`name = "sample"`:         {`name = "other"`, `name is "other", but its folder is sample`},
		`type = "taskserv"`:       {`type = "cluster"`, `type is "cluster", but it lies among the taskservs`},
		`version = "1.0.0"`:       {`version = "1.0.0+1"`, `version "1.0.0+1" is not exact`},
		`version = "1.0.`:         {`version = "1.1.`, `version is "1.1.0", but its folder is 1.0.0`},
		`"1.0.0"`:                 {`1.0`, "version is not a string"},
		`"made up"`:               {`" "`, "description is empty"},
		`made up`:                 {strings.Repeat("x", 1025), "description is longer than 1024 bytes"},
		"made":                    {`\u0007`, "description has control characters"},
		`[]`:                      {`"etcd"`, "dependencies is not a list of strings"},
		`= []`:                    {`= ["etcd", 3]`, "dependencies is not a list of strings"},
		`dependencies = []`:       {`dependencies = ["x/y"]`, `dependency "x/y" is not of the form`},
		`dependencies = [`:        {`dependencies = ["etcd@"`, `dependency "etcd@" is not of the form`},
		`ies = []`:                {`ies = ["etcd", "taskserv/etcd@^3"]`, "dependency taskserv/etcd is there twice"},
		`ncies = []`:              {`ncies = ["sample"]`, "dependency taskserv/sample is the extension itself"},
		"dependencies = []\n":     {"repository = \"ftp://x\"\n", `repository "ftp://x" is not a URL`},
		"up":                      {"\xff", "is not UTF-8"},
		`description = "made up"`: {`description = `, "is not valid TOML"},
		"manifest = ":             {strings.Repeat("#\n", 200<<10) + "manifest = ", "is larger than 262.1 kB"},
	} {
		t.Run(c.problem, func(t *testing.T) {
			g := NewWithT(t)
			folder := filepath.Join(t.TempDir(), "extensions")
			versionFolder(t, folder, "1.0.0", old, c.new)
			listed := ask(t, "discover.json", "module", "discover", "--library", folder)
			g.Expect(listed.Extensions).To(BeEmpty())
			g.Expect(listed.Problems).To(HaveLen(1))
			g.Expect(listed.Problems[0].Message).To(ContainSubstring(c.problem))
			said := ask(t, "load.json", "module", "load", "taskserv", "sample", "--library", folder)
			g.Expect(said.Error.Code).To(Equal(extension.InvalidMetadata))
			g.Expect(said.Error.Message).To(ContainSubstring(c.problem))
		})
	}
}

func TestCommandLineIsChecked(t *testing.T) {
	for _, c := range []struct {
		args    []string
		message string
	}{
		{[]string{"module", "load", "thing", "sample"}, `type "thing" is not known; choose one of provider, taskserv, cluster`},
		{[]string{"module", "load", "taskserv", "../x"}, `name "../x" is not made of`},
		{[]string{"module", "load", "taskserv", "a'#; exit 0"}, `is not made of`},
		{[]string{"module", "load", "taskserv", "sample", "--version", "{}"}, `"{}" is neither an exact version nor a range`},
		{[]string{"module", "load", "taskserv", "sample", "--output", "xml"}, `output "xml" is not known; choose json or table`},
		{[]string{"module", "load", "taskserv", "sample", "--library", "/nowhere"}, `library /nowhere is not a folder`},
		{[]string{"module", "discover", "things"}, `type "things" is not known`},
		{[]string{"module", "discover", "--name", "A"}, `name "A" is not made of`},
	} {
		g := NewWithT(t)
		stdout, stderr, exitCode := command(t, c.args...)
		g.Expect(exitCode).To(Equal(2), "%v: %s", c.args, stderr)
		g.Expect(stdout).To(BeEmpty())
		g.Expect(stderr).To(ContainSubstring(c.message))
	}
}

func TestCommandIsForPeople(t *testing.T) {
	g := NewWithT(t)
	folder := filepath.Join(t.TempDir(), "extensions")
	versionFolder(t, folder, "1.0.0", "", "")
	versionFolder(t, folder, "2.0.0", "made up", " ")

	stdout, stderr, exitCode := command(t, "module", "discover", "--library", folder)
	g.Expect(exitCode).To(BeZero())
	g.Expect(stdout).To(MatchRegexp(`taskserv +. +sample +. +1\.0\.0 +. +made up`))
	g.Expect(stderr).To(Equal("warning: extensions/taskservs/sample/2.0.0: description is empty; fill it in\n"))

	stdout, _, exitCode = command(t, "module", "load", "taskserv", "sample", "--library", folder)
	g.Expect(exitCode).To(BeZero())
	g.Expect(stdout).To(MatchRegexp(`hooks +. +install`))

	files{"mod.nu": "export def install [] { }\nexit 0\n"}.write(t, filepath.Join(folder, "taskservs", "sample", "1.0.0"))
	stdout, stderr, exitCode = command(t, "module", "load", "taskserv", "sample", "--library", folder)
	g.Expect(exitCode).To(Equal(1))
	g.Expect(stdout).To(BeEmpty())
	g.Expect(stderr).To(HavePrefix("error: taskserv sample 1.0.0 does not load: Nushell found 1 error in it\n" +
		"  extensions/taskservs/sample/1.0.0/mod.nu:2:1: Expected keyword"))

	for _, level := range [][]string{{}, {"module"}, {"module", "load"}, {"module", "discover"}} {
		stdout, _, exitCode = command(t, append(level, "--help")...)
		g.Expect(exitCode).To(BeZero())
		g.Expect(stdout).To(ContainSubstring("> provisioning " + strings.Join(level, " ")))
	}
}

// The command leaves nothing behind, however it ends.
func TestCommandCleansUp(t *testing.T) {
	g := NewWithT(t)
	temporary := t.TempDir()
	for _, root := range []files{{"mod.nu": install}, {"mod.nu": "ls"}} {
		cmd := exec.Command(nuPath, "--no-config-file", "--no-std-lib", filepath.Join(provisioning, "provisioning"),
			"module", "load", "taskserv", "sample", "--library", asLibrary(t, root, nil))
		cmd.Env = []string{"HOME=" + temporary, "PATH=", "TMPDIR=" + temporary}
		_ = cmd.Run() // One of the two fails.
		left, err := os.ReadDir(temporary)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(left).To(BeEmpty())
	}
}

// The command's ranges mean what spec.version means.
func TestRangesOfCommandAndOperatorAgree(t *testing.T) {
	versions := []string{"0.0.1", "0.2.3", "0.3.0", "1.0.0", "1.2.0", "1.2.3", "1.2.4", "1.3.0", "1.10.0", "2.0.0", "2.0.0-rc.1", "1.2.3-alpha", "1.2.3-alpha.2", "1.2.3-alpha.10"}
	constraints := []string{
		"", "1.2.3", "1.2.3-alpha", "1.2", "1", "*", "1.x", "1.2.x", "=1.2.3", "!=1.2.3", "!=1.2", ">1.2.3", ">1.2", ">1", ">=1.2", "<1.2", "<1.2.3", "<=1.2", "<=1.2.3",
		"~1.2.3", "~1.2", "~1", "^1.2.3", "^1.2", "^1", "^0.2.3", "^0.2", "^0.0.1", "^0", ">=1.2 <1.10", ">=1.2, <1.10", "1.2 - 1.3.0", "<1 || >=2", ">= 1.2", "v1.2",
		">=1.2.3-alpha", "~1.2.3-alpha", "^2.0.0-rc.1", "<2.0.0-rc.1", "=1.2.3-alpha.2", "abc", "1.2.3.4", "||", ">", "1.2.3+1", ">=1.2 oh", "01.2.3",
	}
	program := "use cli/version.nu\n" + fmt.Sprintf("let versions = r#'%s'# | from json\nlet constraints = r#'%s'# | from json\n", asJSON(t, versions), asJSON(t, constraints)) +
		"$constraints | each {|c| if (version is-constraint $c) { $versions | each {|v| version accepts $c $v } } else { [] } } | to json --raw | print --raw\nexit 0\n"
	cmd := exec.Command(nuPath, "--no-config-file", "--no-std-lib", "-c", program)
	cmd.Dir = provisioning
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var said [][]bool
	if err := json.Unmarshal(output, &said); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for i, text := range constraints {
		constraint, err := extension.ParseConstraint(text)
		if (err == nil) != (len(said[i]) > 0) {
			t.Errorf("%q: the operator says %v, the command %v", text, err, said[i])
			continue
		}
		for j, version := range versions {
			if err == nil && constraint.Accepts(version) != said[i][j] {
				t.Errorf("%q accepts %s: the operator says %v, the command %v", text, version, !said[i][j], said[i][j])
			}
		}
	}
}

func asJSON(t testing.TB, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("\\u003c", "<", "\\u003e", ">", "\\u0026", "&").Replace(string(text))
}

// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
	"github.com/pelletier/go-toml/v2"
)

// member is one version of an extension of the library.
type member struct {
	Dir      string // below the library, such as taskservs/etcd
	Manifest manifest
}

type manifest struct {
	Manifest     int      `toml:"manifest"`
	Name         string   `toml:"name"`
	Type         string   `toml:"type"`
	Version      string   `toml:"version"`
	Description  string   `toml:"description"`
	Dependencies []string `toml:"dependencies"`
	Author       string   `toml:"author"`
	Repository   string   `toml:"repository"`
}

// shipped are the keys that must be there; the versions of kubernetes and postgresql that docs and samples name among them.
var shipped = []string{
	"cluster:buildkit:1.0.0", "cluster:cicd:1.0.0",
	"provider:aws:2.0.0", "provider:kube:1.0.0", "provider:local:1.0.0", "provider:upcloud:1.0.0",
	"taskserv:containerd:2.1.4", "taskserv:etcd:3.5.21", "taskserv:hello:1.0.0",
	"taskserv:kubernetes:1.27.16", "taskserv:kubernetes:1.28.0", "taskserv:kubernetes:1.29.14",
	"taskserv:postgresql:16.4.0", "taskserv:postgresql:17.2.0",
}

// members finds every manifest of the library and reads it strictly.
func members(t *testing.T) []member {
	t.Helper()
	g := NewWithT(t)
	var found []member
	err := fs.WalkDir(os.DirFS("."), ".", func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "manifest.toml" {
			return err
		}
		text, err := os.ReadFile(filepath.FromSlash(at))
		if err != nil {
			return err
		}
		one := member{Dir: path.Dir(at)}
		if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&one.Manifest); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		found = append(found, one)
		return nil
	})
	g.Expect(err).NotTo(HaveOccurred())
	return found
}

// configurable are the members that have a configure hook: all but what the hooks of others are made with.
func configurable(t *testing.T) []member {
	t.Helper()
	return slices.DeleteFunc(members(t), func(one member) bool { return one.Dir == kubeDir })
}

// kubeDir is the extension through which hooks reach the Kubernetes API.
const kubeDir = "providers/kube"

func TestLibraryHoldsWhatIsShipped(t *testing.T) {
	var keys []string
	for _, one := range members(t) {
		keys = append(keys, one.Manifest.Type+":"+one.Manifest.Name+":"+one.Manifest.Version)
	}
	NewWithT(t).Expect(keys).To(ConsistOf(shipped))
}

func TestManifestsFitTheirFolders(t *testing.T) {
	g := NewWithT(t)
	for _, one := range members(t) {
		m, parts := one.Manifest, strings.Split(one.Dir, "/")
		g.Expect(m.Manifest).To(Equal(1), one.Dir)
		g.Expect(parts[0]).To(Equal(m.Type+"s"), one.Dir)
		g.Expect(parts[1]).To(Equal(m.Name), one.Dir)
		g.Expect(m.Description).NotTo(BeEmpty(), one.Dir)
		version, err := semver.StrictNewVersion(m.Version)
		g.Expect(err).NotTo(HaveOccurred(), one.Dir)
		g.Expect(version.Metadata()).To(BeEmpty(), one.Dir)
		if len(parts) == 3 {
			g.Expect(parts[2]).To(Equal(m.Version), one.Dir)
			g.Expect(filepath.Join(parts[0], parts[1], "manifest.toml")).NotTo(BeAnExistingFile())
		} else {
			g.Expect(parts).To(HaveLen(2), one.Dir)
		}
		for _, file := range []string{"mod.nu", "README.md"} {
			g.Expect(filepath.Join(one.Dir, file)).To(BeARegularFile())
		}
	}
}

func TestDependenciesAreInTheLibrary(t *testing.T) {
	g := NewWithT(t)
	library := members(t)
	for _, one := range library {
		for _, dependency := range one.Manifest.Dependencies {
			g.Expect(fitting(t, library, dependency)).NotTo(BeEmpty(), "%s needs %s", one.Dir, dependency)
		}
	}
	g.Expect(fitting(t, library, "etcd@^4")).To(BeEmpty())
}

// No extension depends on another for helpers alone, so these are copied; a copy that drifts is a bug.
func TestCopiesOfSharedCodeAreEqual(t *testing.T) {
	g := NewWithT(t)
	first := map[string]string{}
	for _, one := range members(t) {
		files, err := filepath.Glob(filepath.Join(one.Dir, "*.nu"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			name := filepath.Base(file)
			if name == "mod.nu" {
				continue
			}
			text, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			if original, seen := first[name]; seen {
				g.Expect(string(text)).To(Equal(original), "%s differs from the other copies", file)
			}
			first[name] = string(text)
		}
	}
	g.Expect(first).To(HaveKey("check.nu"))
}

// A hook that makes configuration is a function of its values alone, and there is one way to the Kubernetes API.
func TestModulesReachNothingOutside(t *testing.T) {
	g := NewWithT(t)
	outside := regexp.MustCompile(`(?m)(?:^|[|({;=])\s*(?:open|save|ls|rm|cp|mv|http|date|random|sys|input|exec|run-external|job|load-env|source|export-env)\b[^:]|\$env\b|\$nu\b|(?:^|\s)\^`)
	g.Expect(outside.FindString("    let x = open file")).NotTo(BeEmpty())
	for _, one := range configurable(t) {
		files, err := filepath.Glob(filepath.Join(one.Dir, "*.nu"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			text, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			found := outside.FindString(string(text))
			if filepath.Base(file) == "database.nu" {
				g.Expect(string(text)).To(MatchRegexp(`(?m)^def secret (.*\n)+?.*\(random chars`), "the password, which install makes and not configure")
				found = outside.FindString(strings.Replace(string(text), "(random chars", "(", 1))
			}
			g.Expect(found).To(BeEmpty(), file)
		}
	}
}

// TLS is verified, always, by whatever of this tree is written in Nushell.
func TestNothingIsInsecure(t *testing.T) {
	g := NewWithT(t)
	insecure := regexp.MustCompile(`--insecure|\bhttp\b.*\s-[a-z]*k\b`)
	g.Expect(insecure.FindString("http get -fk $url")).NotTo(BeEmpty())
	looked := 0
	for _, folder := range []string{".", "../nushell"} {
		err := fs.WalkDir(os.DirFS(folder), ".", func(at string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || path.Ext(at) == ".go" {
				return err
			}
			text, err := os.ReadFile(filepath.Join(folder, at))
			g.Expect(insecure.FindString(string(text))).To(BeEmpty(), at)
			looked++
			return err
		})
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(looked).To(BeNumerically(">", 30))
}

const inspectProgram = `def __check [v: any] { w configure $v }
let m = scope modules | where name == w | first
let commands = scope commands | where name =~ '^w ' | each {|c| {
    name: ($c.name | str replace "w " "")
    description: $c.description
    shapes: ($c.signatures | values | first | each {|p| $"($p.parameter_type) ($p.parameter_name | default '') ($p.syntax_shape)" })
}}
print --raw ({env: $m.has_env_block, commands: $commands, constants: $m.constants.name} | to json --raw)
exit 0
`

var hookNames = []string{"configure", "install", "uninstall", "verify"}

// command is one that a module exports.
type command struct {
	Name, Description string
	Shapes            []string
}

// exports is what other modules see of one.
type exports struct {
	Env       bool
	Commands  []command
	Constants []string
}

func inspect(t *testing.T, dir string) exports {
	t.Helper()
	var module exports
	out := nu(t, program(stage(t, dir), staged(dir), inspectProgram), nil)
	NewWithT(t).Expect(json.Unmarshal(out, &module)).To(Succeed())
	return module
}

var exportRow = regexp.MustCompile("(?m)^\\| `([A-Za-z_-]+)` \\|")

// What an extension exports beside hooks is for those that depend on it, and its README says so.
func TestExportsAreDocumented(t *testing.T) {
	for _, one := range members(t) {
		g := NewWithT(t)
		module := inspect(t, one.Dir)
		exported := slices.Clone(module.Constants)
		for _, c := range module.Commands {
			if !slices.Contains(hookNames, c.Name) {
				g.Expect(c.Description).NotTo(BeEmpty(), "%s: %s", one.Dir, c.Name)
				exported = append(exported, c.Name)
			}
		}
		text, err := os.ReadFile(filepath.Join(one.Dir, "README.md"))
		g.Expect(err).NotTo(HaveOccurred())
		_, section, _ := strings.Cut(string(text), "## For extensions that depend on it\n")
		section, _, _ = strings.Cut(section, "\n## ")
		var documented []string
		for _, row := range exportRow.FindAllStringSubmatch(section, -1) {
			documented = append(documented, row[1])
		}
		g.Expect(documented).To(ConsistOf(exported), one.Dir)
	}
}

func TestHooksHaveTheContractsSignature(t *testing.T) {
	for _, one := range members(t) {
		t.Run(one.Dir, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			module := inspect(t, one.Dir)
			g.Expect(module.Env).To(BeFalse(), "has an export-env")
			var names []string
			for _, hook := range module.Commands {
				if !slices.Contains(hookNames, hook.Name) {
					continue
				}
				names = append(names, hook.Name)
				takes, gives := `^positional ctx record$`, "output  record<message: string>"
				if hook.Name == "configure" {
					takes, gives = `^positional values record(<.*>)?$`, "output  record<files: record, objects: list<any>>"
				}
				g.Expect(hook.Description).NotTo(BeEmpty())
				g.Expect(hook.Shapes).To(HaveLen(3))
				g.Expect(hook.Shapes[0]).To(Equal("input  nothing"))
				g.Expect(hook.Shapes[1]).To(MatchRegexp(takes))
				g.Expect(hook.Shapes[2]).To(Equal(gives))
			}
			g.Expect(names).To(ConsistOf(hooksOf(one.Dir)), "a hook is there only where it does something true")
		})
	}
}

// hooksOf are the hooks that an extension has.
func hooksOf(dir string) []string {
	switch dir {
	case kubeDir:
		return nil
	case "taskservs/hello", "taskservs/postgresql/16.4.0", "taskservs/postgresql/17.2.0", "clusters/buildkit":
		return hookNames
	default:
		return []string{"configure"}
	}
}

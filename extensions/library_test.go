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
	"provider:aws:2.0.0", "provider:local:1.0.0", "provider:upcloud:1.0.0",
	"taskserv:containerd:2.1.4", "taskserv:etcd:3.5.21",
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
	versions := map[string][]*semver.Version{}
	for _, one := range members(t) {
		name := one.Manifest.Type + "/" + one.Manifest.Name
		versions[name] = append(versions[name], semver.MustParse(one.Manifest.Version))
	}
	fits := func(demand string) bool {
		name, constraint, _ := strings.Cut(demand, "@")
		if !strings.Contains(name, "/") {
			name = "taskserv/" + name
		}
		wanted, err := semver.NewConstraint(constraint)
		g.Expect(err).NotTo(HaveOccurred(), demand)
		for _, version := range versions[name] {
			if wanted.Check(version) {
				return true
			}
		}
		return false
	}
	for _, one := range members(t) {
		for _, demand := range one.Manifest.Dependencies {
			g.Expect(fits(demand)).To(BeTrue(), "%s needs %s", one.Dir, demand)
		}
	}
	g.Expect(fits("etcd@^4")).To(BeFalse())
}

// Each folder is all that a load sees, so shared code is copied; a copy that drifts is a bug.
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

// A hook that makes configuration is a function of its values alone.
func TestModulesReachNothingOutside(t *testing.T) {
	g := NewWithT(t)
	outside := regexp.MustCompile(`(?m)(?:^|[|({;=])\s*(?:open|save|ls|rm|cp|mv|http|date|random|sys|input|exec|run-external|job|load-env|source|export-env)\b[^:]|\$env\b|\$nu\b|(?:^|\s)\^`)
	g.Expect(outside.FindString("    let x = open file")).NotTo(BeEmpty())
	use := regexp.MustCompile(`(?m)^\s*(?:export )?use (\S+)`)
	for _, one := range members(t) {
		files, err := filepath.Glob(filepath.Join(one.Dir, "*.nu"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			text, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(outside.FindString(string(text))).To(BeEmpty(), file)
			for _, used := range use.FindAllStringSubmatch(string(text), -1) {
				g.Expect(used[1]).To(HavePrefix("./"), "%s uses what is not in its folder", file)
			}
		}
	}
}

const inspectProgram = `module w { export use r####'%s'#### * }
use w
def __check [v: any] { w configure $v }
let m = scope modules | where name == w | first
let hooks = scope commands | where name =~ '^w ' | each {|c| {
    name: ($c.name | str replace "w " "")
    description: $c.description
    shapes: ($c.signatures | values | first | each {|p| $"($p.parameter_type) ($p.parameter_name | default '') ($p.syntax_shape)" })
}}
print --raw ({env: $m.has_env_block, hooks: $hooks} | to json --raw)
exit 0
`

func TestHooksHaveTheContractsSignature(t *testing.T) {
	for _, one := range members(t) {
		t.Run(one.Dir, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var module struct {
				Env   bool
				Hooks []struct {
					Name, Description string
					Shapes            []string
				}
			}
			out := nu(t, fmt.Sprintf(inspectProgram, absolute(t, one.Dir)), nil)
			g.Expect(json.Unmarshal(out, &module)).To(Succeed())
			g.Expect(module.Env).To(BeFalse(), "has an export-env")
			g.Expect(module.Hooks).To(HaveLen(1), "only configure does something true so far")
			hook := module.Hooks[0]
			g.Expect(hook.Name).To(Equal("configure"))
			g.Expect(hook.Description).NotTo(BeEmpty())
			g.Expect(hook.Shapes).To(HaveLen(3))
			g.Expect(hook.Shapes[0]).To(Equal("input  nothing"))
			g.Expect(hook.Shapes[1]).To(MatchRegexp(`^positional values record(<.*>)?$`))
			g.Expect(hook.Shapes[2]).To(Equal("output  record<files: record, objects: list<any>>"))
		})
	}
}

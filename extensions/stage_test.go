// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Masterminds/semver/v3"
	. "github.com/onsi/gomega"
)

// staged is where a stage holds the extension of a library's folder: taskservs/kubernetes/1.28.0 is in taskserv/kubernetes.
func staged(dir string) string {
	parts := strings.Split(dir, "/")
	return strings.TrimSuffix(parts[0], "s") + "/" + parts[1]
}

// demand reads an entry of a manifest's dependencies, [type/]name[@range]: where a stage holds it, and the range.
func demand(t *testing.T, text string) (string, *semver.Constraints) {
	t.Helper()
	who, constraint, _ := strings.Cut(text, "@")
	if !strings.Contains(who, "/") {
		who = "taskserv/" + who
	}
	if constraint == "" {
		constraint = "*"
	}
	wanted, err := semver.NewConstraint(constraint)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
	return who, wanted
}

// fitting are the versions in the library that a dependency takes, the newest first.
func fitting(t *testing.T, library []member, dependency string) []member {
	t.Helper()
	who, wanted := demand(t, dependency)
	var fit []member
	for _, one := range library {
		if staged(one.Dir) == who && wanted.Check(semver.MustParse(one.Manifest.Version)) {
			fit = append(fit, one)
		}
	}
	slices.SortFunc(fit, func(a, b member) int {
		return semver.MustParse(b.Manifest.Version).Compare(semver.MustParse(a.Manifest.Version))
	})
	return fit
}

// stage makes what a load of the last of dirs sees and returns its folder: <type>/<name>/ of the extension and of each of its
// dependencies, the newest that fits. Whatever stands before it in dirs is taken in place of the newest.
func stage(t *testing.T, dirs ...string) string {
	t.Helper()
	g := NewWithT(t)
	library, root := members(t), t.TempDir()
	var add func(dir string)
	add = func(dir string) {
		folder := filepath.Join(root, staged(dir))
		if _, err := os.Stat(folder); err == nil {
			return
		}
		g.Expect(os.CopyFS(folder, os.DirFS(dir))).To(Succeed())
		for _, one := range library {
			if one.Dir != dir {
				continue
			}
			for _, dependency := range one.Manifest.Dependencies {
				fit := fitting(t, library, dependency)
				g.Expect(fit).NotTo(BeEmpty(), "%s needs %s", dir, dependency)
				add(fit[0].Dir)
			}
		}
	}
	for _, dir := range dirs {
		add(dir)
	}
	return root
}

var useLine = regexp.MustCompile(`(?m)^\s*(?:export )?use (\S+)`)

// uses are what the modules of a folder use, by file.
func uses(t *testing.T, dir string) map[string][]string {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.nu"))
	g.Expect(err).NotTo(HaveOccurred())
	found := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, used := range useLine.FindAllStringSubmatch(string(text), -1) {
			found[file] = append(found[file], used[1])
		}
	}
	return found
}

// usedDependencies are the other extensions that the modules of a folder use, sorted.
func usedDependencies(t *testing.T, dir string) []string {
	t.Helper()
	var others []string
	for _, used := range uses(t, dir) {
		for _, one := range used {
			if !strings.HasPrefix(one, "./") {
				others = append(others, one)
			}
		}
	}
	slices.Sort(others)
	return slices.Compact(others)
}

// A module uses files beside it, and dependencies that its manifest declares: a stage holds no others for certain.
func TestModulesUseWhatTheyDeclare(t *testing.T) {
	g := NewWithT(t)
	for _, one := range members(t) {
		var declared []string
		for _, dependency := range one.Manifest.Dependencies {
			who, _ := demand(t, dependency)
			declared = append(declared, who)
		}
		for file, used := range uses(t, one.Dir) {
			for _, what := range used {
				g.Expect(what).To(Or(MatchRegexp(`^\./[a-z0-9-]+\.nu$`), BeElementOf(declared)), file)
			}
		}
	}
	g.Expect(usedDependencies(t, "clusters/buildkit")).To(Equal([]string{"provider/kube", "taskserv/containerd"}))
	g.Expect(usedDependencies(t, "clusters/cicd")).To(Equal([]string{"cluster/buildkit", "taskserv/postgresql"}))
}

// What a dependency says is not copied: where it says something else, another configuration is made.
func TestConfigurationFollowsDependencies(t *testing.T) {
	g := NewWithT(t)
	cases := []struct{ dir, file, says, instead, makes string }{
		{"clusters/buildkit", "taskserv/containerd/mod.nu", `SOCKET = "/run/containerd/`, `SOCKET = "/run/moved/`, `address = "/run/moved/containerd.sock"`},
		{"clusters/cicd", "taskserv/postgresql/client.nu", "PGPORT = 5432", "PGPORT = 6543", "@postgresql:6543/woodpecker"},
		{"clusters/cicd", "taskserv/postgresql/client.nu", `$"postgres://`, `$"postgresql://`, "postgresql://woodpecker@"},
		{"clusters/cicd", "cluster/buildkit/mod.nu", `NAME = "buildkitd"`, `NAME = "builder"`, "BUILDKIT_HOST:tcp://builder:1234"},
		{"clusters/cicd", "cluster/buildkit/mod.nu", "PORT = 1234", "PORT = 4321", "BUILDKIT_HOST:tcp://buildkitd:4321"},
	}
	for _, dir := range kubernetesVersions {
		cases = append(cases, []struct{ dir, file, says, instead, makes string }{
			{dir, "taskserv/containerd/mod.nu", `SOCKET = "/run/containerd/`, `SOCKET = "/run/moved/`, "criSocket: unix:///run/moved/containerd.sock"},
			{dir, "taskserv/containerd/mod.nu", "SYSTEMD_CGROUP = true", "SYSTEMD_CGROUP = false", "cgroupDriver: cgroupfs"},
		}...)
	}
	for _, c := range cases {
		made := func(root string) string {
			got := configureIn(t, root, staged(c.dir), least(t, c.dir))[0]
			g.Expect(got.Refused).To(BeEmpty(), c.dir)
			var text strings.Builder
			for _, file := range got.Files {
				text.WriteString(file)
			}
			return text.String()
		}
		root := stage(t, c.dir)
		g.Expect(made(root)).NotTo(ContainSubstring(c.makes), c.dir)
		edit(t, filepath.Join(root, c.file), c.says, c.instead)
		g.Expect(made(root)).To(ContainSubstring(c.makes), c.dir)
	}
}

// What a dependency knows of its own values is also what a wrong one is told.
func TestRefusalsFollowDependencies(t *testing.T) {
	g := NewWithT(t)
	for _, dir := range kubernetesVersions {
		root := stage(t, dir)
		edit(t, filepath.Join(root, "taskserv/etcd/mod.nu"), "CLIENT_PORT = 2379", "CLIENT_PORT = 4001")
		got := configureIn(t, root, staged(dir), least(t, dir).with(values{"etcd_endpoints": []string{"etcd"}}))[0]
		g.Expect(got.Help).To(Equal("give an address such as https://10.0.0.10:4001"))
	}
	root := stage(t, "clusters/cicd")
	edit(t, filepath.Join(root, "cluster/buildkit/mod.nu"), "TCP_ADDRESS = 'tcp://", "TCP_ADDRESS = 'tls://")
	got := configureIn(t, root, "cluster/cicd", least(t, "clusters/cicd"))[0]
	g.Expect(got.Refused).To(Equal(`buildkit_address is "tcp://buildkitd:1234"`))
}

// edit puts one text of a staged file in place of another.
func edit(t *testing.T, file, says, instead string) {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Count(string(text), says)).To(Equal(1), "%s in %s", says, file)
	g.Expect(os.WriteFile(file, []byte(strings.Replace(string(text), says, instead, 1)), 0o600)).To(Succeed())
}

// A dependency that is not staged, or lacks what is used of it, is found by parsing alone, as a load does.
func TestMissingDependenciesDoNotParse(t *testing.T) {
	g := NewWithT(t)
	for _, one := range members(t) {
		for _, used := range usedDependencies(t, one.Dir) {
			root := stage(t, one.Dir)
			parsed := program(root, staged(one.Dir), "exit 0\n")
			folder := filepath.Join(root, used)

			g.Expect(os.WriteFile(filepath.Join(folder, "mod.nu"), []byte("export const OTHER = 1\n"), 0o600)).To(Succeed())
			_, stderr, err := run(t, parsed, nil)
			g.Expect(err).To(HaveOccurred(), "%s without an export of %s", one.Dir, used)
			g.Expect(stderr).To(MatchRegexp("export_not_found|column_not_found"))

			g.Expect(os.RemoveAll(folder)).To(Succeed())
			_, stderr, err = run(t, parsed, nil)
			g.Expect(err).To(HaveOccurred(), "%s without %s", one.Dir, used)
			g.Expect(stderr).To(ContainSubstring("module " + used + " not found"))
		}
	}
}

// Each version that a range takes offers what is used of it, and the defaults are the same.
func TestEveryVersionThatFitsWillDo(t *testing.T) {
	g := NewWithT(t)
	library := members(t)
	for _, one := range configurable(t) {
		set := least(t, one.Dir)
		for _, dependency := range one.Manifest.Dependencies {
			for _, version := range fitting(t, library, dependency) {
				got := configureIn(t, stage(t, version.Dir, one.Dir), staged(one.Dir), set)[0]
				g.Expect(got).To(Equal(configured(t, one.Dir, set)), "%s with %s", one.Dir, version.Dir)
			}
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/step"
)

const root = "../.."

// placesOf are where the list puts things, programs and folders of the source tree by what they are made of.
func placesOf() map[string]string {
	places := map[string]string{}
	for _, l := range contents {
		for _, c := range l.contents {
			switch c := c.(type) {
			case program:
				places[c.source] = c.path
			case folderOf:
				places[c.source] = c.path
			case copyOf:
				places[c.source] = c.path
			case nushell:
				places["nu"] = c.path
			case folder:
				places[c.path] = c.path
			}
		}
	}
	return places
}

func TestDefaultsAreWhereTheImageHasThings(t *testing.T) {
	g := NewWithT(t)
	places, s, o := placesOf(), config.Default(), step.Defaults()
	for source, defaults := range map[string][]string{
		"nu":                                   {s.NushellPath, o.Nushell},
		"./cmd/extension-sandbox":              {s.SandboxPath, o.SandboxHelper},
		"./cmd/manager":                        {entrypoint},
		"nushell":                              {s.ProvisioningPath, o.Provisioning},
		"extensions/providers":                 {s.Libraries[0] + "/providers"},
		"extensions/taskservs":                 {s.Libraries[0] + "/taskservs"},
		"extensions/clusters":                  {s.Libraries[0] + "/clusters"},
		"internal/config/config.defaults.toml": {path.Dir(s.ProvisioningPath) + "/config.defaults.toml"},
		s.DataDir:                              {s.DataDir},
	} {
		for _, place := range defaults {
			g.Expect(places).To(HaveKeyWithValue(source, place))
		}
	}
}

// A read-only root has a volume wherever the image lets its user write.
func TestDeploymentMountsWhatIsOpen(t *testing.T) {
	g := NewWithT(t)
	deployment, err := os.ReadFile(root + "/config/manager/deployment.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	open := listed[folder]()
	g.Expect(open).NotTo(BeEmpty())
	for _, f := range open {
		g.Expect(string(deployment)).To(ContainSubstring("mountPath: " + f.path + "\n"))
	}
}

func TestEveryProgramIsInTheList(t *testing.T) {
	g := NewWithT(t)
	folders, err := filepath.Glob(root + "/cmd/*")
	g.Expect(err).NotTo(HaveOccurred())
	var sources []string
	for _, p := range listed[program]() {
		sources = append(sources, strings.Replace(p.source, "./", root+"/", 1))
	}
	g.Expect(sources).To(ConsistOf(folders))
}

// The digest of an extension is that of all its files: the image leaves none out.
func TestTheLibraryIsWhole(t *testing.T) {
	g := NewWithT(t)
	b := &build{source: root}
	got := map[string]bool{}
	for _, l := range contents {
		for _, c := range l.contents {
			if c, is := c.(folderOf); is {
				files, err := c.files(b)
				g.Expect(err).NotTo(HaveOccurred())
				for _, f := range files {
					got[filepath.Clean(f.from)] = true
				}
			}
		}
	}
	all, err := filepath.Glob(root + "/extensions/*/*/*.*")
	g.Expect(err).NotTo(HaveOccurred())
	deeper, err := filepath.Glob(root + "/extensions/*/*/*/*.*")
	g.Expect(err).NotTo(HaveOccurred())
	programs, err := filepath.Glob(root + "/nushell/*")
	g.Expect(err).NotTo(HaveOccurred())
	wanted := 0
	for _, name := range append(append(all, deeper...), programs...) {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			wanted++
			g.Expect(got).To(HaveKey(filepath.Clean(name)))
		}
	}
	g.Expect(wanted).To(BeNumerically(">", 40))
}

func TestFoldersAreTakenWithoutWhatIsNoPartOfThem(t *testing.T) {
	g := NewWithT(t)
	source := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"lib/mod.nu": 0o600, "lib/run": 0o700, "lib/deep/manifest.toml": 0o640,
		"lib/mod_test.go": 0o600, "lib/.mod.nu.swp": 0o600, "lib/mod.nu~": 0o600, "lib/testdata/x": 0o600, "lib/.git/config": 0o600,
	} {
		g.Expect(os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(source, name), nil, mode)).To(Succeed())
	}
	files, err := folderOf{path: "/usr/share/lib", source: "lib"}.files(&build{source: source})
	g.Expect(err).NotTo(HaveOccurred())
	modes := map[string]os.FileMode{}
	for _, f := range files {
		modes[f.path] = f.mode
	}
	g.Expect(modes).To(Equal(map[string]os.FileMode{
		"/usr/share/lib/mod.nu": 0o644, "/usr/share/lib/run": 0o755, "/usr/share/lib/deep/manifest.toml": 0o644,
	}))

	g.Expect(os.Symlink("mod.nu", filepath.Join(source, "lib", "link.nu"))).To(Succeed())
	_, err = folderOf{path: "/lib", source: "lib"}.files(&build{source: source})
	g.Expect(err).To(MatchError(ContainSubstring("lib/link.nu is neither a file nor a folder")))
	g.Expect(os.Mkdir(filepath.Join(source, "empty"), 0o755)).To(Succeed())
	_, err = folderOf{path: "/lib", source: "empty"}.files(&build{source: source})
	g.Expect(err).To(MatchError(ContainSubstring("has no file for the image")))
}

func TestTheListHasNothingTwice(t *testing.T) {
	g := NewWithT(t)
	twice := layer{name: "twice", contents: []content{text{path: "/etc/passwd"}, text{path: "/etc/passwd"}}}
	_, err := twice.tree(&build{})
	g.Expect(err).To(MatchError("the list has /etc/passwd twice"))
}

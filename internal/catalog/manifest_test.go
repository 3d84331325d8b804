// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
)

const good = `# a comment
manifest = 1
name = "kubernetes"
type = "taskserv"
version = "1.28.0"
description = "Kubernetes container orchestrator"
dependencies = ["containerd", "etcd@^3.5", "provider/local", "cluster/cicd@>=1.0 <2.0"]
author = "provisioning-team"
repository = "https://example.org/kubernetes"
`

func TestParseManifest(t *testing.T) {
	g := NewWithT(t)
	m, err := ParseManifest([]byte(good))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m).To(Equal(extension.Metadata{
		Type: extension.Taskserv, Name: "kubernetes", Version: "1.28.0",
		Description: "Kubernetes container orchestrator", Author: "provisioning-team",
		Repository: "https://example.org/kubernetes",
		Dependencies: []extension.Dependency{
			{Type: extension.Taskserv, Name: "containerd"},
			{Type: extension.Taskserv, Name: "etcd", Constraint: "^3.5"},
			{Type: extension.Provider, Name: "local"},
			{Type: extension.Cluster, Name: "cicd", Constraint: ">=1.0 <2.0"},
		},
	}))
}

func TestParseManifestWithoutWhatIsOptional(t *testing.T) {
	g := NewWithT(t)
	m, err := ParseManifest([]byte(manifest("etcd", "3.5.0-rc.1")))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(m.Version).To(Equal("3.5.0-rc.1"))
	g.Expect(m.Dependencies).To(BeNil())
}

func TestParseManifestRefuses(t *testing.T) {
	with := func(old, replaced string) string {
		if !strings.Contains(good, old) {
			panic(old)
		}
		return strings.Replace(good, old, replaced, 1)
	}
	depends := func(list string) string {
		return with(`["containerd", "etcd@^3.5", "provider/local", "cluster/cicd@>=1.0 <2.0"]`, list)
	}
	for name, c := range map[string]struct{ text, words string }{
		"empty":                  {"", "it is empty; it needs at least manifest, name"},
		"only white space":       {" \n\t\n", "it is empty"},
		"not UTF-8":              {with("Kubernetes", "K\xff"), "it is not UTF-8; save it as UTF-8"},
		"no TOML":                {with(`name = "kubernetes"`, "name: kubernetes"), "line 3, column"},
		"a key twice":            {good + "name = \"x\"\n", "line 10, column 1: key name is already defined"},
		"no format":              {with("manifest = 1\n", ""), "manifest is missing; write manifest = 1"},
		"format in quotes":       {with("manifest = 1", `manifest = "1"`), "line 2: manifest is the number of the format"},
		"format 0":               {with("manifest = 1", "manifest = 0"), "line 2: manifest is the number"},
		"a newer format":         {with("manifest = 1", "manifest = 2\nnews = 1"), "line 2: manifest = 2 needs a newer operator"},
		"an unknown key":         {with("author", "autor"), `line 8: unknown key "autor"; the keys are manifest, name,`}, //nolint:misspell // the misspelling is the case
		"a key in capitals":      {with("author", "Author"), `line 8: unknown key "Author"`},
		"an unknown table":       {good + "[hooks]\nx = 1\n", `line 10: unknown key "hooks"`},
		"no name":                {with("name = \"kubernetes\"\n", ""), "name is missing; add it"},
		"no type":                {with("type = \"taskserv\"\n", ""), "type is missing"},
		"no version":             {with("version = \"1.28.0\"\n", ""), "version is missing"},
		"no description":         {with("description = \"Kubernetes container orchestrator\"\n", ""), "description is missing"},
		"an empty description":   {with("Kubernetes container orchestrator", " "), "line 6: description is empty"},
		"version as a number":    {with(`"1.28.0"`, "1.28"), "line 5: version is a number, not a string; write it in quotes"},
		"name as a list":         {with(`"kubernetes"`, `["kubernetes"]`), "line 3: name is a list, not a string"},
		"author as a table":      {with(`"provisioning-team"`, `{name = "x"}`), "line 8: author is a table"},
		"author as a boolean":    {with(`"provisioning-team"`, "true"), "line 8: author is a boolean"},
		"author as a date":       {with(`"provisioning-team"`, "2026-01-01"), "line 8: author is a date or time"},
		"a name no label":        {with(`"kubernetes"`, `"Kubernetes_1"`), `line 3: name "Kubernetes_1" is not a DNS label`},
		"an unknown type":        {with(`"taskserv"`, `"Taskserv"`), `line 4: type "Taskserv" is unknown; write provider, taskserv or cluster`},
		"version of two numbers": {with("1.28.0", "1.28"), `line 5: version "1.28" is not exact; write X.Y.Z`},
		"version with a v":       {with("1.28.0", "v1.28.0"), "line 5: version"},
		"build metadata":         {with("1.28.0", "1.28.0+build"), "without build metadata"},
		"a long description":     {with("Kubernetes", strings.Repeat("x", 1024)), "line 6: description has 1047 bytes; shorten it to 1024"},
		"control characters":     {with("Kubernetes", `\u0000`), "line 6: description has control characters"},
		"a newline in author":    {with("provisioning-team", `a\nb`), "line 8: author has control characters"},
		"repository no URL":      {with("https://example.org", "git@example.org:"), "line 9: repository"},
		"repository of a file":   {with("https://example.org", "file:///etc"), "begins with https:// or http://"},
		"dependencies no list":   {depends(`"etcd"`), "line 7: dependencies is a string, not a list"},
		"a number depended on":   {depends("[1]"), "line 7: a dependency is a number"},
		"a dependency of a type": {depends(`["service/etcd"]`), `line 7: dependency "service/etcd" has the unknown type "service"`},
		"a dependency no label":  {depends(`["../etcd"]`), "line 7: dependency"},
		"a dependency, no name":  {depends(`["provider/"]`), "is not of the form [type/]name[@range]"},
		"an empty range":         {depends(`["etcd@"]`), "has no range after @"},
		"a garbage range":        {depends(`["etcd@new"]`), `dependency "etcd@new": "new" is neither an exact version nor a range`},
		"itself":                 {depends(`["kubernetes@1.27.0"]`), "is the extension itself; remove it"},
		"a dependency twice":     {depends(`["etcd", "taskserv/etcd@1.0.0"]`), "dependency taskserv/etcd is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, err := ParseManifest([]byte(c.text))
			f := faultOf(t, err)
			g.Expect(f.Code).To(Equal(extension.InvalidMetadata))
			g.Expect(f.Class()).To(Equal(extension.Terminal))
			g.Expect(f.Message).To(ContainSubstring(c.words))
		})
	}
}

func TestParseManifestBounds(t *testing.T) {
	g := NewWithT(t)
	_, err := ParseManifest([]byte(good + strings.Repeat("#", 10<<20)))
	f := faultOf(t, err)
	g.Expect(f.Code).To(Equal(extension.LimitExceeded))
	g.Expect(f.Message).To(ContainSubstring("limit of 262144 bytes"))

	_, err = ParseManifest([]byte(strings.Replace(good, `["containerd", `, `["a`+strings.Repeat(`", "a`, 65)+`", `, 1)))
	f = faultOf(t, err)
	g.Expect(f.Code).To(Equal(extension.LimitExceeded))
	g.Expect(f.Message).To(ContainSubstring("69 dependencies, over the limit of 64"))
}

// TestParseManifestOfAnything holds for garbage and for damaged manifests: a
// Fault or metadata that is valid through and through, and no panic.
func TestParseManifestOfAnything(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		data := []byte(good)
		for range rapid.IntRange(0, 6).Draw(r, "edits") {
			at := rapid.IntRange(0, len(data)-1).Draw(r, "at")
			data[at] = rapid.Byte().Draw(r, "byte")
		}
		if rapid.Bool().Draw(r, "garbage") {
			data = rapid.SliceOf(rapid.Byte()).Draw(r, "data")
		}
		m, err := ParseManifest(data)
		if err != nil {
			faultOf(t, err)
			return
		}
		if !m.Type.Valid() || !extension.ValidName(m.Name) || !extension.ValidVersion(m.Version) || m.Description == "" {
			r.Fatalf("%+v is not valid", m)
		}
	})
}

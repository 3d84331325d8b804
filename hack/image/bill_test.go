// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	. "github.com/onsi/gomega"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// checkBill holds the bill of materials of the files to what the programs say of themselves, and to the licences beside it.
func checkBill(t *testing.T, rootfs string) {
	g := NewWithT(t)
	const share = "usr/share/doc/extension-operator"
	file, err := os.Open(filepath.Join(rootfs, "programs", share, "sbom.cdx.json"))
	g.Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	checkSchema(g, file)
	_, err = file.Seek(0, io.SeekStart)
	g.Expect(err).NotTo(HaveOccurred())
	var bom cyclonedx.BOM
	g.Expect(cyclonedx.NewBOMDecoder(file, cyclonedx.BOMFileFormatJSON).Decode(&bom)).To(Succeed())
	g.Expect(bom.Metadata.Component.Version).To(Equal(testVersion))

	components := map[string]cyclonedx.Component{}
	for _, c := range *bom.Components {
		components[c.Name] = c
		if c.Type == cyclonedx.ComponentTypeLibrary {
			g.Expect(*c.Licenses).NotTo(BeEmpty(), c.Name)
			g.Expect(os.ReadDir(filepath.Join(rootfs, "library", share, "licenses", c.Name))).NotTo(BeEmpty(), c.Name)
		}
	}
	g.Expect(*bom.Components).To(HaveLen(len(components)), "none is there twice")
	inPrograms := map[string]bool{standardLibrary: true, "nushell": true}
	for _, p := range listed[program]() {
		info, err := buildinfo.ReadFile(filepath.Join(rootfs, "programs", p.path))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(info.GoVersion).To(Equal("go" + components[standardLibrary].Version))
		inPrograms[filepath.Base(p.path)] = true
		for _, dep := range info.Deps {
			inPrograms[dep.Path] = true
			g.Expect(components).To(HaveKeyWithValue(dep.Path, HaveField("Version", dep.Version)))
		}
	}
	g.Expect(components).To(HaveLen(len(inPrograms)), "none is there that no program has")
	g.Expect(components["k8s.io/client-go"].PackageURL).To(HavePrefix("pkg:golang/k8s.io/client-go@v0."))
	g.Expect(components["github.com/spf13/cobra"].Licenses).To(HaveValue(ConsistOf(
		cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: "Apache-2.0"}})))

	nu, err := os.ReadFile(filepath.Join(rootfs, "nushell", programs+"nu"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(components["nushell"]).To(And(HaveField("PackageURL", "pkg:npm/%40nushell/linux-x64@0.115.1"),
		HaveField("Hashes", HaveValue(ConsistOf(HaveField("Value", fmt.Sprintf("%x", sha256.Sum256(nu))))))))
}

// checkSchema holds a bill to the schema of CycloneDX, which comes with the module; it knows every identifier of SPDX.
func checkSchema(g Gomega, bill io.Reader) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	g.Expect(err).NotTo(HaveOccurred())
	compiler := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		g.Expect(err).NotTo(HaveOccurred())
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(compiler.AddResource("http://cyclonedx.org/schema/"+name, document)).To(Succeed())
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	g.Expect(err).NotTo(HaveOccurred())
	document, err := jsonschema.UnmarshalJSON(bill)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(schema.Validate(document)).To(Succeed())
	text, err := json.Marshal(document)
	g.Expect(err).NotTo(HaveOccurred())
	document, err = jsonschema.UnmarshalJSON(strings.NewReader(strings.ReplaceAll(string(text), `"MIT"`, `"GooglePatentsFile"`)))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(schema.Validate(document)).NotTo(Succeed(), "the schema is looked at")
}

func TestModuleWithoutALicenceIsRefused(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	write := func(name, content string) {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)).To(Succeed())
	}
	check := func() error {
		found, err := licencesIn(dir, dir)
		g.Expect(err).NotTo(HaveOccurred())
		return checkLicences("example.com/some", "v1.2.3", found)
	}
	g.Expect(check()).To(MatchError(ContainSubstring("example.com/some v1.2.3 has no licence file")))
	write("license.go", string(nushellLicence))
	g.Expect(check()).To(MatchError(ContainSubstring("example.com/some v1.2.3 has no licence file")))
	write("LICENSE", "Ask the author, who may say no. This is all that there is to know of it.\n")
	g.Expect(check()).To(MatchError(ContainSubstring("no licence file of a known licence (looked at LICENSE)")))
	write("NOTICE", string(nushellLicence))
	g.Expect(check()).To(MatchError(ContainSubstring("no licence file of a known licence (looked at LICENSE)")))
	write("LICENSE-MIT.md", string(nushellLicence))
	g.Expect(check()).To(Succeed())
	found, err := licencesIn(dir, dir)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(idsIn(found)).To(Equal([]string{"MIT"}))
}

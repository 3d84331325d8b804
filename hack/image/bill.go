// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"

	"provisioning.dev/extension-operator/hack/internal/asset"
)

// nushellLicence is the file LICENSE of the npm packages with nu.
//
//go:embed nushell-LICENSE
var nushellLicence []byte

func (l licences) files(b *build) ([]file, error) {
	found, err := b.readBill()
	if err != nil {
		return nil, err
	}
	files := []file{{path: l.path + "/nushell/LICENSE", mode: fileMode, text: nushellLicence}}
	for _, m := range found.modules {
		for _, text := range m.licences {
			files = append(files, file{path: path.Join(l.path, m.path, text.name), mode: fileMode, text: text.content})
		}
	}
	return files, nil
}

func (s billOfMaterials) files(b *build) ([]file, error) {
	found, err := b.readBill()
	if err != nil {
		return nil, err
	}
	bom, err := b.bom(found)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
	return []file{{path: s.path, mode: fileMode, text: out.Bytes()}}, err
}

// bom is the bill in the words of CycloneDX. It names Nushell whole: what is in nu its own build does not tell.
func (b *build) bom(found *bill) (*cyclonedx.BOM, error) {
	image := cyclonedx.Component{BOMRef: "image", Type: cyclonedx.ComponentTypeContainer, Name: "extension-operator", Version: b.version, Licenses: spdx("Apache-2.0")}
	nu, err := b.nushellComponent()
	if err != nil {
		return nil, err
	}
	components := []cyclonedx.Component{nu}
	parts := []string{nu.BOMRef}
	refs := map[string]string{}
	for _, m := range found.modules {
		c := m.component()
		components = append(components, c)
		refs[m.path] = c.BOMRef
	}
	var dependencies []cyclonedx.Dependency
	for _, p := range found.programs {
		hash, err := hashOf(p.built)
		if err != nil {
			return nil, err
		}
		components = append(components, cyclonedx.Component{
			BOMRef: p.path, Type: cyclonedx.ComponentTypeApplication, Name: path.Base(p.path), Version: b.version, Licenses: spdx("Apache-2.0"), Hashes: hash,
		})
		parts = append(parts, p.path)
		var on []string
		for _, module := range p.modules {
			on = append(on, refs[module])
		}
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: p.path, Dependencies: &on})
	}
	dependencies = append(dependencies, cyclonedx.Dependency{Ref: image.BOMRef, Dependencies: &parts})
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: b.created.Format(time.RFC3339), Component: &image}
	bom.Components, bom.Dependencies = &components, &dependencies
	return bom, nil
}

func (b *build) nushellComponent() (cyclonedx.Component, error) {
	nu, err := b.nushell()
	if err != nil {
		return cyclonedx.Component{}, err
	}
	hash, err := hashOf(nu)
	component := cyclonedx.Component{
		BOMRef: "nushell", Type: cyclonedx.ComponentTypeApplication, Name: "nushell", Version: asset.NushellVersion(), Licenses: spdx("MIT"), Hashes: hash,
	}
	if pkg, unpinned := asset.PackageOfNushell(b.platform); unpinned == nil {
		component.PackageURL = "pkg:npm/" + strings.Replace(pkg.Spec(), "@", "%40", 1)
	}
	return component, err
}

func (m module) component() cyclonedx.Component {
	url := "pkg:golang/" + m.path + "@" + strings.ReplaceAll(m.version, "+", "%2B")
	return cyclonedx.Component{
		BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version, PackageURL: url, Licenses: spdx(idsIn(m.licences)...),
	}
}

func spdx(ids ...string) *cyclonedx.Licenses {
	all := make(cyclonedx.Licenses, 0, len(ids))
	for _, id := range ids {
		all = append(all, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
	}
	return &all
}

func hashOf(name string) (*[]cyclonedx.Hash, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return nil, err
	}
	return &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(hash.Sum(nil))}}, nil
}

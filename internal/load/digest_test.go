// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestInputDigestCoversWhatDecidesALoadAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.tools = extension.Toolchain{NushellVersion: "0.115.1", Nushell: digest("1"), Program: digest("2"), Protocol: 1}
	compute := func(change func(*extension.Plan, *extension.Toolchain)) extension.Digest {
		member := func(name, hex string) extension.Member {
			return extension.Member{
				Key: extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}, Digest: digest(hex), Catalog: "builtin",
			}
		}
		plan := extension.Plan{Members: []extension.Member{member("etcd", "a"), member("kubernetes", "b")}}
		tools := b.nu.tools
		defer func() { b.nu.tools = tools }()
		change(&plan, &b.nu.tools)
		d, err := b.InputDigest(context.Background(), plan)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(d.Valid()).To(BeTrue())
		return d
	}
	same := compute(func(*extension.Plan, *extension.Toolchain) {})

	seen := map[extension.Digest]string{same: "nothing"}
	for what, change := range map[string]func(*extension.Plan, *extension.Toolchain){
		"root's version":       func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Version = "1.0.1" },
		"root's name":          func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Name = "k3s" },
		"root's type":          func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Key.Type = extension.Cluster },
		"root's content":       func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Digest = digest("c") },
		"dependency's version": func(p *extension.Plan, _ *extension.Toolchain) { p.Members[0].Key.Version = "1.0.1" },
		"dependency's content": func(p *extension.Plan, _ *extension.Toolchain) { p.Members[0].Digest = digest("c") },
		"order": func(p *extension.Plan, _ *extension.Toolchain) {
			p.Members[0], p.Members[1] = p.Members[1], p.Members[0]
		},
		"contents swapped": func(p *extension.Plan, _ *extension.Toolchain) {
			p.Members[0].Digest, p.Members[1].Digest = p.Members[1].Digest, p.Members[0].Digest
		},
		"one member less": func(p *extension.Plan, _ *extension.Toolchain) { p.Members = p.Members[1:] },
		"nu":              func(_ *extension.Plan, t *extension.Toolchain) { t.Nushell = digest("3") },
		"program":         func(_ *extension.Plan, t *extension.Toolchain) { t.Program = digest("3") },
		"nu and program swapped": func(_ *extension.Plan, t *extension.Toolchain) {
			t.Nushell, t.Program = t.Program, t.Nushell
		},
		"protocol": func(_ *extension.Plan, t *extension.Toolchain) { t.Protocol = 2 },
	} {
		d := compute(change)
		g.Expect(seen).NotTo(HaveKey(d), "%s gives the digest of %s", what, seen[d])
		seen[d] = what
	}
	for what, change := range map[string]func(*extension.Plan, *extension.Toolchain){
		"catalog":        func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Catalog = "other" },
		"path":           func(p *extension.Plan, _ *extension.Toolchain) { p.Members[1].Path = "elsewhere" },
		"nu's own words": func(_ *extension.Plan, t *extension.Toolchain) { t.NushellVersion = "0.115.1 (static)" },
	} {
		g.Expect(compute(change)).To(Equal(same), what)
	}
}

func TestInputDigestFailsAsTheToolchainDoes(t *testing.T) {
	g := NewWithT(t)
	b := newBench(t, nil)
	b.nu.err = extension.NewFault(extension.NushellUnavailable, "there is no nu")
	input, err := b.InputDigest(context.Background(), extension.Plan{})
	g.Expect(err).To(BeIdenticalTo(b.nu.err))
	g.Expect(input).To(BeEmpty())
}

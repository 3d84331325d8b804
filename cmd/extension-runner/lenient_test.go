// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/step"
)

// What takes away runs although nothing can be configured any more: its Secret is gone, its values are wrong.
func TestAnUninstallGoesWithoutConfiguration(t *testing.T) {
	for name, values := range map[string]string{"a value is gone": "{}", "values that are none": "- 1"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			p := newPod(t, `export def configure [values: record<name: string>]: nothing -> record<files: record, objects: list> { {files: {}, objects: []} }
export def uninstall [ctx: record]: nothing -> record<message: string> { {message: ($ctx.config | to json --raw)} }
`).values(values)
			g.Expect(p.run(step.Configure).Reason).To(Equal(step.InvalidValues))
			p.order.Lenient = true
			e := p.run(step.Configure)
			g.Expect([]any{e.State, e.Reason, e.exit}).To(Equal([]any{step.Skipped, step.NotConfigured, 0}))
			g.Expect(e.Message).NotTo(BeEmpty())
			g.Expect(p.run(step.Uninstall).Message).To(Equal("null"))
		})
	}
}

// A machine that cannot run anything is a failure all the same.
func TestLeniencyIsForHooksAlone(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, hook("uninstall", "{message: x}")).values("{}")
	p.order.Lenient, p.order.Nushell = true, "/nowhere/nu"
	g.Expect(p.run(step.Configure).Reason).To(Equal(step.NushellUnavailable))
}

// Whoever may change ConfigMaps cannot change the values that are run with.
func TestOtherValuesThanThoseOfTheInstallationAreRefused(t *testing.T) {
	g := NewWithT(t)
	p := newPod(t, `export def configure [values: record]: nothing -> record<files: record, objects: list> { {files: {a: ($values | to json --raw)}, objects: []} }
`)
	own := `{"name":"web"}`
	_ = os.Mkdir(p.order.Values, 0o755)
	p.write(filepath.Join(p.order.Values, "000-configmap.yaml"), "name: base\nport: 1\n")
	p.write(filepath.Join(p.order.Values, "001-spec.yaml"), own)
	p.order.ValuesDigest = sum([]byte(own))
	g.Expect(p.run(step.Configure).State).To(Equal(step.Succeeded))
	p.write(filepath.Join(p.order.Values, "000-configmap.yaml"), "name: base\nport: 2\n") // as its owner wishes
	g.Expect(p.run(step.Configure).State).To(Equal(step.Succeeded))

	p.write(filepath.Join(p.order.Values, "001-spec.yaml"), `{"name":"evil"}`)
	for _, lenient := range []bool{false, true} {
		p.order.Lenient = lenient
		e := p.run(step.Configure)
		g.Expect(e.Reason).To(Equal(step.PayloadRefused))
		g.Expect(e.Message).To(ContainSubstring("the values in the pod are not those of the Installation"))
	}
	g.Expect(os.Remove(filepath.Join(p.order.Values, "001-spec.yaml"))).To(Succeed())
	g.Expect(p.run(step.Configure).Reason).To(Equal(step.PayloadRefused))
}

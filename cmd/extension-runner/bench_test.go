// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"testing"

	"provisioning.dev/extension-operator/internal/step"
)

// BenchmarkStep is one container from its start to its end, of an extension that does nothing.
func BenchmarkStep(b *testing.B) {
	p := newPod(b, configureHook(nothing)+hook("install", "{message: done}")).configured()
	for _, s := range []step.Step{step.Configure, step.Install} {
		b.Run(string(s), func(b *testing.B) {
			for b.Loop() {
				cmd, log := p.command(b.Context(), s)
				if err := cmd.Run(); err != nil {
					b.Fatalf("%v: %s", err, log)
				}
			}
		})
	}
	if left, err := os.ReadDir(p.order.Work); err != nil || len(left) != 1 {
		b.Fatal(left, err)
	}
}

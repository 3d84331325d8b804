// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"provisioning.dev/extension-operator/internal/extension"
)

// bench makes a library of n taskservs with one version each. The modules are
// one file, linked: a scan asks for each all the same.
func bench(b *testing.B, n int) *fixture {
	f := newFixture(b)
	source := f.write("module", module)
	for i := range n {
		name := fmt.Sprintf("x%05d", i)
		dir := filepath.Dir(f.write("taskservs/"+name+"/1.0.0/manifest.toml", manifest(name, "1.0.0")))
		must(b, os.Link(source, filepath.Join(dir, ModuleName)))
	}
	f.rest()
	return f
}

func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		f := bench(b, n)
		b.Run(fmt.Sprintf("first/%d", n), func(b *testing.B) {
			for b.Loop() {
				f.open().scan(b.Context())
			}
		})
		b.Run(fmt.Sprintf("unchanged/%d", n), func(b *testing.B) {
			l := f.open()
			l.scan(b.Context())
			for b.Loop() {
				l.scan(b.Context())
			}
			if len(l.names) != n {
				b.Fatalf("%d names of %d", len(l.names), n)
			}
		})
		b.Run(fmt.Sprintf("watched/%d", n), func(b *testing.B) {
			l := f.open()
			l.watches.open()
			defer l.watches.close()
			l.scan(b.Context())
			for b.Loop() {
				l.scan(b.Context())
			}
		})
	}
}

// BenchmarkAsk is what resolving one reference costs: Find and Fetch of what is
// known.
func BenchmarkAsk(b *testing.B) {
	f := bench(b, 100)
	if _, err := f.fetch("x00042", "1.0.0"); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for b.Loop() {
		if _, _, err := f.Find(b.Context(), "", extension.Taskserv, "x00042"); err != nil {
			b.Fatal(err)
		}
		if _, err := f.Fetch(b.Context(), key("x00042", "1.0.0")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFetchFirst(b *testing.B) {
	f := bench(b, 100)
	l := f.open()
	l.scan(b.Context())
	for b.Loop() {
		for _, e := range l.names {
			e.parts["1.0.0"].checked = nil
		}
		if _, err := l.Fetch(b.Context(), key("x00042", "1.0.0")); err != nil {
			b.Fatal(err)
		}
	}
}

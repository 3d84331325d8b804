// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// inMemory is a catalog that answers at once and keeps no protocol.
type inMemory struct {
	*fakeCatalog
	fetched map[extension.Key]extension.Member
}

func (c *inMemory) Find(_ context.Context, _ string, t extension.Type, name string) ([]extension.Offer, bool, error) {
	offers, found := c.offers[string(t)+"/"+name]
	return offers, found, nil
}

func (c *inMemory) Fetch(_ context.Context, key extension.Key) (extension.Member, error) {
	return c.fetched[key], nil
}

const (
	benchLayers  = 6
	benchPerTier = 50
	benchReached = 44 // 30 of the first layer and these of the others are 250 with the root
	benchMajors  = 4
	benchMinors  = 10
)

// layered makes a library of 300 extensions with 40 versions each, in layers: each
// version depends on four of the next layer, in the range that need gives, and
// root/1.x.0 on 40 of the first.
func layered(roots int, need func(r *rand.Rand, major, minor int) string) *inMemory {
	r := rand.New(rand.NewPCG(1, 2))
	c := &inMemory{shelves("builtin").fakeCatalog, map[extension.Key]extension.Member{}}
	put := func(who extension.Dependency, version string, needs []extension.Dependency) {
		c.put(extension.Key{Type: who.Type, Name: who.Name, Version: version}, extension.Offer{Version: version}, needs)
	}
	kinds := []extension.Type{"cluster", "taskserv", "taskserv", "taskserv", "taskserv", "provider"}
	of := func(layer, i int) extension.Dependency {
		return extension.Dependency{Type: kinds[layer], Name: fmt.Sprintf("layer%d-%02d", layer, i)}
	}
	for layer := range benchLayers {
		for i := range benchPerTier {
			neighbours := r.Perm(benchReached)[:4]
			for major := 1; major <= benchMajors; major++ {
				for minor := range benchMinors {
					var needs []extension.Dependency
					for _, n := range neighbours {
						if layer+1 < benchLayers {
							d := of(layer+1, n)
							d.Constraint = need(r, major, minor)
							needs = append(needs, d)
						}
					}
					put(of(layer, i), fmt.Sprintf("%d.%d.0", major, minor), needs)
				}
			}
		}
	}
	for version := range roots {
		var needs []extension.Dependency
		for i := range 30 {
			needs = append(needs, of(0, i))
		}
		put(extension.Dependency{Type: extension.Cluster, Name: "root"}, fmt.Sprintf("1.%d.0", version), needs)
	}
	for _, m := range c.members {
		c.fetched[m.Key] = m
	}
	return c
}

func resolveOften(b *testing.B, c *inMemory, code extension.Code) {
	b.Helper()
	b.ReportAllocs()
	r := resolve.New(nil, c)
	var got extension.Resolution
	var err error
	ctx := &counting{Context: context.Background()}
	for b.Loop() {
		ctx.steps = 0
		got, err = r.Resolve(ctx, wish("cluster/root"))
	}
	b.ReportMetric(float64(ctx.steps), "steps")
	switch {
	case err == nil && code == "":
		b.ReportMetric(float64(len(got.Plan.Members)), "members")
	case err == nil || extension.AsFault(err).Code != code:
		b.Fatalf("%v is not %q", err, code)
	default:
		b.ReportMetric(float64(len(got.Dependencies)), "conflicting")
	}
}

// Resolve in a library of 300 extensions with 40 versions each: the goal is 150 ms.
func BenchmarkResolve(b *testing.B) {
	plain := func(r *rand.Rand, major, minor int) string {
		return []string{fmt.Sprintf("^%d", major), fmt.Sprintf(">=%d.%d", major, minor), fmt.Sprintf("~%d.%d", major, minor), ""}[r.IntN(4)]
	}
	b.Run("newest fits", func(b *testing.B) { resolveOften(b, layered(1, plain), "") })
	b.Run("many backtracks", func(b *testing.B) { resolveOften(b, layered(1, pinned(130)), "") })
	b.Run("too many backtracks", func(b *testing.B) { resolveOften(b, layered(1, pinned(200)), extension.LimitExceeded) })
	b.Run("conflict", func(b *testing.B) { resolveOften(b, contradicted(1), extension.DependencyConflict) })
	b.Run("too many conflicts", func(b *testing.B) { resolveOften(b, contradicted(40), extension.DependencyConflict) })
}

// pinned has so many ranges in a thousand that take one minor version, at random.
func pinned(thousandth int) func(*rand.Rand, int, int) string {
	return func(r *rand.Rand, major, _ int) string {
		if r.IntN(1000) < thousandth {
			return fmt.Sprintf("~%d.%d", major, r.IntN(benchMinors))
		}
		return fmt.Sprintf("^%d", major)
	}
}

// contradicted has roots that want major 4 of the first layer, which wants it of the
// next and so on, and major 1 of one of the last.
func contradicted(roots int) *inMemory {
	c := layered(roots, func(_ *rand.Rand, major, _ int) string { return fmt.Sprintf("^%d", major) })
	for key, m := range c.fetched {
		if key.Name == "root" {
			for i := range m.Metadata.Dependencies {
				m.Metadata.Dependencies[i].Constraint = "^4"
			}
			m.Metadata.Dependencies = append(m.Metadata.Dependencies, dependency("provider/layer5-00@^1"))
			c.fetched[key] = m
		}
	}
	return c
}

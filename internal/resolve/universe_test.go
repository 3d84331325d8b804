// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// universe is a small library and a question to it.
type universe struct {
	// offers of each name, newest first; needs of each version.
	offers map[name][]extension.Offer
	needs  map[extension.Key][]extension.Dependency
	// broken versions cannot be fetched.
	broken map[extension.Key]bool
	req    resolve.Request
}

// name is a Dependency without its constraint.
type name = extension.Dependency

func nameOf(k extension.Key) name { return name{Type: k.Type, Name: k.Name} }

func targetOf(d extension.Dependency) name { return name{Type: d.Type, Name: d.Name} }

var (
	root = dependency("kubernetes")
	// everybody that may be there, and somebody that never is. No two look alike.
	everybody = []name{root, dependency("provider/upcloud"), dependency("etcd"), dependency("cluster/buildkit"), dependency("containerd")}
	nobody    = dependency("postgresql")

	versionPool = []string{"2.1.0-rc.1", "2.0.0", "1.2.0", "1.1.0", "1.0.0"}
	rangePool   = []string{"", "", "^1", "^1", "^2", "^2", ">=1.1", ">=1.1", "1.0.0", "<2", "<1.2", "<1.2", "^9", ">=2.1.0-0"}
)

// universes draws one with up to five names of mixed types.
func universes() *rapid.Generator[universe] {
	return rapid.Custom(func(t *rapid.T) universe {
		u := universe{
			offers: map[name][]extension.Offer{}, needs: map[extension.Key][]extension.Dependency{}, broken: map[extension.Key]bool{},
		}
		there := rapid.SliceOfNDistinct(rapid.SampledFrom(everybody[1:]), 0, len(everybody)-1, rapid.ID).Draw(t, "there")
		slices.SortFunc(there, compareNames)
		// How likely things are varies: worlds of one kind only would hide the rest.
		density := rapid.IntRange(20, 90).Draw(t, "density")
		odd := rapid.SampledFrom([]int{0, 0, 2, 8}).Draw(t, "oddness")
		oddly := func(what string) bool { return rapid.IntRange(0, 99).Draw(t, what) < odd }
		for _, who := range append([]name{root}, there...) {
			u.offers[who] = []extension.Offer{}
			least := 2
			if who != root && oddly("bare") {
				least = 0
			}
			versions := rapid.SliceOfNDistinct(rapid.SampledFrom(versionPool), least, 4, rapid.ID).Draw(t, "versions")
			slices.SortFunc(versions, func(a, b string) int { return extension.CompareVersions(b, a) })
			for _, v := range versions {
				offer := extension.Offer{Version: v}
				if oddly("incomplete") {
					offer.Incomplete = "it has no mod.nu yet"
				}
				u.offers[who] = append(u.offers[who], offer)
				key := extension.Key{Type: who.Type, Name: who.Name, Version: v}
				u.broken[key] = who != root && oddly("broken")
				for _, on := range slices.Concat(there, []name{root, nobody}) {
					likely := density
					if on == root || on == nobody {
						likely = odd
					}
					if on == who || rapid.IntRange(0, 99).Draw(t, "needs") >= likely {
						continue
					}
					on.Constraint = rapid.SampledFrom(rangePool).Draw(t, "range")
					u.needs[key] = append(u.needs[key], on)
				}
			}
		}
		u.req = wish("kubernetes@" + rapid.SampledFrom([]string{"", "", ">=1.0.0", ">=1.0.0-0", ">=1.0.0-0"}).Draw(t, "wish"))
		u.req.Policy = rapid.SampledFrom([]resolve.Policy{"", resolve.Load, resolve.Load, resolve.Ignore}).Draw(t, "policy")
		for _, who := range there {
			if oddly("loaded") {
				v := rapid.SampledFrom(versionPool).Draw(t, "floor")
				u.req.Floors = append(u.req.Floors, extension.Key{Type: who.Type, Name: who.Name, Version: v})
			}
		}
		return u
	})
}

// catalog of the universe, its manifests written in any order.
func (u universe) catalog(shuffle func([]extension.Dependency)) *troubled {
	c := shelves("builtin")
	for who, offers := range u.offers {
		c.offers[string(who.Type)+"/"+who.Name] = []extension.Offer{}
		for _, offer := range offers {
			key := extension.Key{Type: who.Type, Name: who.Name, Version: offer.Version}
			needs := slices.Clone(u.needs[key])
			shuffle(needs)
			c.put(key, offer, needs)
			if u.broken[key] {
				c.fetch[key.String()] = extension.NewFault(extension.InvalidMetadata, "%s has no description", key)
			}
		}
	}
	return c
}

func asWritten([]extension.Dependency) {}

// GoString shows a universe in a failed test.
func (u universe) GoString() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s %s floors %v\n", u.req.Ref, u.req.Policy, u.req.Floors)
	for _, who := range slices.SortedFunc(maps.Keys(u.offers), compareNames) {
		for _, offer := range u.offers[who] {
			key := extension.Key{Type: who.Type, Name: who.Name, Version: offer.Version}
			fmt.Fprintf(&text, "%s %s %s broken=%t: %v\n", who, offer.Version, offer.Incomplete, u.broken[key], u.needs[key])
		}
	}
	return text.String()
}

// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func TestNearest(t *testing.T) {
	for name, c := range map[string]struct{ names, near string }{
		"containerd":  {"etcd containerd", "containerd"},
		"contianerd":  {"etcd containerd contained", "containerd"},
		"container":   {"containerd container-d", "containerd"},
		"kubernets":   {"kubernetes kubelet", "kubernetes"},
		"postgres":    {"postgresql", "postgresql"},
		"postgre":     {"postgresql", ""},
		"etc":         {"etcd", "etcd"},
		"etcd":        {"etcdx etcdy", "etcdx"},
		"ectd":        {"etc etcd", "etcd"},
		"edct":        {"etcd", "etcd"},
		"no":          {"on", "on"},
		"abcd":        {"badc", ""},
		"aws":         {"aws-", "aws-"},
		"gcp":         {"aws", ""},
		"k8s":         {"k3s k0s", "k0s"},
		"k8":          {"k9 k8s", ""},
		"a":           {"b aa", ""},
		"provisioner": {"provisioning provisioned", "provisioned"},
		"":            {"a bc", ""},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(nearest(name, strings.Fields(c.names))).To(Equal(c.near))
		})
	}
	NewWithT(t).Expect(nearest("etcd", nil)).To(BeEmpty())
}

// slips are the texts that one slip of the pen makes of another: a letter too many,
// too few, or another.
func slips(text string) []string {
	var all []string
	for i := range len(text) + 1 {
		for _, letter := range strings.Split("abc-", "") {
			all = append(all, text[:i]+letter+text[i:])
			if i < len(text) {
				all = append(all, text[:i]+letter+text[i+1:])
			}
		}
		if i < len(text) {
			all = append(all, text[:i]+text[i+1:])
		}
	}
	return all
}

func TestNearestHasTheFewestSlips(t *testing.T) {
	letters := func(text string) string { return string(slices.Sorted(slices.Values([]byte(text)))) }
	word := rapid.StringMatching(`[abc-]{0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		g := NewWithT(t)
		name, names := word.Draw(t, "name"), rapid.SliceOf(word).Draw(t, "names")
		reached := [][]string{{name}, slips(name), nil}
		for _, r := range reached[1] {
			reached[2] = append(reached[2], slips(r)...)
		}
		want := ""
		for far, all := range reached {
			for _, n := range slices.Sorted(slices.Values(names)) {
				if want == "" && slices.Contains(all, n) && (2*far < len(name) || far == 2 && letters(n) == letters(name)) {
					want = n
				}
			}
		}
		g.Expect(nearest(name, names)).To(Equal(want))
		slices.Reverse(names)
		g.Expect(nearest(name, names)).To(Equal(want), "whatever their order")
	})
}

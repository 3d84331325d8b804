// SPDX-License-Identifier: Apache-2.0

package rights_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// right is one that is granted, or one use of it.
type right struct {
	verb string
	// what is "group/resource/subresource", the group left out where it is the core's, or a path.
	what string
	// name is empty for any, and of a use for none.
	name string
	// namespace is empty for all of them, and for none.
	namespace string
}

func (r right) String() string {
	text := r.verb + " " + r.what
	if r.name != "" {
		text += " " + r.name
	}
	if r.namespace != "" {
		text += " in " + r.namespace
	}
	return text
}

// covers tells whether r allows what the other does, or allows.
func (r right) covers(other right) bool {
	what := r.what == other.what
	if prefix, wild := strings.CutSuffix(r.what, "*"); wild {
		what = strings.HasPrefix(other.what, prefix)
	}
	return r.verb == other.verb && what && (r.name == "" || r.name == other.name) && (r.namespace == "" || r.namespace == other.namespace)
}

// resource is how a right names what it is about.
func resource(group, resource, subresource string) string {
	parts := slices.DeleteFunc([]string{group, resource, subresource}, func(part string) bool { return part == "" })
	return strings.Join(parts, "/")
}

// rights are sets of them.
type rights map[right]bool

// compare holds what is granted to an account, and to everybody, against what it used, and tells what does not fit.
func compare(granted, everybody, used rights) (findings []string) {
	for use := range used {
		if !granted.cover(use) && !everybody.cover(use) {
			findings = append(findings, fmt.Sprintf("%s: used, and granted by no shipped role", use))
		}
	}
	for grant := range granted {
		for _, fault := range grant.faults(granted, used) {
			findings = append(findings, fmt.Sprintf("%s: %s", grant, fault))
		}
	}
	slices.SortFunc(findings, cmp.Compare)
	return findings
}

func (all rights) cover(one right) bool {
	for r := range all {
		if r.covers(one) {
			return true
		}
	}
	return false
}

// faults are what is wrong with a right: nobody used it, another one has it, or a narrower one would have done.
func (r right) faults(granted, used rights) (all []string) {
	if r.verb == "*" || !strings.HasPrefix(r.what, "/") && strings.Contains(r.what, "*") {
		return []string{"is for whatever there will be"}
	}
	for other := range granted {
		if other != r && other.covers(r) {
			all = append(all, fmt.Sprintf("granted by %q too", other))
		}
	}
	whats, names, namespaces := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for use := range used {
		if r.covers(use) {
			whats[use.what], names[use.name], namespaces[use.namespace] = true, true, true
		}
	}
	if len(namespaces) == 0 {
		return append(all, "unused")
	}
	if r.namespace == "" && len(namespaces) == 1 && namespaces[shippedNamespace] {
		all = append(all, "used in "+shippedNamespace+" alone: a Role would do")
	}
	if r.name == "" && r.couldName(names) {
		all = append(all, fmt.Sprintf("used of %s alone: resourceNames would do", strings.Join(slices.Sorted(maps.Keys(names)), ", ")))
	}
	if what := only(whats); what != r.what && what != "" {
		all = append(all, "used of "+what+" alone")
	}
	return all
}

// couldName tells whether the names that a right was used of could be granted: always one, or those that somebody knew who lists. A new object has none.
func (r right) couldName(names map[string]bool) bool {
	return r.verb != "create" && !names[""] && (len(names) == 1 || r.verb == "list" || r.verb == "watch")
}

// only is the one that there is, if there is one.
func only(all map[string]bool) (one string) {
	if len(all) == 1 {
		for one = range all {
		}
	}
	return one
}

func TestComparingFindsWhatIsTooMuchAndWhatIsMissing(t *testing.T) {
	const pods, leases = "pods", "coordination.k8s.io/leases"
	own := func(verb, what, name string) right { return right{verb, what, name, shippedNamespace} }
	everybody := rights{{verb: "get", what: "/apis/*"}: true}
	for name, c := range map[string]struct {
		granted, used rights
		findings      []string
	}{
		"fits": {
			granted: rights{{verb: "list", what: pods}: true, own("create", leases, ""): true, own("update", leases, "a"): true, {verb: "get", what: "/stats/*"}: true},
			used: rights{
				{verb: "list", what: pods, namespace: "team"}: true, own("create", leases, "a"): true, own("update", leases, "a"): true,
				{verb: "get", what: "/stats/a"}: true, {verb: "get", what: "/stats/b"}: true, {verb: "get", what: "/apis/apps/v1"}: true,
			},
		},
		"missing": {
			granted: rights{own("update", leases, "a"): true},
			used: rights{
				own("update", leases, "a"): true, own("update", leases, "b"): true, {"update", leases, "a", "team"}: true, {verb: "delete", what: "/apis/apps"}: true,
			},
			findings: []string{
				"delete /apis/apps: used, and granted by no shipped role",
				"update coordination.k8s.io/leases a in team: used, and granted by no shipped role",
				"update coordination.k8s.io/leases b in extension-system: used, and granted by no shipped role",
			},
		},
		"unused": {
			granted:  rights{own("update", leases, "a"): true, own("update", leases, "b"): true, {verb: "get", what: "/stats"}: true},
			used:     rights{own("update", leases, "a"): true},
			findings: []string{"get /stats: unused", "update coordination.k8s.io/leases b in extension-system: unused"},
		},
		"too many namespaces": {
			granted:  rights{{verb: "list", what: pods}: true},
			used:     rights{own("list", pods, ""): true},
			findings: []string{"list pods: used in extension-system alone: a Role would do"},
		},
		"too many names": {
			granted:  rights{own("update", leases, ""): true, {verb: "get", what: pods}: true},
			used:     rights{own("update", leases, "a"): true, {"get", pods, "p", "team"}: true, {"get", pods, "p", "other"}: true},
			findings: []string{"get pods: used of p alone: resourceNames would do", "update coordination.k8s.io/leases in extension-system: used of a alone: resourceNames would do"},
		},
		"too many to list": {
			granted:  rights{{verb: "list", what: leases}: true, {verb: "watch", what: pods}: true},
			used:     rights{{verb: "list", what: leases, name: "a"}: true, {verb: "list", what: leases, name: "b"}: true, {verb: "watch", what: pods}: true},
			findings: []string{"list coordination.k8s.io/leases: used of a, b alone: resourceNames would do"},
		},
		"too many paths": {
			granted:  rights{{verb: "delete", what: "/stats/*"}: true},
			used:     rights{{verb: "delete", what: "/stats/a"}: true},
			findings: []string{"delete /stats/*: used of /stats/a alone"},
		},
		"everything": {
			granted:  rights{{verb: "*", what: pods}: true, {verb: "get", what: "apps/*"}: true},
			used:     rights{},
			findings: []string{"* pods: is for whatever there will be", "get apps/*: is for whatever there will be"},
		},
		"twice": {
			granted:  rights{{verb: "list", what: pods}: true, own("list", pods, ""): true},
			used:     rights{own("list", pods, ""): true, {verb: "list", what: pods}: true},
			findings: []string{`list pods in extension-system: granted by "list pods" too`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(compare(c.granted, everybody, c.used)).To(Equal(c.findings))
		})
	}
}

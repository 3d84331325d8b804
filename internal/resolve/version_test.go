// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

func TestVersionNotFound(t *testing.T) {
	for name, c := range map[string]struct {
		shelf, constraint, message string
		available                  []string
	}{
		"exact": {
			"1.29.4 1.28.0 1.27.9", "1.99.0",
			"version 1.99.0 of taskserv kubernetes not found; available: 1.29.4, 1.28.0, 1.27.9",
			[]string{"1.29.4", "1.28.0", "1.27.9"},
		},
		"a range": {
			"1.29.4 1.28.0", ">=2 <3", "version >=2 <3 of taskserv kubernetes not found; available: 1.29.4, 1.28.0",
			[]string{"1.29.4", "1.28.0"},
		},
		"no stable one": {
			"2.0.0-rc.1 2.0.0-alpha", "",
			"no stable version of taskserv kubernetes found; available: 2.0.0-rc.1, 2.0.0-alpha; name a pre-release in spec.version to take one",
			[]string{"2.0.0-rc.1", "2.0.0-alpha"},
		},
		"a pre-release by a range of stable ones": {
			"1.28.0-rc.1", "~1.28", "version ~1.28 of taskserv kubernetes not found; available: 1.28.0-rc.1", []string{"1.28.0-rc.1"},
		},
		"what is incomplete is not available": {
			"1.29.0! 1.28.0", "1.29", "version 1.29 of taskserv kubernetes not found; available: 1.28.0", []string{"1.28.0"},
		},
		"nothing is complete": {
			"1.29.0!", "1.29", "version 1.29 of taskserv kubernetes not found; available: none", []string{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			catalog := library("builtin", map[string]string{kubernetes: c.shelf})
			got, err := resolve.New(nil, catalog).Resolve(context.Background(), request(c.constraint))
			fault := expectFault(g, err, extension.VersionNotFound, c.message)
			g.Expect(fault.Available).To(Equal(c.available))
			g.Expect(got.Consulted).To(Equal(consulted("builtin")))
			g.Expect(got.Candidates).To(HaveLen(len(strings.Fields(c.shelf))), "every refusal is told")
			g.Expect(got.Candidates).To(HaveEach(HaveField("Refused", Not(BeEmpty()))))
		})
	}
}

func TestAtMostTwentyVersionsAreListed(t *testing.T) {
	g := NewWithT(t)
	var versions, first []string
	for i := 30; i > 0; i-- {
		versions = append(versions, fmt.Sprintf("1.%d.0", i))
	}
	first = versions[:20]
	catalog := library("builtin", map[string]string{kubernetes: strings.Join(versions, " ")})
	_, err := resolve.New(nil, catalog).Resolve(context.Background(), request("9.9.9"))
	fault := expectFault(g, err, extension.VersionNotFound,
		"version 9.9.9 of taskserv kubernetes not found; available: "+strings.Join(first, ", ")+" and 10 more")
	g.Expect(fault.Available).To(Equal(first))
}

func TestAnIncompleteVersionAskedForByNameIsInvalid(t *testing.T) {
	g := NewWithT(t)
	catalog := library("builtin", map[string]string{kubernetes: "1.29.4 1.28.0! 1.27.9"})
	got, err := resolve.New(nil, catalog).Resolve(context.Background(), request("1.28.0"))
	expectFault(g, err, extension.InvalidMetadata,
		"version 1.28.0 of taskserv kubernetes is incomplete: it has no mod.nu yet; add what it lacks")
	g.Expect(got.Candidates).To(Equal([]extension.Candidate{
		candidate("1.29.4", `does not fit "1.28.0"`), candidate("1.28.0", "is incomplete: it has no mod.nu yet"),
	}))
	g.Expect(got.Plan.Members).To(BeEmpty())
}

func TestAVersionNeverGoesDownByItself(t *testing.T) {
	gone := "version 1.28.5 of taskserv kubernetes, which is loaded, is gone from its catalog or incomplete there; available: %s; " +
		"put it back, or change spec.version or request a reload to take an older one"
	for name, c := range map[string]struct{ shelf, constraint, floor, version, message string }{
		"it is still there":          {"1.28.5 1.28.0", "~1.28", "1.28.5", "1.28.5", ""},
		"a newer one fits":           {"1.28.6 1.28.0", "~1.28", "1.28.5", "1.28.6", ""},
		"it is gone under a range":   {"1.29.0 1.28.0", "~1.28", "1.28.5", "", fmt.Sprintf(gone, "1.29.0, 1.28.0")},
		"it is gone without a range": {"1.28.0", "", "1.28.5", "", fmt.Sprintf(gone, "1.28.0")},
		"it is incomplete":           {"1.28.5! 1.28.0", "", "1.28.5", "", fmt.Sprintf(gone, "1.28.0")},
		"an exact one is gone": {"1.28.5 1.28.0", "1.28.1", "1.28.1", "",
			"version 1.28.1 of taskserv kubernetes not found; available: 1.28.5, 1.28.0"},
		"an exact one below the floor is a wish":  {"1.28.5 1.28.0", "1.28.0", "1.28.5", "1.28.0", ""},
		"a pre-release is older than its release": {"1.28.5-rc.1", ">=1.28.0-0", "1.28.5", "", fmt.Sprintf(gone, "1.28.5-rc.1")},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			req := request(c.constraint)
			req.Floor = c.floor
			got, err := resolve.New(nil, library("builtin", map[string]string{kubernetes: c.shelf})).Resolve(context.Background(), req)
			if c.message != "" {
				expectFault(g, err, extension.VersionNotFound, c.message)
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Plan.Root().Key.Version).To(Equal(c.version))
		})
	}
}

func TestTheFloorIsARuleOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	req := request("")
	req.Floor = "1.28.5"
	got, err := resolve.New(nil, library("builtin", map[string]string{kubernetes: "1.28.0"})).Resolve(context.Background(), req)
	g.Expect(err).To(HaveOccurred())
	g.Expect(got.Candidates).To(Equal([]extension.Candidate{candidate("1.28.0", "is older than 1.28.5, which is loaded")}))
}

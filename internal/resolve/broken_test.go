// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

func TestABrokenDependencyIsChosenAndTold(t *testing.T) {
	noDescription := extension.NewFault(extension.InvalidMetadata, "taskservs/etcd/3.5.1/manifest.toml: description is missing; add it")
	tooLarge := extension.NewFault(extension.LimitExceeded, "taskservs/runc has more than 1000 files")
	lines := []string{"kubernetes 1.28.0: etcd, containerd", "kubernetes 1.27.0", "etcd 3.5.1 3.5.0", "containerd 1.7.0: runc, etcd", "runc 1.1.0"}

	t.Run("though an older one is not", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", lines...)
		catalog.fetch["taskserv:etcd:3.5.1"] = noDescription
		got, err := answered(catalog, wish("kubernetes"))
		fault := expectFault(g, err, extension.InvalidMetadata, "dependency taskserv:etcd:3.5.1, required by taskserv:kubernetes:1.28.0, is broken: "+
			"taskservs/etcd/3.5.1/manifest.toml: description is missing; add it")
		g.Expect(fault.Dependencies).To(Equal(map[extension.Key]string{keyOf("etcd@3.5.1"): noDescription.Message}))
		g.Expect(fault.Class()).To(Equal(extension.Terminal))
		g.Expect(got.Root.Key).To(Equal(keyOf("kubernetes@1.28.0")), "nor is an older root taken")
		g.Expect(told(got.Dependencies)).To(Equal([]string{
			"kubernetes 1.28.0 needs containerd: 1.7.0", "kubernetes 1.28.0 needs etcd: 3.5.1 NotReady",
			"containerd 1.7.0 needs etcd: 3.5.1 NotReady", "containerd 1.7.0 needs runc: 1.1.0",
		}))
		g.Expect(got.Dependencies[1].Message).To(Equal(noDescription.Message))
		g.Expect(noDescription.Dependencies).To(BeEmpty(), "the catalog's own Fault is left as it was")
	})
	t.Run("with its own code, and all of them", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", lines...)
		catalog.fetch["taskserv:etcd:3.5.1"], catalog.fetch["taskserv:runc:1.1.0"] = noDescription, tooLarge
		catalog.fetch["taskserv:containerd:1.7.0"] = nil
		_, err := answered(catalog, wish("containerd"))
		fault := extension.AsFault(err)
		g.Expect(fault.Code).To(Equal(extension.InvalidMetadata), "that of the first, breadth first")
		g.Expect(fault.Dependencies).To(Equal(map[extension.Key]string{
			keyOf("etcd@3.5.1"): noDescription.Message, keyOf("runc@1.1.0"): tooLarge.Message,
		}))
	})
	t.Run("but not where it was not chosen", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", append(lines, "vault 1.0.0: etcd@<3.5.1")...)
		catalog.fetch["taskserv:etcd:3.5.1"] = noDescription
		got, err := answered(catalog, wish("vault"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.5.0 vault@1.0.0")))
	})
	t.Run("nor an older root", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", "kubernetes 1.28.0: nowhere", "kubernetes 1.27.0")
		catalog.fetch["taskserv:kubernetes:1.27.0"] = noDescription
		got, err := answered(catalog, wish("kubernetes"))
		g.Expect(err).To(BeIdenticalTo(noDescription))
		g.Expect(got.Found()).To(BeFalse(), "what is told is not of the newer one")
		g.Expect(got.Dependencies).To(BeEmpty())
	})
	t.Run("nor the root", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", lines...)
		catalog.fetch["taskserv:kubernetes:1.28.0"] = noDescription
		_, err := answered(catalog, wish("kubernetes"))
		g.Expect(err).To(BeIdenticalTo(noDescription), "its own trouble is told as it is")
	})
}

// What is no function of the input ends the resolution as it is, whatever else there
// would have been to say.
func TestATroubledCatalogEndsTheResolution(t *testing.T) {
	unavailable := extension.NewTransientFault(extension.CatalogUnavailable, nil, "library builtin cannot be read")
	ioError := errors.New("input/output error")
	for name, c := range map[string]struct {
		spoil   func(*troubled)
		message string
	}{
		"asked for a dependency":  {func(c *troubled) { c.find["etcd"] = unavailable }, "library builtin cannot be read"},
		"fetching a dependency":   {func(c *troubled) { c.fetch["taskserv:etcd:3.5.0"] = unavailable }, "library builtin cannot be read"},
		"fetching, without words": {func(c *troubled) { c.fetch["taskserv:etcd:3.5.0"] = ioError }, "input/output error; the operator tries again, its log has more"},
		"a version that has just gone": {func(c *troubled) {
			c.fetch["taskserv:etcd:3.5.0"] = extension.NewFault(extension.VersionNotFound, "version 3.5.0 of taskserv etcd not found in catalog builtin")
		}, "taskserv:etcd:3.5.0 was removed from its catalog just now; it is looked at again"},
		"a name that has just gone": {func(c *troubled) {
			c.fetch["taskserv:etcd:3.5.0"] = extension.NewFault(extension.ExtensionNotFound, "taskserv etcd not found in catalog builtin")
		}, "taskserv:etcd:3.5.0 was removed from its catalog just now; it is looked at again"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			catalog := shelves("builtin", "kubernetes 1.28.0: absent, etcd", "kubernetes 1.27.0", "etcd 3.5.0 3.4.0")
			c.spoil(catalog)
			later := shelves("later", "etcd 3.5.0")
			req := wish("kubernetes")
			req.Policy = resolve.Ignore // goes on where something is missing
			got, err := resolve.New(nil, catalog, later).Resolve(context.Background(), req)
			fault := extension.AsFault(err)
			g.Expect(fault.Message).To(Equal(c.message))
			g.Expect(fault.Class()).To(Equal(extension.Retryable))
			g.Expect(got.Plan.Members).To(BeEmpty())
			g.Expect(got.Consulted).To(ContainElement(extension.Consulted{Catalog: "builtin", Type: extension.Taskserv, Name: "etcd"}))
			g.Expect(later.asked).NotTo(ContainElement(ContainSubstring("etcd")))
		})
	}
}

func TestRefreshOfADependencyThatFailsEndsTheResolution(t *testing.T) {
	g := NewWithT(t)
	catalog := shelves("builtin", "kubernetes 1.28.0: etcd", "etcd 3.5.0")
	req := wish("kubernetes")
	req.Refresh = true
	unavailable := extension.NewTransientFault(extension.CatalogUnavailable, nil, "library builtin cannot be read")
	req.Consult = func(c extension.Consulted) {
		if c.Name == "etcd" {
			catalog.refreshErr = unavailable
		}
	}
	_, err := answered(catalog, req)
	g.Expect(err).To(BeIdenticalTo(unavailable))
}

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

func TestWhatAPeerHasLoadedIsRecalled(t *testing.T) {
	lines := []string{"kubernetes 1.28.0: etcd", "etcd 3.5.0"}
	t.Run("by its digest", func(t *testing.T) {
		g := NewWithT(t)
		catalog := shelves("builtin", lines...)
		catalog.offers["taskserv/etcd"] = nil // gone from the folder, not from the store
		got, err := beside((&neighbours{}).beside("etcd", ready("etcd", "etcd@3.5.0")), catalog, requiring("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(planned(got.Plan)).To(Equal(keys("etcd@3.5.0 kubernetes@1.28.0")))
		g.Expect(got.Consulted).NotTo(ContainElement(askedOfBuiltin("etcd")))
	})
	t.Run("and where it is gone its catalog is watched", func(t *testing.T) {
		g := NewWithT(t)
		peer := ready("etcd-main", "etcd@3.5.0")
		peer.Loaded.Digest = digestOf("builtin", keyOf("etcd@3.4.0"))
		catalog := shelves("builtin", lines...)
		var noted []extension.Consulted
		req := requiring("kubernetes")
		req.Consult = func(c extension.Consulted) {
			noted = append(noted, c)
			catalog.asked = append(catalog.asked, "note "+c.Name)
		}
		got, err := beside((&neighbours{}).beside("etcd", peer), catalog, req)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Members[0]).To(Equal(peer.Loaded), "what its status tells is enough to see that nothing has changed")
		g.Expect(noted).To(Equal([]extension.Consulted{askedOfBuiltin("kubernetes"), askedOfTeamA("etcd"), askedOfBuiltin("etcd")}))
		g.Expect(catalog.asked[len(catalog.asked)-3:]).To(Equal([]string{"recall taskserv:etcd:3.5.0", "note etcd", "recall taskserv:etcd:3.5.0"}),
			"its return is not missed between the answer and the watch")
	})
	t.Run("and where its catalog is gone, or cannot tell, its status counts", func(t *testing.T) {
		former := shelves("former")
		former.fetchErr = extension.NewTransientFault(extension.CatalogUnavailable, nil, "library former cannot be read")
		for _, catalogs := range [][]resolve.Catalog{{shelves("builtin", lines...)}, {shelves("builtin", lines...), former}} {
			g := NewWithT(t)
			peer := ready("etcd", "etcd@3.5.0")
			peer.Loaded.Catalog = "former"
			got, err := resolve.New((&neighbours{}).beside("etcd", peer), catalogs...).Resolve(context.Background(), requiring("kubernetes"))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.Plan.Members[0]).To(Equal(peer.Loaded))
		}
	})
	t.Run("of whichever has it at hand", func(t *testing.T) {
		g := NewWithT(t)
		lost, kept := ready("a", "etcd@3.5.0"), ready("b", "etcd@3.5.0")
		lost.Loaded.Digest = digestOf("builtin", keyOf("etcd@3.4.0"))
		got, err := beside((&neighbours{}).beside("etcd", lost, kept), shelves("builtin", lines...), requiring("kubernetes"))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.Plan.Members[0].Digest).To(Equal(kept.Loaded.Digest))
	})
}

func TestPeersThatCannotBeListedEndTheResolution(t *testing.T) {
	g := NewWithT(t)
	ioError := errors.New("the informer has stopped")
	_, err := beside(&neighbours{err: ioError}, shelves("builtin", "kubernetes 1.28.0: etcd"), requiring("kubernetes"))
	g.Expect(err).To(BeIdenticalTo(ioError))
}

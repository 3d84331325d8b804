// SPDX-License-Identifier: Apache-2.0

package resolve_test

import (
	"context"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/resolve"
)

// fakeCatalog is a catalog in memory. It keeps a protocol of what was asked.
type fakeCatalog struct {
	name string
	// offers by type/name, newest first; a name with none is there and empty.
	offers map[string][]extension.Offer
	// members by key, where they have more than that.
	members map[string]extension.Member
	// closed to these namespaces.
	closed []string

	findErr, fetchErr, refreshErr error
	asked                         []string
}

var _ resolve.Catalog = (*fakeCatalog)(nil)

// library makes a catalog of "type/name": "version version …"; a version that
// ends with ! is incomplete.
func library(name string, content map[string]string) *fakeCatalog {
	c := &fakeCatalog{name: name, offers: map[string][]extension.Offer{}}
	for id, versions := range content {
		c.offers[id] = []extension.Offer{}
		for _, v := range strings.Fields(versions) {
			offer := extension.Offer{Version: strings.TrimSuffix(v, "!")}
			if offer.Version != v {
				offer.Incomplete = "it has no mod.nu yet"
			}
			c.offers[id] = append(c.offers[id], offer)
		}
	}
	return c
}

func (c *fakeCatalog) Name() string { return c.name }

func (c *fakeCatalog) Find(_ context.Context, namespace string, t extension.Type, name string) ([]extension.Offer, bool, error) {
	c.asked = append(c.asked, "find "+string(t)+"/"+name+" for "+namespace)
	offers, found := c.offers[string(t)+"/"+name]
	if c.findErr != nil || slices.Contains(c.closed, namespace) {
		return nil, false, c.findErr
	}
	return offers, found, nil
}

func (c *fakeCatalog) Fetch(_ context.Context, key extension.Key) (extension.Member, error) {
	c.asked = append(c.asked, "fetch "+key.String())
	if m, has := c.members[key.String()]; has {
		return m, c.fetchErr
	}
	return extension.Member{Key: key, Catalog: c.name}, c.fetchErr
}

func (c *fakeCatalog) Recall(_ context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	c.asked = append(c.asked, "recall "+key.String())
	m, has := c.members[key.String()]
	return m, has && m.Digest == digest, c.fetchErr
}

func (c *fakeCatalog) Names(_ context.Context, namespace string, t extension.Type) ([]string, error) {
	var names []string
	for id := range c.offers {
		if kind, name, _ := strings.Cut(id, "/"); kind == string(t) && !slices.Contains(c.closed, namespace) {
			names = append(names, name)
		}
	}
	return names, c.findErr
}

func (c *fakeCatalog) Refresh(_ context.Context, t extension.Type, name string) error {
	c.asked = append(c.asked, "refresh "+string(t)+"/"+name)
	return c.refreshErr
}

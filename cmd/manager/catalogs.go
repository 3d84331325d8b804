// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/graph"
	"provisioning.dev/extension-operator/internal/httpapi"
	"provisioning.dev/extension-operator/internal/installation"
	"provisioning.dev/extension-operator/internal/inventory"
	"provisioning.dev/extension-operator/internal/resolve"
)

// catalogs are the libraries in their order, as the REST API asks them.
type catalogs []*catalog.Library

var (
	_ httpapi.Catalogs   = catalogs(nil)
	_ inventory.Catalogs = catalogs(nil)

	_ installation.Catalogs = catalogs(nil)
)

func (p *parts) catalogs() catalogs { return p.libraries }

// forResolving are the libraries as resolve asks them.
func (all catalogs) forResolving() []resolve.Catalog {
	list := make([]resolve.Catalog, len(all))
	for i, library := range all {
		list[i] = library
	}
	return list
}

// Describe gives a version as it was when it had that digest: what a library has, or else
// what a copy is left of. Where the library has other content by now and no copy is left,
// nothing but the place is known.
func (all catalogs) Describe(ctx context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	place := extension.Member{Key: key, Metadata: extension.Metadata{Type: key.Type, Name: key.Name, Version: key.Version}}
	for _, library := range all {
		member, err := library.Fetch(ctx, key)
		switch {
		case err != nil && extension.AsFault(err).Transient:
			return extension.Member{}, false, err
		case err == nil && (digest == "" || member.Digest == digest):
			return member, true, nil
		case err == nil && place.Catalog == "":
			place.Catalog, place.Path = member.Catalog, member.Path
		}
	}
	if digest == "" {
		return extension.Member{}, false, nil
	}
	for _, library := range all {
		member, found, err := library.Recall(ctx, key, digest)
		if err != nil {
			return extension.Member{}, false, err
		}
		if found {
			place.Digest, place.Metadata, place.Catalog = digest, member.Metadata, cmp.Or(place.Catalog, member.Catalog)
			return place, true, nil
		}
	}
	return place, place.Catalog != "", nil
}

// Recall gives a version as it was when it had that digest, from whichever library; without
// one, as the library has it that owns the name.
func (all catalogs) Recall(ctx context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	for _, library := range all {
		if digest == "" {
			if _, owns, err := library.Find(ctx, "", key.Type, key.Name); err != nil || owns {
				return fetched(ctx, library, key, err)
			}
			continue
		}
		if member, found, err := library.Recall(ctx, key, digest); err != nil || found {
			return member, found, err
		}
	}
	return extension.Member{}, false, nil
}

func fetched(ctx context.Context, library *catalog.Library, key extension.Key, err error) (extension.Member, bool, error) {
	if err != nil {
		return extension.Member{}, false, err
	}
	member, err := library.Fetch(ctx, key)
	if err != nil && ctx.Err() == nil && !extension.AsFault(err).Transient {
		return extension.Member{}, false, nil
	}
	return member, err == nil, err
}

// Available lists what the libraries have; the first that has a name owns it. A library
// is open to every namespace.
func (all catalogs) Available(ctx context.Context, _ string) ([]httpapi.Available, error) {
	type name struct {
		kind extension.Type
		name string
	}
	owners := map[name]*catalog.Library{}
	var list []httpapi.Available
	for _, library := range all {
		entries, err := library.Discover(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			who := name{e.Type, e.Name}
			if owners[who] == nil {
				owners[who] = library
			}
			if owners[who] == library {
				list = append(list, httpapi.Available{
					Catalog: library.Name(), Type: e.Type, Name: e.Name, Version: e.Version, Path: e.Path, Metadata: e.Metadata, Fault: e.Fault,
				})
			}
		}
	}
	// The versions of a name are all one library's, and stay in its order.
	slices.SortStableFunc(list, func(a, b httpapi.Available) int {
		return cmp.Or(cmp.Compare(slices.Index(extension.Types(), a.Type), slices.Index(extension.Types(), b.Type)), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// Graph draws what root resolves to, or everything.
func (all catalogs) Graph(ctx context.Context, namespace, format string, root extension.Ref) ([]byte, error) {
	resolver := resolve.New(nil, all.forResolving()...)
	var answers []resolve.Answer
	var err error
	if root.Name == "" {
		answers, err = resolver.Survey(ctx, namespace)
	} else {
		var answer resolve.Answer
		answer, err = resolver.Answer(ctx, resolve.Request{Ref: root, Namespace: namespace})
		if answer.Fault != nil && !answer.Resolution.Found() {
			return nil, answer.Fault
		}
		answers = []resolve.Answer{answer}
	}
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = resolve.Draw(answers).Render(&text, graph.Format(format))
	return text.Bytes(), err
}

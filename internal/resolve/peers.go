// SPDX-License-Identifier: Apache-2.0

package resolve

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"provisioning.dev/extension-operator/internal/extension"
)

// peers are the source of dependencies that must be Ready Extensions of the
// namespace: their last good loads, and nothing else. Each question is asked once.
type peers struct {
	*inquiry
	known   map[id][]Peer
	members map[extension.Key]extension.Member
}

func newPeers(q *inquiry) *peers {
	return &peers{inquiry: q, known: map[id][]Peer{}, members: map[extension.Key]extension.Member{}}
}

// of lists the Extensions that ask for a name, by their own name.
func (p *peers) of(ctx context.Context, who id) ([]Peer, error) {
	if list, known := p.known[who]; known {
		return list, nil
	}
	p.consult(extension.Consulted{Namespace: p.req.Namespace, Type: who.kind, Name: who.name})
	list, err := p.Resolver.peers.Peers(ctx, p.req.Namespace, who.kind, who.name)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b Peer) int { return cmp.Compare(a.Object, b.Object) })
	p.known[who] = list
	return list, nil
}

// versions that peers are Ready with. Those of the root are what its catalogs have: no
// peer stands for it, and it does not wait for itself.
func (p *peers) versions(ctx context.Context, who id) ([]string, error) {
	if p.isRoot(who) {
		return p.catalogs.versions(ctx, who)
	}
	list, err := p.of(ctx, who)
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, peer := range list {
		if peer.Ready {
			versions = append(versions, peer.Loaded.Key.Version)
		}
	}
	slices.SortFunc(versions, func(a, b string) int { return extension.CompareVersions(b, a) })
	return slices.Compact(versions), nil
}

// member is what an Extension has loaded that is Ready with that version, the first of
// those whose content is at hand. Where it is nowhere any more, the member is what the
// status tells: enough to find that nothing has changed, and staging it fails.
func (p *peers) member(ctx context.Context, key extension.Key) (extension.Member, *extension.Fault, error) {
	if m, known := p.members[key]; known {
		return m, nil, nil
	}
	list, err := p.of(ctx, idOf(key))
	if err != nil {
		return extension.Member{}, nil, err
	}
	var first *extension.Member
	for _, peer := range list {
		if !peer.Ready || peer.Loaded.Key != key {
			continue
		}
		m, has, err := p.recall(ctx, peer)
		switch {
		case ctx.Err() != nil:
			return extension.Member{}, nil, ctx.Err()
		case err == nil && has:
			p.members[key] = m
			return m, nil, nil
		case first == nil:
			first = &peer.Loaded
		}
	}
	p.members[key] = *first
	return *first, nil, nil
}

// recall gets the content that a peer has loaded. Where it is gone, its catalog
// counts as consulted, so that its return is noticed.
func (p *peers) recall(ctx context.Context, peer Peer) (extension.Member, bool, error) {
	key := peer.Loaded.Key
	for _, catalog := range p.Resolver.catalogs {
		if catalog.Name() != peer.Loaded.Catalog {
			continue
		}
		m, has, err := catalog.Recall(ctx, key, peer.Loaded.Digest)
		if !has {
			p.consult(extension.Consulted{Catalog: catalog.Name(), Type: key.Type, Name: key.Name})
			m, has, err = catalog.Recall(ctx, key, peer.Loaded.Digest)
		}
		m.Path = peer.Loaded.Path
		return m, has, err
	}
	return extension.Member{}, false, nil
}

func (p *peers) unmet(ctx context.Context, demand extension.Demand) (refusal, error) {
	who := wanted(demand.Dependency)
	if p.isRoot(who) {
		return p.catalogs.unmet(ctx, demand)
	}
	list, err := p.of(ctx, who)
	if err != nil {
		return refusal{}, err
	}
	text := fmt.Sprintf("%s, required by %s, ", demand.Dependency, demand.By)
	if len(list) == 0 {
		text += fmt.Sprintf("has no Extension in namespace %s; create one with spec.type %s and spec.name %s", p.req.Namespace, demand.Type, demand.Name) +
			p.catalogs.hint(ctx, who)
		return refusal{state: extension.DependencyIsMissing, message: text, passing: true}, nil
	}
	passing := false
	problems := make([]string, 0, len(list))
	for _, peer := range list {
		if peer.Ready {
			problems = append(problems, fmt.Sprintf("Extension %s is at %s", peer.Object, peer.Loaded.Key.Version))
			continue
		}
		passing = true
		problem := fmt.Sprintf("Extension %s is not Ready", peer.Object)
		if peer.Problem != "" {
			problem += " (" + peer.Problem + ")"
		}
		problems = append(problems, problem)
	}
	text += "is not satisfied: " + strings.Join(problems, ", ")
	if !passing {
		text += "; change its spec.version"
	}
	return refusal{state: extension.DependencyIsNotReady, message: text, passing: passing}, nil
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// Find lists the versions of a name, newest first. found tells whether the
// library has the name, and so owns it, also where err says that it is broken;
// with CatalogUnavailable nothing is known of that. A library is open to every
// namespace. err is a Fault, or that of ctx.
func (l *Library) Find(ctx context.Context, _ string, t extension.Type, name string) (offers []extension.Offer, found bool, err error) {
	who := id{t, name}
	if !t.Valid() || !extension.ValidName(name) {
		return nil, false, nil
	}
	view, err := l.view(ctx, who)
	if err != nil {
		return nil, false, err
	}
	if view[existence].accepted.shape != present {
		return nil, false, nil
	}
	switch own := view[itself].accepted; own.shape {
	case mixed:
		return nil, true, own.fault
	case single:
		offers, err := l.findSingle(ctx, who, own)
		return offers, true, err
	default: // itself is no version, so its folders are
		return versionOffers(view), true, nil
	}
}

// versionOffers lists the version folders of a name, newest first.
func versionOffers(view map[string]part) []extension.Offer {
	var offers []extension.Offer
	for folder, p := range view {
		if p.accepted.shape == version {
			offers = append(offers, extension.Offer{Version: folder, Incomplete: p.accepted.incomplete})
		}
	}
	slices.SortFunc(offers, func(a, b extension.Offer) int { return extension.CompareVersions(b.Version, a.Version) })
	return offers
}

// findSingle needs the content: only the manifest knows the version.
func (l *Library) findSingle(ctx context.Context, who id, own sighting) ([]extension.Offer, error) {
	known, err := l.known(ctx, who, itself)
	if err != nil {
		return nil, err
	}
	if known.metadata.Version == "" {
		return nil, known.fault
	}
	return []extension.Offer{{Version: known.metadata.Version, Incomplete: own.incomplete}}, nil
}

// Fetch gives one exact version, whose content is in the store when it returns.
// err is a Fault, or that of ctx.
func (l *Library) Fetch(ctx context.Context, key extension.Key) (extension.Member, error) {
	who := id{key.Type, key.Name}
	offers, found, err := l.Find(ctx, "", key.Type, key.Name)
	if err != nil {
		return extension.Member{}, err
	}
	if !found {
		return extension.Member{}, extension.NewFault(extension.ExtensionNotFound,
			"%s %s not found in catalog %s; check type and name", key.Type, key.Name, l.name)
	}
	view, err := l.view(ctx, who)
	if err != nil {
		return extension.Member{}, err
	}
	folder := key.Version
	if view[itself].accepted.shape == single {
		folder = itself
	}
	if !slices.ContainsFunc(offers, func(o extension.Offer) bool { return o.Version == key.Version }) {
		return extension.Member{}, l.versionNotFound(key, offers)
	}
	known, err := l.known(ctx, who, folder)
	if err != nil {
		return extension.Member{}, err
	}
	if known.fault != nil {
		return extension.Member{}, known.fault
	}
	if known.metadata.Version != key.Version {
		return extension.Member{}, l.versionNotFound(key, []extension.Offer{{Version: known.metadata.Version}})
	}
	return extension.Member{
		Key: key, Catalog: l.name, Path: l.shown(who, folder), Digest: known.digest, Metadata: known.metadata,
	}, nil
}

func (l *Library) versionNotFound(key extension.Key, offers []extension.Offer) error {
	fault := extension.NewFault(extension.VersionNotFound, "version %s of %s %s not found in catalog %s",
		key.Version, key.Type, key.Name, l.name)
	for _, o := range offers {
		fault.Available = append(fault.Available, o.Version)
	}
	if len(fault.Available) > 0 {
		fault.Message += "; available: " + extension.FormatVersions(fault.Available, 10)
	} else {
		fault.Message += "; it has no versions"
	}
	return fault
}

// Refresh reads a name from the disk now, and again what looks unchanged. What
// has not come to rest after a while stays as it was. err is a Fault, or that of
// ctx.
func (l *Library) Refresh(ctx context.Context, t extension.Type, name string) error {
	if !t.Valid() || !extension.ValidName(name) {
		return nil
	}
	return l.lookNow(ctx, id{t, name}, true)
}

// view copies the parts of a name. Until the first scan is done, a name that was
// never looked at or that moves is looked at first, so that a start does not say
// of it that it is not there; from then on what is not known is not there.
func (l *Library) view(ctx context.Context, who id) (map[string]part, error) {
	l.mu.RLock()
	e, known := l.names[who]
	unread := l.synced.IsZero() && (!known || e.moves())
	l.mu.RUnlock()
	if unread {
		if err := l.lookNow(ctx, who, false); err != nil {
			return nil, err
		}
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.unavailable != nil {
		return nil, l.unavailable
	}
	view := map[string]part{}
	if e, known := l.names[who]; known {
		for folder, p := range e.parts {
			view[folder] = *p
		}
	}
	return view, nil
}

// known returns what is known of a version's content, which is in the store
// then, and finds it out where nothing is.
func (l *Library) known(ctx context.Context, who id, folder string) (*checked, error) {
	known, err := l.learn(ctx, who, folder)
	if !errors.Is(err, store.ErrChanging) {
		return known, err
	}
	if err := l.lookNow(ctx, who, false); err != nil {
		return nil, err
	}
	return l.learn(ctx, who, folder)
}

func (l *Library) learn(ctx context.Context, who id, folder string) (*checked, error) {
	if known := l.remembered(who, folder); known != nil {
		return known, nil
	}
	e, err := l.enter(ctx, who)
	if err != nil {
		return nil, err
	}
	known, changed, err := l.learnAlone(ctx, e, who, folder)
	l.leave(who, e)
	if changed {
		l.tell([]id{who})
	}
	return known, err
}

// learnAlone needs the gate.
func (l *Library) learnAlone(ctx context.Context, e *entry, who id, folder string) (known *checked, changed bool, err error) {
	if known := l.remembered(who, folder); known != nil {
		return known, false, nil
	}
	l.mu.RLock()
	p, there := e.parts[folder]
	l.mu.RUnlock()
	if !there {
		return nil, false, extension.NewTransientFault(extension.CatalogUnavailable, store.ErrChanging,
			"%s was removed just now; it is looked for again", l.shown(who, folder))
	}
	root, err := l.openRoot()
	if err != nil {
		l.lookLater(true)
		return nil, false, err
	}
	defer root.Close()
	known, err = l.examine(ctx, root, who, folder, p.accepted)
	if err != nil {
		l.lookLater(false, who)
		return nil, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	changed = p.checked != nil && !known.same(p.checked)
	p.checked = known
	return known, changed, nil
}

// remembered is what was found out about a version, unless the store has lost
// its copy since.
func (l *Library) remembered(who id, folder string) *checked {
	l.mu.RLock()
	e, known := l.names[who]
	var c *checked
	if known {
		if p, there := e.parts[folder]; there {
			c = p.checked
		}
	}
	l.mu.RUnlock()
	if c == nil || c.digest != "" && !l.store.Has(c.digest) {
		return nil
	}
	return c
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// Entry is one version of a library, or one thing in it that is broken.
type Entry struct {
	Type extension.Type
	Name string
	// Version is empty where it is not known.
	Version string
	// Path is where people find it.
	Path string
	// Metadata is set where Fault is nil.
	Metadata extension.Metadata
	Fault    *extension.Fault
}

// Discover lists everything in the library, sorted by type, name and version,
// the newest first. It copies what nobody has asked for yet into the store, so
// the first call takes its time. err is a Fault of the whole library, or that of
// ctx.
func (l *Library) Discover(ctx context.Context) ([]Entry, error) {
	if l.Synced().IsZero() {
		l.scan(ctx)
	}
	if err := cmp.Or(ctx.Err(), l.lostFault()); err != nil {
		return nil, err
	}
	l.mu.RLock()
	names := slices.SortedFunc(maps.Keys(l.names), compareIDs)
	odd := slices.Collect(maps.Keys(l.oddFolders))
	l.mu.RUnlock()
	var entries []Entry
	for _, who := range names {
		found, err := l.discoverName(ctx, who)
		if err != nil {
			return nil, err
		}
		entries = append(entries, found...)
	}
	for _, who := range odd {
		shown := l.shown(who, "")
		entries = append(entries, Entry{Type: who.kind, Name: who.name, Path: shown, Fault: oddFault(shown)})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(
			cmp.Compare(slices.Index(extension.Types(), a.Type), slices.Index(extension.Types(), b.Type)),
			cmp.Compare(a.Name, b.Name), extension.CompareVersions(b.Version, a.Version), cmp.Compare(a.Path, b.Path))
	})
	return entries, nil
}

func (l *Library) discoverName(ctx context.Context, who id) ([]Entry, error) {
	view, err := l.view(ctx, who)
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for folder, p := range view {
		e := Entry{Type: who.kind, Name: who.name, Path: l.shown(who, folder)}
		switch p.accepted.shape {
		case mixed:
			e.Fault = p.accepted.fault
		case misnamed:
			e.Fault = misnamedFault(e.Path)
		case single, version:
			if err := l.describe(ctx, who, folder, &e); err != nil {
				return nil, err
			}
		case absent:
			if folder == existence || p.candidate.shape == absent {
				continue
			}
			e.Fault = extension.NewTransientFault(extension.CatalogUnavailable, nil,
				"%s is being written; it is listed when it has come to rest", e.Path)
		default:
			continue
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// describe fills in what the content says. The error is that of ctx.
func (l *Library) describe(ctx context.Context, who id, folder string, e *Entry) error {
	if folder != itself {
		e.Version = folder
	}
	known, err := l.known(ctx, who, folder)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		e.Fault = extension.AsFault(err)
	case known.fault != nil:
		e.Version = cmp.Or(known.metadata.Version, e.Version)
		e.Fault = known.fault
	default:
		e.Version, e.Metadata = known.metadata.Version, known.metadata
	}
	return nil
}

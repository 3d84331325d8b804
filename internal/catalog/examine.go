// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// examine copies a version into the store and reads its manifest from there. It
// needs the gate. An error says that nothing was found out: a transient Fault,
// whose cause is store.ErrChanging where the folder is no longer as seen, or
// that of ctx.
func (l *Library) examine(ctx context.Context, root *os.Root, who id, folder string, seen sighting) (*checked, error) {
	copied, err := l.copyIn(ctx, root, path.Join(who.folder(), folder))
	if err != nil {
		return nil, err
	}
	now, _, err := l.sightPart(ctx, root, who, folder, seen.shape)
	if err != nil {
		return nil, err
	}
	if !now.same(seen) {
		return nil, extension.NewTransientFault(extension.CatalogUnavailable, store.ErrChanging,
			"%s is being written; it is read again when it has come to rest", l.shown(who, folder))
	}
	if copied.digest == "" {
		return copied, nil
	}
	return l.readCopy(who, folder, copied.digest)
}

// copyIn puts a version into the store. One that cannot be copied gives a fault
// and no digest; an error is as for examine.
func (l *Library) copyIn(ctx context.Context, root *os.Root, place string) (*checked, error) {
	digest, err := l.store.Put(ctx, root, place, l.limits)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err == nil {
		return &checked{digest: digest}, nil
	}
	fault := extension.AsFault(err)
	if fault.Transient {
		return nil, err
	}
	return &checked{fault: fault}, nil
}

// readCopy parses what was hashed and holds it against the folder's place.
func (l *Library) readCopy(who id, folder string, digest extension.Digest) (*checked, error) {
	shown := l.shown(who, folder)
	data, err := l.store.ReadFile(digest, store.ManifestName)
	if errors.Is(err, fs.ErrNotExist) && !isFault(err) {
		return &checked{digest: digest, fault: invalid(
			"%s has no %s; add it, or remove the folder", shown, store.ManifestName)}, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := ParseManifest(data)
	if err == nil {
		err = checkPlace(m, who, folder)
	}
	if err != nil {
		f := *extension.AsFault(err)
		f.Message = path.Join(shown, store.ManifestName) + ": " + f.Message
		return &checked{digest: digest, fault: &f}, nil
	}
	known := &checked{digest: digest, metadata: m}
	if _, err := l.store.ReadFile(digest, ModuleName); isFault(err) {
		return nil, err
	} else if err != nil {
		known.fault = invalid("%s has no %s; add the extension's module, or remove the folder", shown, ModuleName)
	}
	return known, nil
}

// checkPlace holds a manifest against the folder that it lies in.
func checkPlace(m extension.Metadata, who id, folder string) error {
	switch {
	case m.Type != who.kind:
		return invalid("type is %q but it lies in %s; change the type to %s, or move it to %s",
			m.Type, who.kind.Folder(), who.kind, m.Type.Folder())
	case m.Name != who.name:
		return invalid("name is %q but its folder is %q; make them the same", m.Name, who.name)
	case folder != itself && m.Version != folder:
		return invalid("version is %q but its folder is %q; make them the same", m.Version, folder)
	}
	return nil
}

func misnamedFault(shown string) *extension.Fault {
	return invalid("%s has a manifest, but its folder is not named by an exact version; rename it to X.Y.Z", shown)
}

func isFault(err error) bool {
	var f *extension.Fault
	return errors.As(err, &f)
}

// shown is the path that people know a part by, the same on every replica.
func (l *Library) shown(who id, folder string) string {
	return path.Join(filepath.Base(l.dir), who.folder(), folder)
}

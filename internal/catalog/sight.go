// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// ModuleName is the file that Nushell loads.
const ModuleName = "mod.nu"

// id is a name of the library, whether it is there or not.
type id struct {
	kind extension.Type
	name string
}

// folder is where the id lies, below the library's root.
func (i id) folder() string { return path.Join(i.kind.Folder(), i.name) }

// shape is what a part of a name is.
type shape int

const (
	absent   shape = iota
	present        // the name's folder is there
	single         // the name's folder is one version
	version        // a folder below it, named by a version
	misnamed       // a folder below it with a manifest, named by no version
	mixed          // the name's folder is one version and has version folders too
)

// A name has one part per folder below it that matters, by its base name, and
// two that no base name can be: itself as a version, and that it is there.
const (
	itself    = ""
	existence = "."
)

// sighting is one part of a name as it lies on the disk. The zero sighting is
// that of a part that is not there.
type sighting struct {
	shape     shape
	signature store.Signature
	// newest is the youngest ctime of it.
	newest time.Time
	// incomplete says what a version lacks before it can be loaded.
	incomplete string
	// fault is why nothing can be copied; the signature covers it.
	fault *extension.Fault
	// moving means that it changed while it was looked at.
	moving bool
}

// same tells whether two sightings are of the same state.
func (s sighting) same(o sighting) bool {
	return s.shape == o.shape && s.signature == o.signature && !s.moving && !o.moving
}

// nameSight is all there is of a name, and the folders to watch for it.
type nameSight struct {
	parts   map[string]sighting
	folders []store.Folder
}

// layout is what the name's own folder holds.
type layout struct {
	manifest, module   bool
	versions, misnamed []string
	own                store.Folder
	newest             time.Time
}

// isVersion tells whether the name's own folder is one version. A module alone
// says so only where no other folder claims to be one.
func (f *layout) isVersion() bool {
	return f.manifest || f.module && len(f.versions)+len(f.misnamed) == 0
}

// sightName looks at a whole name. The error is that of ctx.
func (l *Library) sightName(ctx context.Context, root *os.Root, who id) (nameSight, error) {
	seen := nameSight{parts: map[string]sighting{}}
	found, err := l.readLayout(root, who)
	if noFolder(root, who, err) {
		return seen, ctx.Err()
	}
	seen.parts[existence] = sighting{shape: present, newest: found.newest}
	if err == nil {
		seen.folders = append(seen.folders, found.own)
	}
	switch {
	case found.manifest && len(found.versions) > 0:
		seen.parts[itself] = mixedSighting(root, who, found)
	case err != nil || found.isVersion():
		err := l.addParts(ctx, &seen, root, who, []string{itself}, single)
		return seen, err
	}
	if err := l.addParts(ctx, &seen, root, who, found.versions, version); err != nil {
		return seen, err
	}
	if err := l.addParts(ctx, &seen, root, who, found.misnamed, misnamed); err != nil {
		return seen, err
	}
	return seen, ctx.Err()
}

// noFolder tells whether the error of reading a name's folder means that it is
// not there. A link to nowhere is there, and broken.
func noFolder(root *os.Root, who id, err error) bool {
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return false
	}
	info, err := root.Lstat(who.folder())
	return err != nil || info.Mode()&fs.ModeSymlink == 0
}

// addParts looks at folders of one shape, up to the first error, which is that of ctx.
func (l *Library) addParts(ctx context.Context, seen *nameSight, root *os.Root, who id, folders []string, as shape) error {
	for _, folder := range folders {
		part, below, err := l.sightPart(ctx, root, who, folder, as)
		seen.parts[folder] = part
		seen.folders = append(seen.folders, below...)
		if err != nil {
			return err
		}
	}
	return nil
}

// sightPart looks at one version's folder. The error is that of ctx.
func (l *Library) sightPart(ctx context.Context, root *os.Root, who id, folder string, as shape) (sighting, []store.Folder, error) {
	list, err := store.Look(ctx, root, path.Join(who.folder(), folder), l.limits)
	s := sighting{shape: as, signature: list.Signature, newest: list.Newest}
	switch {
	case ctx.Err() != nil:
		return s, nil, ctx.Err()
	case errors.Is(err, store.ErrChanging):
		s.moving = true
	case err != nil:
		// Where the walk ended depends on the order of the folder, so the
		// words are the signature of a failure.
		s.fault = extension.AsFault(err)
		s.signature = sha256.Sum256([]byte(s.fault.Message))
	case !list.Has(store.ManifestName):
		s.incomplete = "it has no " + store.ManifestName + " yet"
	case !list.Has(ModuleName):
		s.incomplete = "it has no " + ModuleName + " yet"
	}
	return s, list.Folders, nil
}

func mixedSighting(root *os.Root, who id, found layout) sighting {
	fault := invalid("%s has %s beside version folders (%s); move it into a version folder of its own, or remove those",
		store.Shown(root, who.folder()), store.ManifestName, extension.FormatVersions(found.versions, 3))
	return sighting{shape: mixed, newest: found.newest, fault: fault, signature: sha256.Sum256([]byte(fault.Message))}
}

// readLayout reads the name's own folder. What it finds together with an error
// is of no use but for the time.
func (l *Library) readLayout(root *os.Root, who id) (layout, error) {
	var found layout
	dir, err := root.OpenFile(who.folder(), os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_DIRECTORY, 0)
	if err != nil {
		return found, err
	}
	defer dir.Close()
	if found.own, found.newest, err = store.FolderOf(dir, who.folder()); err != nil {
		return found, err
	}
	// A name may have more versions than one version may have files.
	most := max(l.limits.Entries, store.DefaultLimits().Entries)
	entries, err := dir.ReadDir(most + 1)
	if errors.Is(err, io.EOF) {
		return found, nil // it is empty
	}
	if len(entries) > most {
		return layout{newest: found.newest}, errTooMany
	}
	for _, entry := range entries {
		if !store.Ignored(entry.Name()) {
			found.add(root, who, entry)
		}
	}
	slices.SortFunc(found.versions, func(a, b string) int { return extension.CompareVersions(b, a) })
	return found, err
}

// errTooMany is never shown: the look at the folder as a version says it better.
var errTooMany = errors.New("too many entries")

func (f *layout) add(root *os.Root, who id, entry fs.DirEntry) {
	name := entry.Name()
	switch name {
	case store.ManifestName:
		f.manifest = true
		return
	case ModuleName:
		f.module = true
		return
	}
	isFolder := entry.IsDir()
	if entry.Type()&fs.ModeSymlink != 0 {
		info, err := root.Stat(path.Join(who.folder(), name))
		// A version that is a link to nowhere is a version that is broken.
		isFolder = err != nil && extension.ValidVersion(name) || err == nil && info.IsDir()
	}
	if !isFolder {
		return
	}
	if extension.ValidVersion(name) {
		f.versions = append(f.versions, name)
		return
	}
	if _, err := root.Lstat(path.Join(who.folder(), name, store.ManifestName)); err == nil {
		f.misnamed = append(f.misnamed, name)
	}
}

// SPDX-License-Identifier: Apache-2.0

package inventory

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
)

const (
	// maxRemembered is for how many sets of namespaces the rows are kept.
	maxRemembered = 8
	// reading is how long the catalogs may take to say what they know of all rows.
	reading = 10 * time.Second
	// passing is how long rows are kept that would be others if they were read again.
	passing = time.Second
)

// Loaded lists what the statuses of namespaces say is loaded: a row for each distinct
// key, catalog and input digest, by type, name and version, the newest first. What was
// loaded as a dependency is in the row of an Extension of the same key and content, or
// has one of its own. The rows are shared and must not be changed. Who asks for the same
// meanwhile waits for the same; that a caller goes away ends nobody else's waiting.
func (i *Inventory) Loaded(ctx context.Context, namespaces []string) ([]extension.LoadedRow, error) {
	s, err := i.look(ctx)
	if err != nil {
		return nil, err
	}
	set := strings.Join(namespaces, ",")
	if rows, known := s.known(set); known {
		return rows, nil
	}
	flight := s.flights.DoChan(set, func() (any, error) { return i.read(context.WithoutCancel(ctx), s, namespaces, set) })
	late := time.NewTimer(reading + passing)
	defer late.Stop()
	select {
	case result := <-flight:
		rows, _ := result.Val.([]extension.LoadedRow)
		return rows, result.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-late.C: // a file system that hangs heeds nothing
		return nil, apierrors.NewServiceUnavailable("the libraries do not answer; see whether their file systems hang, and ask again")
	}
}

// read makes the rows of a set of namespaces and keeps them. A panic would end the process
// here, where nobody but the caller of Loaded is concerned.
func (i *Inventory) read(ctx context.Context, s *sight, namespaces []string, set string) (rows []extension.LoadedRow, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, reading)
	defer cancel()
	rows, certain := i.rowsOf(ctx, s.in(namespaces))
	s.keep(set, rows)
	if !certain { // then it is read again, also by who keeps answers
		time.AfterFunc(passing, func() { i.stamp.Add(1) })
	}
	return rows, nil
}

// known gives what was kept for a set of namespaces.
func (s *sight) known(set string) ([]extension.LoadedRow, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, known := s.rows[set]
	return rows, known
}

func (s *sight) keep(set string, rows []extension.LoadedRow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rows) >= maxRemembered {
		clear(s.rows)
	}
	s.rows[set] = rows
}

// rowID tells rows apart.
type rowID struct {
	key    extension.Key
	place  string
	digest extension.Digest
}

// table gathers rows.
type table struct {
	rows  map[rowID]*extension.LoadedRow
	byKey map[extension.Key][]*extension.LoadedRow
}

func (i *Inventory) rowsOf(ctx context.Context, extensions []*api.Extension) (rows []extension.LoadedRow, certain bool) {
	t := &table{rows: map[rowID]*extension.LoadedRow{}, byKey: map[extension.Key][]*extension.LoadedRow{}}
	for _, ext := range extensions {
		t.addOwn(ext)
	}
	// What is known by its content goes first, so that the rest finds its row.
	for _, known := range []bool{true, false} {
		for _, ext := range extensions {
			t.addDependencies(ext, known)
		}
	}
	certain = true
	for _, row := range t.rows {
		if row.InputDigest == "" {
			certain = i.describe(ctx, row) && certain
		}
	}
	rows = make([]extension.LoadedRow, 0, len(t.rows))
	for _, row := range t.rows {
		slices.SortFunc(row.Askers, compareAskers)
		rows = append(rows, *row)
	}
	slices.SortFunc(rows, compareRows)
	return rows, certain
}

// addOwn adds what an Extension asked for itself.
func (t *table) addOwn(ext *api.Extension) {
	s := &ext.Status
	if s.Version == "" || s.LoadedAt == nil {
		return
	}
	asker := extension.Asker{Namespace: ext.Namespace, Name: ext.Name}
	key := keyOf(ext)
	row := t.row(rowID{key, s.Catalog, extension.Digest(s.InputDigest)}, key)
	row.Askers = append(row.Askers, asker)
	if s.LoadedAt.Time.Before(row.At) {
		return
	}
	row.Catalog, row.Path, row.At, row.Hooks = s.Catalog, s.Path, s.LoadedAt.UTC(), s.Hooks
	row.Digest, row.InputDigest = extension.Digest(s.Digest), extension.Digest(s.InputDigest)
	if m := s.Metadata; m != nil {
		row.Metadata.Description, row.Metadata.Author, row.Metadata.Repository = m.Description, m.Author, m.Repository
		row.Metadata.Dependencies = dependenciesOf(m.Dependencies)
	}
}

// row returns the row of id, a new one where there is none.
func (t *table) row(id rowID, key extension.Key) *extension.LoadedRow {
	row := t.rows[id]
	if row == nil {
		row = &extension.LoadedRow{Key: key, Metadata: extension.Metadata{Type: key.Type, Name: key.Name, Version: key.Version}}
		t.rows[id] = row
		t.byKey[key] = append(t.byKey[key], row)
	}
	return row
}

// addDependencies adds what an Extension was loaded with: that of which the content is
// known, or the rest.
func (t *table) addDependencies(ext *api.Extension, known bool) {
	if ext.Status.LoadedAt == nil {
		return
	}
	asker := extension.Asker{Namespace: ext.Namespace, Name: ext.Name, Dependent: keyOf(ext)}
	for _, key := range loadedWith(ext) {
		digest := contentOf(ext, key)
		if (digest != "") != known {
			continue
		}
		row := t.same(key, digest)
		if row == nil {
			row = t.row(rowID{key: key, digest: digest}, key)
			row.Digest = digest
		}
		if row.InputDigest == "" && row.At.Before(ext.Status.LoadedAt.Time) {
			row.At = ext.Status.LoadedAt.UTC()
		}
		row.Askers = append(row.Askers, asker)
	}
}

// same finds the row of a key with that content; any will do where that is not known.
func (t *table) same(key extension.Key, digest extension.Digest) *extension.LoadedRow {
	for _, row := range t.byKey[key] {
		if digest == "" || row.Digest == digest {
			return row
		}
	}
	return nil
}

// contentOf is the digest of a dependency that an Extension is loaded with, as far as
// its status tells: it lists the newest attempt, which may be another one.
func contentOf(ext *api.Extension, key extension.Key) extension.Digest {
	last := ext.Status.LastAttempted
	if last == nil || last.InputDigest != ext.Status.InputDigest {
		return ""
	}
	for _, d := range ext.Status.Dependencies {
		if d.Type == string(key.Type) && d.Name == key.Name && d.Version == key.Version {
			return extension.Digest(d.Digest)
		}
	}
	return ""
}

// describe completes the row of a dependency from the catalogs, and tells whether what
// it found will be found again.
func (i *Inventory) describe(ctx context.Context, row *extension.LoadedRow) (certain bool) {
	member, found, err := i.opts.Catalogs.Describe(ctx, row.Key, row.Digest)
	if err != nil || !found {
		return err == nil
	}
	row.Catalog, row.Path, row.Metadata = member.Catalog, member.Path, member.Metadata
	return true
}

func compareRows(a, b extension.LoadedRow) int {
	return cmp.Or(CompareKeys(a.Key, b.Key), cmp.Compare(a.Catalog, b.Catalog),
		cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.InputDigest, b.InputDigest))
}

// CompareKeys orders keys by type, name and version, the newest first.
func CompareKeys(a, b extension.Key) int {
	place := func(k extension.Key) int { return slices.Index(extension.Types(), k.Type) }
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Name, b.Name), extension.CompareVersions(b.Version, a.Version))
}

func compareAskers(a, b extension.Asker) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// dependenciesOf reads what a status tells of a manifest's dependencies.
func dependenciesOf(texts []string) []extension.Dependency {
	list := make([]extension.Dependency, 0, len(texts))
	for _, text := range texts {
		if ref, err := extension.ParseRef(text); err == nil {
			list = append(list, extension.Dependency{Type: ref.Type, Name: ref.Name, Constraint: ref.Constraint})
		}
	}
	return list
}

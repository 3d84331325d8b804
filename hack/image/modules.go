// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// standardLibrary is how the bill calls what comes with Go.
const standardLibrary = "std"

// module is something that others wrote and that is in a program.
type module struct {
	path, version string
	licences      []licence
}

// licence is a file that says what others may do with a module, or whom to name for it.
type licence struct {
	name    string // below the module's folder
	content []byte
	ids     []string // of SPDX; none of a file that names people or speaks of patents
}

// bill is what the programs say of themselves.
type bill struct {
	programs []programBill
	modules  []module // by path
}

type programBill struct {
	program
	built   string   // where it is on this machine
	modules []string // paths
}

// readBill reads once, of the built programs themselves, which modules are in them, and gathers the licences of those.
func (b *build) readBill() (*bill, error) {
	if b.bill != nil {
		return b.bill, nil
	}
	found, versions := &bill{}, map[string]string{}
	var goVersion string
	for _, p := range listed[program]() {
		built, err := b.program(p)
		if err != nil {
			return nil, err
		}
		info, err := buildinfo.ReadFile(built)
		if err != nil {
			return nil, err
		}
		goVersion = info.GoVersion
		of := programBill{program: p, built: built, modules: []string{standardLibrary}}
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				return nil, fmt.Errorf("%s has %s in the place of %s: the bill of materials cannot tell of it", p.source, dep.Replace.Path, dep.Path)
			}
			versions[dep.Path] = dep.Version
			of.modules = append(of.modules, dep.Path)
		}
		found.programs = append(found.programs, of)
	}
	texts, err := b.gatherLicences(versions)
	if err != nil {
		return nil, err
	}
	versions[standardLibrary] = strings.TrimPrefix(goVersion, "go")
	if texts[standardLibrary], err = b.licenceOfGo(); err != nil {
		return nil, err
	}
	for _, path := range slices.Sorted(maps.Keys(versions)) {
		if err := checkLicences(path, versions[path], texts[path]); err != nil {
			return nil, err
		}
		found.modules = append(found.modules, module{path, versions[path], texts[path]})
	}
	b.bill = found
	return found, nil
}

// listed are the lines of one kind in the list of contents.
func listed[T content]() []T {
	var all []T
	for _, l := range contents {
		for _, c := range l.contents {
			if one, is := c.(T); is {
				all = append(all, one)
			}
		}
	}
	return all
}

// gatherLicences returns those of each module: the files in the folders of the packages that the programs have, and in the
// folders above, because a module may keep code of others with a licence of its own.
func (b *build) gatherLicences(versions map[string]string) (map[string][]licence, error) {
	out, err := b.runGo(append([]string{"list", "-deps", "-json=Dir,Module"}, programSources()...)...)
	if err != nil {
		return nil, err
	}
	texts, looked := map[string][]licence{}, map[string]bool{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			Dir    string
			Module *struct {
				Path, Version, Dir string
				Main               bool
			}
		}
		switch err := decoder.Decode(&pkg); {
		case errors.Is(err, io.EOF):
			return texts, nil
		case err != nil:
			return nil, fmt.Errorf("read what go list says: %w", err)
		case pkg.Module == nil || pkg.Module.Main:
			continue
		case versions[pkg.Module.Path] != pkg.Module.Version:
			return nil, fmt.Errorf("go list has %s %s, the programs have %q", pkg.Module.Path, pkg.Module.Version, versions[pkg.Module.Path])
		}
		for dir := pkg.Dir; !looked[dir] && strings.HasPrefix(dir, pkg.Module.Dir); dir = filepath.Dir(dir) {
			looked[dir] = true
			found, err := licencesIn(dir, pkg.Module.Dir)
			if err != nil {
				return nil, err
			}
			texts[pkg.Module.Path] = append(texts[pkg.Module.Path], found...)
		}
	}
}

func programSources() []string {
	programs := listed[program]()
	sources := make([]string, len(programs))
	for i, p := range programs {
		sources[i] = p.source
	}
	return sources
}

func (b *build) licenceOfGo() ([]licence, error) {
	out, err := b.runGo("env", "GOROOT")
	if err != nil {
		return nil, err
	}
	root := strings.TrimSpace(string(out))
	return licencesIn(root, root)
}

// licenceNames are how files with a licence are called, or with what must go along with it.
var licenceNames = regexp.MustCompile(`(?i)^(licen[cs]es?|copying|notice|patents|copyright)([-._].*)?$`)

// asideNames are those of files that go along with a licence and are none.
var asideNames = regexp.MustCompile(`(?i)^(notice|patents|copyright)`)

// codeNames are those of code about licences.
var codeNames = regexp.MustCompile(`(?i)\.(go|tmpl|json|ya?ml|sh)$`)

func licencesIn(dir, root string) ([]licence, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []licence
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenceNames.MatchString(entry.Name()) || codeNames.MatchString(entry.Name()) {
			continue
		}
		file := filepath.Join(dir, entry.Name())
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		text := licence{name: filepath.ToSlash(name), content: content}
		if !asideNames.MatchString(entry.Name()) {
			text.ids = idsOf(content)
		}
		found = append(found, text)
	}
	return found, nil
}

// idsOf are the SPDX identifiers of the licences whose texts make up most of a file.
func idsOf(content []byte) []string {
	cover := licensecheck.Scan(content)
	if cover.Percent < 60 {
		return nil
	}
	var ids []string
	for _, match := range cover.Match {
		if !match.IsURL {
			ids = append(ids, match.ID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// checkLicences refuses a module that nobody may pass on, as far as its files say.
func checkLicences(path, version string, texts []licence) error {
	if len(texts) == 0 {
		return fmt.Errorf("%s %s has no licence file: an image with it must not be passed on; use another module, or ask its author for one", path, version)
	}
	if len(idsIn(texts)) == 0 {
		return fmt.Errorf("%s %s has no licence file of a known licence (looked at %s): use another module", path, version, texts[0].name)
	}
	return nil
}

func idsIn(texts []licence) []string {
	var ids []string
	for _, text := range texts {
		ids = append(ids, text.ids...)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

// content is what one file of a version is made of.
type content struct {
	data string
	exec bool
}

// versions generates the files of a version, with no file where a folder is.
func versions() *rapid.Generator[map[string]content] {
	names := rapid.StringMatching(`[a-c]([-.]?[a-cé])?(/[a-c]([-.]?[a-cé])?){0,2}`)
	return rapid.Custom(func(t *rapid.T) map[string]content {
		files := map[string]content{}
		for _, name := range rapid.SliceOfN(names, 1, 6).Draw(t, "names") {
			clash := func(other string) bool {
				return strings.HasPrefix(other, name+"/") || strings.HasPrefix(name, other+"/")
			}
			if !slices.ContainsFunc(slices.Collect(maps.Keys(files)), clash) {
				files[name] = content{rapid.String().Draw(t, "data"), rapid.Bool().Draw(t, "exec")}
			}
		}
		return files
	})
}

// lay writes files in some order, at some time, plainly or as a ConfigMap.
func lay(t *rapid.T, dir string, files map[string]content) {
	names := rapid.Permutation(slices.Sorted(maps.Keys(files))).Draw(t, "order")
	mounted := rapid.Bool().Draw(t, "as a ConfigMap")
	at := time.Unix(rapid.Int64Range(0, 1<<31).Draw(t, "mtime"), 0)
	for _, name := range names {
		mode := rapid.SampledFrom([]os.FileMode{0o600, 0o644, 0o664, 0o666}).Draw(t, "mode")
		if files[name].exec {
			mode |= rapid.SampledFrom([]os.FileMode{0o100, 0o010, 0o001, 0o111}).Draw(t, "exec bits")
		}
		target := filepath.Join(dir, name)
		if mounted {
			target = filepath.Join(dir, "..data", name)
			inside, _ := filepath.Rel(path.Dir(name), path.Join("..data", name))
			check(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			check(t, os.Symlink(inside, filepath.Join(dir, name)))
		}
		check(t, os.MkdirAll(filepath.Dir(target), 0o755))
		check(t, os.WriteFile(target, []byte(files[name].data), 0o600))
		check(t, os.Chmod(target, mode))
		if os.Geteuid() == 0 {
			check(t, os.Chown(target, rapid.IntRange(0, 99).Draw(t, "uid"), 0))
		}
		check(t, os.Chtimes(target, at, at))
	}
}

func check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

func TestDigestIsAFunctionOfTheContentAlone(t *testing.T) {
	s, _ := open(t)
	digest := func(r *rapid.T, files map[string]content) extension.Digest {
		dir := t.TempDir()
		defer os.RemoveAll(dir)
		folder := rapid.SampledFrom([]string{"a", "taskservs/etcd/1.0.0"}).Draw(r, "place")
		lay(r, filepath.Join(dir, folder), files)
		root, err := os.OpenRoot(dir)
		check(r, err)
		defer root.Close()
		d, err := s.Put(t.Context(), root, folder, store.Limits{})
		check(r, err)
		check(r, s.Verify(d))
		return d
	}
	rapid.Check(t, func(r *rapid.T) {
		files := versions().Draw(r, "files")
		first := digest(r, files)
		if second := digest(r, files); second != first {
			r.Fatalf("the same content has the digests %s and %s", first, second)
		}
		changed := maps.Clone(files)
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(files))).Draw(r, "changed")
		one := changed[name]
		switch rapid.IntRange(0, 4).Draw(r, "change") {
		case 0:
			one.data += "x"
			changed[name] = one
		case 1:
			one.exec = !one.exec
			changed[name] = one
		case 2:
			delete(changed, name)
			changed[name+"z"] = one
		case 3:
			delete(changed, name)
			changed["zz"] = content{"another", false}
		default:
			changed["zz"] = content{}
		}
		if digest(r, changed) == first {
			r.Fatalf("a change of %q does not change the digest", name)
		}
	})
}

// SPDX-License-Identifier: Apache-2.0

package payload_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/fstest"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/store"
)

// copies are what a store has, by digest.
type copies map[extension.Digest]fs.FS

func (c copies) open(d extension.Digest) (fs.FS, error) {
	if found, has := c[d]; has {
		return found, nil
	}
	return nil, fs.ErrNotExist
}

// add keeps a folder and returns the member that it is.
func (c copies) add(t require, key extension.Key, files fstest.MapFS) extension.Member {
	t.Helper()
	var packed bytes.Buffer
	if err := store.CanonicalTar(&packed, files); err != nil {
		t.Fatalf("%v", err)
	}
	m := extension.Member{Key: key, Digest: digestOf(packed.Bytes())}
	c[m.Digest] = files
	return m
}

// require is what tests and properties have in common.
type require interface {
	Helper()
	Fatalf(format string, args ...any)
}

func digestOf(data []byte) extension.Digest {
	sum := sha256.Sum256(data)
	return extension.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

func key(name string) extension.Key {
	return extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}
}

// plan is one of two members.
func plan(t testing.TB) (copies, []extension.Member) {
	kept := copies{}
	return kept, []extension.Member{
		kept.add(t, extension.Key{Type: extension.Provider, Name: "kube", Version: "1.2.3"}, fstest.MapFS{
			"manifest.toml": {Data: []byte("manifest = 1\n")}, "mod.nu": {Data: []byte("export const A = 1\n")},
		}),
		kept.add(t, key("hello"), fstest.MapFS{
			"lib/run.sh": {Data: []byte("#!\n"), Mode: 0o755}, "manifest.toml": {Data: []byte("manifest = 1\n")}, "mod.nu": {Data: []byte("use provider/kube\n")},
		}),
	}
}

func pack(t testing.TB, kept copies, members []extension.Member) [][]byte {
	t.Helper()
	parts, err := payload.Pack(t.Context(), members, kept.open)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// mounted are parts as a projected volume has them.
func mounted(parts ...[]byte) fstest.MapFS {
	volume := fstest.MapFS{"..data": {Mode: fs.ModeSymlink}}
	for i, part := range parts {
		volume[payload.PartName(i)] = &fstest.MapFile{Data: part}
	}
	return volume
}

func TestRoundTrip(t *testing.T) {
	g := NewWithT(t)
	kept, members := plan(t)
	stage := t.TempDir()
	g.Expect(payload.Unpack(mounted(pack(t, kept, members)...), members, stage)).To(Succeed())
	for _, m := range members {
		var packed bytes.Buffer
		folder := filepath.Join(stage, string(m.Key.Type), m.Key.Name)
		g.Expect(store.CanonicalTar(&packed, os.DirFS(folder))).To(Succeed())
		g.Expect(digestOf(packed.Bytes())).To(Equal(m.Digest))
	}
	info, err := os.Stat(filepath.Join(stage, "taskserv/hello/mod.nu"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode()).To(Equal(fs.FileMode(0o444)), "nobody writes it")
}

// Whatever a plan has comes out as it went in, and goes in the same each time.
func TestEveryPlanRoundTrips(t *testing.T) {
	scratch, tried := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		kept := copies{}
		var members []extension.Member
		for i := range rapid.IntRange(1, 4).Draw(t, "members") {
			files := fstest.MapFS{}
			for range rapid.IntRange(0, 5).Draw(t, "files") {
				name := rapid.StringMatching(`[a-c]{1,2}(\.d/[a-cé]{1,3})?\.nu`).Draw(t, "name")
				mode := rapid.SampledFrom([]fs.FileMode{0o644, 0o755}).Draw(t, "mode")
				files[name] = &fstest.MapFile{Data: rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "data"), Mode: mode}
			}
			members = append(members, kept.add(t, key(fmt.Sprint("member-", i)), files))
		}
		parts, err := payload.Pack(context.Background(), members, kept.open)
		if err != nil {
			t.Fatalf("%v", err)
		}
		again, err := payload.Pack(context.Background(), members, kept.open)
		if err != nil || !slices.EqualFunc(parts, again, bytes.Equal) {
			t.Fatalf("another time it is something else: %v", err)
		}
		tried++
		stage := filepath.Join(scratch, strconv.Itoa(tried))
		if err := os.Mkdir(stage, 0o755); err != nil {
			t.Fatalf("%v", err)
		}
		if err := payload.Unpack(mounted(parts...), members, stage); err != nil {
			t.Fatalf("%v", err)
		}
		for _, m := range members {
			var packed bytes.Buffer
			folder := filepath.Join(stage, string(m.Key.Type), m.Key.Name)
			if err := store.CanonicalTar(&packed, os.DirFS(folder)); err != nil || digestOf(packed.Bytes()) != m.Digest {
				t.Fatalf("%s came out as something else: %v", m.Key, err)
			}
		}
	})
}

// noise does not get smaller by packing.
func noise(t testing.TB, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestALargePlanHasSeveralParts(t *testing.T) {
	g := NewWithT(t)
	kept := copies{}
	members := []extension.Member{kept.add(t, key("large"), fstest.MapFS{"data": {Data: noise(t, 3<<20)}, "mod.nu": {}})}
	parts := pack(t, kept, members)
	g.Expect(len(parts)).To(BeNumerically(">", 3))
	for _, part := range parts[:len(parts)-1] {
		g.Expect(part).To(HaveLen(payload.PartSize))
	}
	g.Expect(payload.Unpack(mounted(parts...), members, t.TempDir())).To(Succeed())
}

func TestWhatIsTooLargeIsNotPacked(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"packed":   {noise(t, payload.PartSize*payload.MaxParts+1), "KiB packed, over the limit of 7200 KiB"},
		"unpacked": {make([]byte, payload.MaxUnpacked), "KiB unpacked, over the limit of 65536 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			kept := copies{}
			members := []extension.Member{kept.add(t, key("huge"), fstest.MapFS{"data": {Data: c.data}})}
			_, err := payload.Pack(t.Context(), members, kept.open)
			g.Expect(err).To(MatchError(And(ContainSubstring("taskserv:huge:1.0.0"), ContainSubstring(c.says), ContainSubstring("remove"))))
			g.Expect(extension.AsFault(err).Code).To(Equal(extension.LimitExceeded))
			g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Terminal))
		})
	}
}

func TestPackRefusesWhatTheStoreLost(t *testing.T) {
	g := NewWithT(t)
	kept, members := plan(t)
	kept[members[1].Digest] = fstest.MapFS{"mod.nu": {Data: []byte("other")}}
	_, err := payload.Pack(t.Context(), members, kept.open)
	g.Expect(err).To(MatchError(ContainSubstring("the store's copy of taskserv:hello:1.0.0 is not what its digest says")))
	g.Expect(extension.AsFault(err).Class()).To(Equal(extension.Retryable))
	delete(kept, members[1].Digest)
	_, err = payload.Pack(t.Context(), members, kept.open)
	g.Expect(err).To(MatchError(fs.ErrNotExist))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = payload.Pack(ctx, members, kept.open)
	g.Expect(err).To(MatchError(context.Canceled))
}

// entry is one of a tar made by hand.
type entry struct {
	header tar.Header
	data   []byte
}

func file(name string, data []byte) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, data}
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	for _, e := range entries {
		e.header.Size = int64(len(e.data))
		if err := tw.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	if _, err := zw.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWhatIsNotThePayloadIsRefused(t *testing.T) {
	kept, members := plan(t)
	large := copies{}
	several := []extension.Member{large.add(t, key("large"), fstest.MapFS{"data": {Data: noise(t, 2<<20)}})}
	parts := pack(t, large, several)
	good := pack(t, kept, members)[0]
	flipped := func(at int) []byte {
		data := slices.Clone(good)
		data[at] ^= 0x10
		return data
	}
	reversed := []extension.Member{members[1], members[0]}
	other := slices.Clone(members)
	other[1].Digest = digestOf([]byte("other"))
	renamed := slices.Clone(members)
	renamed[1].Key.Version = "1.0.1"
	for name, c := range map[string]struct {
		volume  fs.FS
		members []extension.Member
		says    string
	}{
		"no part":                {mounted(), members, "it has 0 parts"},
		"an empty part":          {mounted(nil), members, "not of gzip"},
		"no gzip":                {mounted([]byte("hello")), members, "not of gzip"},
		"no tar":                 {mounted(zipped(t, []byte("hello"))), members, "damaged"},
		"an empty tar":           {mounted(zipped(t, tarOf(t))), members, "it lacks provider:kube:1.2.3"},
		"cut":                    {mounted(good[:len(good)-9]), members, "damaged"},
		"a wrong checksum":       {mounted(flipped(len(good) - 6)), members, "damaged"},
		"a bit of it":            {mounted(flipped(len(good) / 2)), members, "in it"},
		"a missing last part":    {mounted(parts[:len(parts)-1]...), several, "damaged"},
		"swapped parts":          {mounted(parts[1], parts[0], parts[2]), several, "not of gzip"},
		"a missing middle part":  {mounted(parts[0], parts[2]), several, "damaged"},
		"a gap":                  {fstest.MapFS{"part-0": {Data: good}, "part-2": {}}, members, "part-1 is missing"},
		"something beside":       {fstest.MapFS{"part-0": {Data: good}, "evil.nu": {}}, members, "part-1 is missing"},
		"an extra part":          {mounted(good, []byte("more")), members, "4 bytes follow its end"},
		"a second payload":       {mounted(good, good), members, "bytes follow its end"},
		"nine parts":             {mounted(make([][]byte, 9)...), members, "it has 9 parts"},
		"a part too large":       {mounted(make([]byte, payload.PartSize+1)), members, "part-0 is larger than"},
		"more than was asked":    {mounted(good), members[:1], `it has "taskserv/hello/1.0.0.tar", which was not asked for`},
		"less than was asked":    {mounted(pack(t, kept, members[:1])[0]), members, "it lacks taskserv:hello:1.0.0"},
		"another order":          {mounted(good), reversed, `it has "provider/kube/1.2.3.tar" where taskserv:hello:1.0.0 was asked for`},
		"another digest":         {mounted(good), other, "asked for was " + string(other[1].Digest)},
		"another version":        {mounted(good), renamed, "where taskserv:hello:1.0.1 was asked for"},
		"padding behind the tar": {mounted(zipped(t, slices.Concat(tarOf(t), make([]byte, 1<<20)))), nil, "goes on behind its end"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			err := payload.Unpack(c.volume, c.members, t.TempDir())
			g.Expect(err).To(MatchError(And(ContainSubstring("the payload is refused: "), ContainSubstring(c.says))))
			var refused *payload.RefusedError
			g.Expect(errors.As(err, &refused)).To(BeTrue())
		})
	}
}

// Even under its right digest, no tar reaches out of its folder or is other than a canonical one.
func TestHostileTarsAreRefused(t *testing.T) {
	link := func(kind byte) entry {
		return entry{header: tar.Header{Typeflag: kind, Name: "mod.nu", Linkname: "/etc/passwd"}}
	}
	for name, entries := range map[string][]entry{
		"above":            {file("../evil", []byte("x"))},
		"above, in it":     {file("a/../../evil", []byte("x"))},
		"absolute":         {file("/evil", []byte("x"))},
		"of no name":       {file(".", nil)},
		"backslash":        {file(`a\b`, nil)},
		"a link":           {link(tar.TypeSymlink)},
		"a hard link":      {link(tar.TypeLink)},
		"a folder":         {{header: tar.Header{Typeflag: tar.TypeDir, Name: "a/"}}},
		"a FIFO":           {{header: tar.Header{Typeflag: tar.TypeFifo, Name: "a"}}},
		"twice":            {file("a", nil), file("a", []byte("x"))},
		"not sorted":       {file("b", nil), file("a", nil)},
		"a file as folder": {file("a", nil), file("a/b", nil)},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			inner := tarOf(t, entries...)
			m := extension.Member{Key: key("evil"), Digest: digestOf(inner)}
			folder := t.TempDir()
			stage := filepath.Join(folder, "stage")
			g.Expect(os.Mkdir(stage, 0o755)).To(Succeed())
			err := payload.Unpack(mounted(zipped(t, tarOf(t, file("taskserv/evil/1.0.0.tar", inner)))), []extension.Member{m}, stage)
			g.Expect(err).To(HaveOccurred())
			g.Expect(filepath.Glob(filepath.Join(folder, "evil"))).To(BeEmpty())
			g.Expect(filepath.Join(stage, "taskserv/evil/evil")).NotTo(BeAnExistingFile())
		})
	}
}

// A link that lies where the stage is to be filled is not followed out of it.
func TestTheStageIsNotLeft(t *testing.T) {
	g := NewWithT(t)
	kept, members := plan(t)
	stage, outside := t.TempDir(), t.TempDir()
	g.Expect(os.Symlink(outside, filepath.Join(stage, "provider"))).To(Succeed())
	g.Expect(payload.Unpack(mounted(pack(t, kept, members)...), members, stage)).NotTo(Succeed())
	g.Expect(filepath.Glob(filepath.Join(outside, "*"))).To(BeEmpty())
}

func TestWhatCannotBeReadOrWrittenIsNotRefused(t *testing.T) {
	g := NewWithT(t)
	kept, members := plan(t)
	parts := pack(t, kept, members)
	file := filepath.Join(t.TempDir(), "file")
	g.Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
	var refused *payload.RefusedError
	for name, err := range map[string]error{
		"no volume": payload.Unpack(os.DirFS(filepath.Join(file, "payload")), members, t.TempDir()),
		"no stage":  payload.Unpack(mounted(parts...), members, file),
	} {
		g.Expect(err).To(HaveOccurred(), name)
		g.Expect(errors.As(err, &refused)).To(BeFalse(), name)
	}
}

// Whatever a payload is made of, what comes out is the plan that was asked for or an error, and nothing is outside.
func FuzzUnpack(f *testing.F) {
	kept, members := plan(f)
	good := pack(f, kept, members)[0]
	f.Add(good)
	f.Add(zipped(f, tarOf(f, file("provider/kube/1.2.3.tar", []byte("x")))))
	f.Add(good[:len(good)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, part []byte) {
		stage := t.TempDir()
		err := payload.Unpack(mounted(part), members, stage)
		if err != nil {
			return
		}
		for _, m := range members {
			var packed bytes.Buffer
			folder := filepath.Join(stage, string(m.Key.Type), m.Key.Name)
			if err := store.CanonicalTar(&packed, os.DirFS(folder)); err != nil || digestOf(packed.Bytes()) != m.Digest {
				t.Fatalf("%s came out as something else: %v", m.Key, err)
			}
		}
	})
}

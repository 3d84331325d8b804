// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"provisioning.dev/extension-operator/internal/extension"
)

// TestBadVersions breaks one version in every way; its neighbour stays good, and
// mended it is good again.
func TestBadVersions(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fixture, dir string)
		code  extension.Code
		words string
	}{
		"manifest missing":      {remove("manifest.toml"), extension.InvalidMetadata, "extensions/taskservs/bad/1.0.0 has no manifest.toml; add it"},
		"module missing":        {remove("mod.nu"), extension.InvalidMetadata, "extensions/taskservs/bad/1.0.0 has no mod.nu; add"},
		"manifest empty":        {put("manifest.toml", ""), extension.InvalidMetadata, "extensions/taskservs/bad/1.0.0/manifest.toml: it is empty"},
		"wrong type":            {put("manifest.toml", strings.Replace(manifest("bad", "1.0.0"), `"1.0.0"`, "1.0", 1)), extension.InvalidMetadata, "line 4: version is a number"},
		"unknown key":           {put("manifest.toml", manifest("bad", "1.0.0")+"color = 1\n"), extension.InvalidMetadata, `line 6: unknown key "color"`},
		"newer format":          {put("manifest.toml", "manifest = 7\n"), extension.InvalidMetadata, "needs a newer operator"},
		"build metadata":        {put("manifest.toml", manifest("bad", "1.0.0+b")), extension.InvalidMetadata, "without build metadata"},
		"another version":       {put("manifest.toml", manifest("bad", "1.0.1")), extension.InvalidMetadata, `version is "1.0.1" but its folder is "1.0.0"; make them the same`},
		"another name":          {put("manifest.toml", manifest("good", "1.0.0")), extension.InvalidMetadata, `name is "good" but its folder is "bad"`},
		"another type":          {put("manifest.toml", strings.Replace(manifest("bad", "1.0.0"), "taskserv", "cluster", 1)), extension.InvalidMetadata, `type is "cluster" but it lies in taskservs`},
		"10 MB":                 {put("manifest.toml", strings.Repeat("#", 10<<20)), extension.LimitExceeded, "262144 bytes for a manifest"},
		"not UTF-8":             {put("manifest.toml", "\xff"), extension.InvalidMetadata, "it is not UTF-8"},
		"a link out":            {link("../../../../../secret", "x.nu"), extension.InvalidMetadata, "taskservs/bad/1.0.0/x.nu leads out of the library"},
		"a manifest by ..":      {link("../../../../manifest.toml", "manifest.toml"), extension.InvalidMetadata, "manifest.toml leads out of the library"},
		"a FIFO":                {fifo("pipe"), extension.InvalidMetadata, "is a FIFO"},
		"a FIFO as the module":  {fifo("mod.nu"), extension.InvalidMetadata, "mod.nu is a FIFO"},
		"a device":              {device, extension.InvalidMetadata, "1.0.0/zero is a "},
		"a socket":              {socket, extension.InvalidMetadata, "is a socket"},
		"100,000 files":         {many(100_000), extension.LimitExceeded, "4096 files and folders"},
		"a deep tree":           {put(strings.Repeat("d/", 60)+"x", ""), extension.LimitExceeded, "16 levels of folders"},
		"a version linked out":  {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir)); link("/etc", "")(f, dir) }, extension.InvalidMetadata, "bad/1.0.0 leads out of the library"},
		"a version to nowhere":  {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir)); link("../none", "")(f, dir) }, extension.InvalidMetadata, "bad/1.0.0 leads nowhere"},
		"a version that is one": {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir)); must(f.t, os.Symlink("..", dir)) }, extension.InvalidMetadata, "leads back to a folder above it"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.add("good", "1.0.0")
			c.spoil(f, f.add("bad", "1.0.0"))
			f.start()
			f.g.Expect(f.module("good", "1.0.0")).To(Equal(module))
			f.g.Expect(f.versions("bad")).To(Equal([]string{"1.0.0"}))
			_, err := f.fetch("bad", "1.0.0")
			fault := faultOf(t, err)
			f.g.Expect(fault.Code).To(Equal(c.code))
			f.g.Expect(fault.Class()).To(Equal(extension.Terminal))
			f.g.Expect(fault.Message).To(ContainSubstring(c.words))
			_, again := f.fetch("bad", "1.0.0")
			f.g.Expect(again).To(Equal(err))
			f.g.Expect(os.ReadDir(filepath.Join(f.cache, "tmp"))).To(BeEmpty())

			must(t, os.RemoveAll(f.path("taskservs/bad/1.0.0")))
			f.add("bad", "1.0.0")
			f.told("builtin taskserv/bad")
			f.g.Expect(f.module("bad", "1.0.0")).To(Equal(module))
		})
	}
}

func remove(name string) func(*fixture, string) {
	return func(f *fixture, dir string) { must(f.t, os.Remove(filepath.Join(dir, name))) }
}

func put(name, content string) func(*fixture, string) {
	return func(f *fixture, dir string) {
		rel, err := filepath.Rel(f.dir, filepath.Join(dir, name))
		must(f.t, err)
		f.write(rel, content)
	}
}

func link(target, name string) func(*fixture, string) {
	return func(f *fixture, dir string) {
		_ = os.Remove(filepath.Join(dir, name))
		must(f.t, os.Symlink(target, filepath.Join(dir, name)))
	}
}

func fifo(name string) func(*fixture, string) {
	return func(f *fixture, dir string) {
		_ = os.Remove(filepath.Join(dir, name))
		must(f.t, unix.Mkfifo(filepath.Join(dir, name), 0o644))
	}
}

// device makes a device where the user may, and says what it makes instead.
func device(f *fixture, dir string) {
	err := unix.Mknod(filepath.Join(dir, "zero"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5)))
	if err != nil {
		f.t.Logf("no device can be made here (%v): a FIFO takes its place", err)
		fifo("zero")(f, dir)
	}
}

// socket is bound by its relative name: the path of a test is too long for one.
func socket(f *fixture, dir string) {
	before, err := os.Getwd()
	must(f.t, err)
	must(f.t, os.Chdir(dir))
	l, err := net.Listen("unix", "sock")
	must(f.t, os.Chdir(before))
	must(f.t, err)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	must(f.t, l.Close())
}

// many makes n files, most of them as links to others, which is faster.
func many(n int) func(*fixture, string) {
	return func(f *fixture, dir string) {
		var first string
		for i := range n {
			name := filepath.Join(dir, fmt.Sprint("f", i))
			if i%50_000 == 0 {
				first = name
				must(f.t, os.WriteFile(name, nil, 0o644))
				continue
			}
			must(f.t, os.Link(first, name))
		}
	}
}

// TestBadNames breaks a name as a whole: Find says what is wrong, and so the
// name stays the library's own.
func TestBadNames(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(f *fixture, dir string)
		code  extension.Code
		words string
	}{
		"manifest beside versions": {put("manifest.toml", manifest("bad", "1.0.0")), extension.InvalidMetadata, "extensions/taskservs/bad has manifest.toml beside version folders (1.0.0); move it"},
		"one version, bad": {func(f *fixture, dir string) {
			must(f.t, os.RemoveAll(dir+"/1.0.0"))
			put("manifest.toml", "manifest = 1\n")(f, dir)
		}, extension.InvalidMetadata, "extensions/taskservs/bad/manifest.toml: name is missing"},
		"one version, no manifest": {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir+"/1.0.0")); put("mod.nu", module)(f, dir) }, extension.InvalidMetadata, "extensions/taskservs/bad has no manifest.toml"},
		"5,000 files beside":       {many(5_000), extension.LimitExceeded, "extensions/taskservs/bad is over the limit of 4096 files and folders"},
		"linked out":               {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir)); link("/etc", "")(f, dir) }, extension.InvalidMetadata, "extensions/taskservs/bad leads out of the library"},
		"linked to nowhere":        {func(f *fixture, dir string) { must(f.t, os.RemoveAll(dir)); link("none", "")(f, dir) }, extension.InvalidMetadata, "extensions/taskservs/bad leads nowhere"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.add("good", "1.0.0")
			f.add("bad", "1.0.0")
			c.spoil(f, f.path("taskservs/bad"))
			f.start()
			f.g.Expect(f.module("good", "1.0.0")).To(Equal(module))
			_, found, err := f.find("bad")
			f.g.Expect(found).To(BeTrue())
			fault := faultOf(t, err)
			f.g.Expect(fault.Code).To(Equal(c.code))
			f.g.Expect(fault.Class()).To(Equal(extension.Terminal))
			f.g.Expect(fault.Message).To(ContainSubstring(c.words))

			must(t, os.RemoveAll(f.path("taskservs/bad")))
			f.add("bad", "1.0.0")
			f.g.Eventually(func() string { return f.module("bad", "1.0.0") }, "10s", "20ms").Should(Equal(module))
		})
	}
}

func TestAnIncompleteVersionIsOfferedAsOne(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.write("taskservs/etcd/1.1.0/mod.nu", module)
	f.write("taskservs/etcd/1.2.0/manifest.toml", manifest("etcd", "1.2.0"))
	f.write("taskservs/solo/manifest.toml", manifest("solo", "1.0.0"))
	f.start()
	offers, _, err := f.find("etcd")
	must(t, err)
	f.g.Expect(offers).To(Equal([]extension.Offer{
		{Version: "1.2.0", Incomplete: "it has no mod.nu yet"},
		{Version: "1.1.0", Incomplete: "it has no manifest.toml yet"},
		{Version: "1.0.0"},
	}))
	offers, _, err = f.find("solo")
	must(t, err)
	f.g.Expect(offers).To(Equal([]extension.Offer{{Version: "1.0.0", Incomplete: "it has no mod.nu yet"}}))
	f.write("taskservs/etcd/1.2.0/mod.nu", module)
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.2.0")).To(Equal(module))
}

func TestALibraryThatIsNone(t *testing.T) {
	f := newFixture(t)
	for _, spoil := range []func() error{
		func() error { return os.Mkdir(f.dir, 0o755) },
		func() error { return nil },
		func() error { return os.WriteFile(f.dir, nil, 0o644) },
	} {
		must(t, os.RemoveAll(f.dir))
		must(t, spoil())
		_, found, err := f.find("etcd")
		fault := faultOf(t, err)
		f.g.Expect(found).To(BeFalse())
		f.g.Expect(fault.Code).To(Equal(extension.CatalogUnavailable))
		f.g.Expect(fault.Class()).To(Equal(extension.Retryable))
	}
	must(t, os.Remove(f.dir))
	f.add("etcd", "1.0.0")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module), "and it heals without Start")
}

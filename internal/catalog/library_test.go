// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestFindAndFetch(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	f.add("etcd", "3.10.1")
	f.add("etcd", "3.6.0-rc.1")
	f.write("taskservs/etcd/README.md", "about it")
	f.write("taskservs/etcd/docs/index.md", "no version")
	f.start()

	f.g.Expect(f.versions("etcd")).To(Equal([]string{"3.10.1", "3.6.0-rc.1", "3.5.0"}))
	m, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(m.Key).To(Equal(key("etcd", "3.5.0")))
	f.g.Expect(m.Catalog).To(Equal("builtin"))
	f.g.Expect(m.Path).To(Equal("extensions/taskservs/etcd/3.5.0"))
	f.g.Expect(m.Metadata.Description).To(Equal("the etcd"))
	f.g.Expect(f.store.ReadFile(m.Digest, ModuleName)).To(BeEquivalentTo(module))
	again, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(again).To(Equal(m))

	_, found, err := f.find("none")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
	_, err = f.fetch("none", "1.0.0")
	f.g.Expect(faultOf(t, err).Code).To(Equal(extension.ExtensionNotFound))
	_, err = f.fetch("etcd", "9.9.9")
	missing := faultOf(t, err)
	f.g.Expect(missing.Code).To(Equal(extension.VersionNotFound))
	f.g.Expect(missing.Available).To(Equal([]string{"3.10.1", "3.6.0-rc.1", "3.5.0"}))
	f.g.Expect(missing.Message).To(ContainSubstring("available: 3.10.1, 3.6.0-rc.1, 3.5.0"))
}

func TestOneVersionPerFolder(t *testing.T) {
	f := newFixture(t)
	f.write("taskservs/etcd/manifest.toml", manifest("etcd", "3.5.0"))
	f.write("taskservs/etcd/mod.nu", module)
	f.write("taskservs/etcd/templates/etcd.env", "x")
	f.start()
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"3.5.0"}))
	m, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(m.Path).To(Equal("extensions/taskservs/etcd"))
	_, err = f.fetch("etcd", "3.6.0")
	f.g.Expect(faultOf(t, err).Code).To(Equal(extension.VersionNotFound))

	f.write("taskservs/etcd/manifest.toml", manifest("etcd", "3.6.0"))
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"3.6.0"}))
}

func TestANameOwnsItselfByItsFolder(t *testing.T) {
	f := newFixture(t)
	must(t, os.Mkdir(f.path("taskservs/empty"), 0o755))
	f.write("taskservs/afile", "no folder")
	f.start()
	offers, found, err := f.find("empty")
	must(t, err)
	f.g.Expect(found).To(BeTrue())
	f.g.Expect(offers).To(BeEmpty())
	_, found, err = f.find("afile")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
	_, found, err = f.find("../etc")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
}

// TestWithoutStart is the library of a command: read when it is asked.
func TestWithoutStart(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0") // just now: the first answer waits until it has come to rest
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"3.5.0"}))
	_, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(f.Synced()).To(BeZero())
	_, found, err := f.find("none")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
	f.Library.mu.RLock()
	defer f.Library.mu.RUnlock()
	f.g.Expect(f.names).To(HaveLen(1), "a name that is not there keeps no memory")
}

func TestDiscover(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	f.add("etcd", "3.10.0")
	f.add("broken", "1.0.0")
	f.write("taskservs/broken/1.0.0/manifest.toml", "manifest = 2\n")
	f.write("taskservs/broken/nightly/manifest.toml", manifest("broken", "1.0.0"))
	f.write("taskservs/Bad_Name/manifest.toml", manifest("x", "1.0.0"))
	f.write("providers/local/manifest.toml", "manifest = 1\nname = \"local\"\ntype = \"provider\"\nversion = \"0.1.0\"\ndescription = \"x\"\n")
	f.write("providers/local/mod.nu", module)
	f.start()
	entries, err := f.Discover(t.Context())
	must(t, err)
	var lines []string
	for _, e := range entries {
		line := string(e.Type) + " " + e.Name + " " + e.Version + " " + e.Path
		if e.Fault != nil {
			line += " ! " + e.Fault.Message
		} else {
			line += " " + e.Metadata.Description
		}
		lines = append(lines, line)
	}
	f.g.Expect(lines).To(HaveExactElements(
		"provider local 0.1.0 extensions/providers/local x",
		HavePrefix("taskserv Bad_Name  extensions/taskservs/Bad_Name ! extensions/taskservs/Bad_Name is not a DNS label; rename it"),
		HavePrefix("taskserv broken 1.0.0 extensions/taskservs/broken/1.0.0 ! extensions/taskservs/broken/1.0.0/manifest.toml: line 1: manifest = 2 needs a newer operator"),
		HavePrefix("taskserv broken  extensions/taskservs/broken/nightly ! extensions/taskservs/broken/nightly has a manifest, but its folder is not named by an exact version"),
		"taskserv etcd 3.10.0 extensions/taskservs/etcd/3.10.0 the etcd",
		"taskserv etcd 3.5.0 extensions/taskservs/etcd/3.5.0 the etcd",
	))
	f.g.Expect(f.versions("broken")).To(Equal([]string{"1.0.0"}), "what is named by no version is not offered")
}

func TestDiscoverWithoutStart(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	entries, err := f.Discover(t.Context())
	must(t, err)
	f.g.Expect(entries).To(HaveLen(1))
	must(t, os.RemoveAll(filepath.Dir(f.dir)))
	_, err = f.open().Discover(t.Context())
	f.g.Expect(faultOf(t, err).Code).To(Equal(extension.CatalogUnavailable))
}

func TestRefreshReadsNow(t *testing.T) {
	f := newFixture(t)
	f.write("taskservs/etcd/3.5.0/manifest.toml", manifest("etcd", "3.5.0"))
	f.write("taskservs/etcd/3.5.0/mod.nu", module)
	must(t, f.Refresh(t.Context(), extension.Taskserv, "etcd"))
	f.g.Expect(f.module("etcd", "3.5.0")).To(Equal(module))
	f.write("taskservs/etcd/3.5.0/mod.nu", module+"# two\n")
	f.add("etcd", "3.6.0")
	must(t, f.Refresh(t.Context(), extension.Taskserv, "etcd"))
	f.g.Expect(f.module("etcd", "3.5.0")).To(Equal(module + "# two\n"))
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"3.6.0", "3.5.0"}))
	must(t, f.Refresh(t.Context(), extension.Taskserv, "none"))
	must(t, os.RemoveAll(f.dir))
	f.g.Expect(faultOf(t, f.Refresh(t.Context(), extension.Taskserv, "etcd")).Code).To(Equal(extension.CatalogUnavailable))
}

// TestRefreshTrustsNoStat changes content behind an unchanged memory of it.
func TestRefreshTrustsNoStat(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	m, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.Library.mu.Lock()
	f.names[id{extension.Taskserv, "etcd"}].parts["3.5.0"].checked.digest = extension.Digest("sha256:" + "0000000000000000000000000000000000000000000000000000000000000000")
	f.Library.mu.Unlock()
	must(t, f.Refresh(t.Context(), extension.Taskserv, "etcd"))
	f.g.Expect(f.taken()).To(ContainElement("builtin taskserv/etcd"))
	again, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(again.Digest).To(Equal(m.Digest))
}

func TestStoreDeletedUnderWay(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	f.start()
	m, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	must(t, os.RemoveAll(filepath.Join(f.cache, "sha256", m.Digest.Hex())))
	again, err := f.fetch("etcd", "3.5.0")
	must(t, err)
	f.g.Expect(again).To(Equal(m))
	f.g.Expect(f.store.Has(m.Digest)).To(BeTrue())
	f.g.Expect(f.taken()).To(BeEmpty())
}

func TestConcurrentAskers(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"a", "b", "c"} {
		f.add(name, "1.0.0")
	}
	f.start()
	var all sync.WaitGroup
	for i := range 48 {
		name := string(rune('a' + i%3))
		all.Go(func() {
			m, err := f.fetch(name, "1.0.0")
			f.g.Expect(err).NotTo(HaveOccurred())
			f.g.Expect(m.Metadata.Name).To(Equal(name))
			if i%8 == 0 {
				f.g.Expect(f.Refresh(f.t.Context(), extension.Taskserv, name)).To(Succeed())
			}
			_, err = f.Discover(f.t.Context())
			f.g.Expect(err).NotTo(HaveOccurred())
		})
	}
	all.Wait()
	f.g.Expect(f.taken()).To(BeEmpty())
}

func TestAskingEndsWithItsContext(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	<-ctx.Done()
	_, _, err := f.Find(ctx, "", extension.Taskserv, "etcd")
	f.g.Expect(err).To(MatchError(context.DeadlineExceeded))
	_, err = f.Discover(ctx)
	f.g.Expect(err).To(MatchError(context.DeadlineExceeded))
}

func TestNewLibraryNeeds(t *testing.T) {
	g := NewWithT(t)
	_, err := NewLibrary(Options{Name: "x", Dir: "."})
	g.Expect(err).To(MatchError(ContainSubstring("a store")))
}

// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestRecallGivesWhatWasThereThen(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	key := key("etcd", "3.5.0")
	then, err := f.Fetch(t.Context(), key)
	must(t, err)
	f.write("taskservs/etcd/3.5.0/mod.nu", "# changed")
	f.g.Eventually(func() extension.Digest {
		must(t, f.Refresh(t.Context(), key.Type, key.Name))
		now, err := f.Fetch(t.Context(), key)
		must(t, err)
		return now.Digest
	}, "10s").ShouldNot(Equal(then.Digest))

	got, found, err := f.Recall(t.Context(), key, then.Digest)
	must(t, err)
	f.g.Expect(found).To(BeTrue(), "the store has it")
	f.g.Expect(got.Digest).To(Equal(then.Digest))
	f.g.Expect(got.Metadata).To(Equal(then.Metadata))

	other := key
	other.Version = "3.6.0"
	_, found, err = f.Recall(t.Context(), other, then.Digest)
	must(t, err)
	f.g.Expect(found).To(BeFalse(), "it is another version's content")

	must(t, os.RemoveAll(filepath.Join(f.cache, "sha256")))
	_, found, err = f.Recall(t.Context(), key, then.Digest)
	must(t, err)
	f.g.Expect(found).To(BeFalse(), "the store has lost it, and the library has another")
	now, err := f.Fetch(t.Context(), key)
	must(t, err)
	got, found, err = f.Recall(t.Context(), key, now.Digest)
	must(t, err)
	f.g.Expect(found).To(BeTrue(), "the library has it")
	f.g.Expect(got).To(Equal(extension.Member{Key: key, Catalog: "builtin", Digest: now.Digest, Metadata: now.Metadata}))

	_, found, err = f.Recall(t.Context(), extension.Key{Type: extension.Taskserv, Name: "nothing", Version: "1.0.0"}, "sha256:nonsense")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
}

func TestNamesAreTheSameBeforeAndAfterTheFirstScan(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "3.5.0")
	f.add("containerd", "2.0.0")
	f.write("providers/local/manifest.toml", "manifest = 1\n")
	f.rest()
	names := func(kind extension.Type) []string {
		names, err := f.Names(t.Context(), "", kind)
		must(t, err)
		return names
	}
	for range 2 {
		f.g.Expect(names(extension.Taskserv)).To(ConsistOf("etcd", "containerd"))
		f.g.Expect(names(extension.Provider)).To(ConsistOf("local"))
		f.g.Expect(names(extension.Cluster)).To(BeEmpty())
		if f.Synced().IsZero() {
			f.start()
		}
	}
	_, found, err := f.Find(t.Context(), "", extension.Taskserv, "asked-for-in-vain")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
	f.g.Expect(names(extension.Taskserv)).To(HaveLen(2))
}

func TestALibraryThatIsAwayHasNoNames(t *testing.T) {
	f := newFixture(t)
	must(t, os.RemoveAll(f.dir))
	_, err := f.Names(t.Context(), "", extension.Taskserv)
	f.g.Expect(extension.AsFault(err).Code).To(Equal(extension.CatalogUnavailable))
}

// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"strings"
	"testing"
	"unsafe"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

func loadedExtension(name string) *api.Extension {
	text := strings.Clone
	return &api.Extension{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Annotations: map[string]string{lastApplied: "{}", "kept": "yes"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl"}},
		},
		Status: api.ExtensionStatus{
			Digest: text("sha256:abc"), InputDigest: text("sha256:def"),
			Conditions:    append(make([]metav1.Condition, 0, 4), metav1.Condition{Type: text("Ready"), Message: text("loaded it")}),
			Metadata:      &api.ExtensionMetadata{Description: text("a description")},
			LastAttempted: &api.Attempt{Generation: 1},
			Hooks:         []string{text("install")},
			Dependencies:  []api.DependencyStatus{{Type: text("taskserv"), Name: text("etcd"), State: text("Loaded")}},
			History:       []api.HistoryEntry{{Version: text("1.0.0")}},
		},
	}
}

func trimmed(t *testing.T, ext *api.Extension) *api.Extension {
	t.Helper()
	out, err := Trim(ext)
	if err != nil {
		t.Fatal(err)
	}
	return out.(*api.Extension)
}

func TestTrimKeepsWhatObjectsSay(t *testing.T) {
	g := NewWithT(t)
	ext := trimmed(t, loadedExtension("one"))
	want := loadedExtension("one")
	want.ManagedFields = nil
	delete(want.Annotations, lastApplied)
	g.Expect(ext).To(Equal(want))
}

func TestTrimSharesEqualWords(t *testing.T) {
	g := NewWithT(t)
	one, two := trimmed(t, loadedExtension("one")), trimmed(t, loadedExtension("two"))
	g.Expect(unsafe.StringData(one.Status.Digest)).To(BeIdenticalTo(unsafe.StringData(two.Status.Digest)))
	g.Expect(one.Status.Metadata).To(BeIdenticalTo(two.Status.Metadata))
	g.Expect(&one.Status.Dependencies[0]).To(BeIdenticalTo(&two.Status.Dependencies[0]))
	g.Expect(cap(one.Status.Conditions)).To(Equal(1))
}

func TestTrimDoesNotMixWhatDiffers(t *testing.T) {
	g := NewWithT(t)
	one := trimmed(t, loadedExtension("one"))
	forged := loadedExtension("two")
	forged.Status.Metadata.Description = "another, under the same digest"
	forged.Status.LastAttempted.Generation = 7
	two := trimmed(t, forged)
	g.Expect(two.Status.Metadata.Description).To(Equal("another, under the same digest"))
	g.Expect(two.Status.LastAttempted.Generation).To(BeEquivalentTo(7))
	g.Expect(one.Status.Metadata.Description).To(Equal("a description"))
}

func TestTrimTakesTombstones(t *testing.T) {
	g := NewWithT(t)
	tombstone := cache.DeletedFinalStateUnknown{Key: "default/one"}
	out, err := Trim(tombstone)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(out).To(Equal(tombstone))
}

func TestThePoolIsBounded(t *testing.T) {
	g := NewWithT(t)
	known := map[string]string{}
	for i := range 3 * maxShared {
		key := strings.Repeat("x", i%64) + string(rune(i))
		same(known, key, key)
	}
	g.Expect(len(known)).To(BeNumerically("<=", maxShared))
}

// SPDX-License-Identifier: Apache-2.0

package extension_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestTypes(t *testing.T) {
	g := NewWithT(t)
	g.Expect(extension.Types()).To(Equal([]extension.Type{"provider", "taskserv", "cluster"}))
	for _, kind := range extension.Types() {
		g.Expect(kind.Valid()).To(BeTrue())
		g.Expect(kind.Folder()).To(Equal(string(kind) + "s"))
	}
	for _, kind := range []extension.Type{"", "Taskserv", "taskservs", "../taskserv"} {
		g.Expect(kind.Valid()).To(BeFalse(), "%q", kind)
	}
}

func TestValidName(t *testing.T) {
	g := NewWithT(t)
	for _, name := range []string{"a", "0", "kubernetes", "my-db-2", strings.Repeat("a", extension.MaxNameLength)} {
		g.Expect(extension.ValidName(name)).To(BeTrue(), name)
	}
	for _, name := range []string{
		"", "-a", "a-", "A", "a_b", "a.b", "a/b", "..", "a b", "a\n", "a'b", "é", "$a", "a:b", "a@1",
		strings.Repeat("a", extension.MaxNameLength+1),
	} {
		g.Expect(extension.ValidName(name)).To(BeFalse(), "%q", name)
	}
}

func TestRefReadsAsPeopleWriteIt(t *testing.T) {
	g := NewWithT(t)
	ref := extension.Ref{Catalog: "builtin", Type: extension.Taskserv, Name: "kubernetes"}
	g.Expect(ref.String()).To(Equal("taskserv/kubernetes"))
	ref.Constraint = ">=1.27 <1.30"
	g.Expect(ref.String()).To(Equal("taskserv/kubernetes@>=1.27 <1.30"))
}

func TestKeyString(t *testing.T) {
	NewWithT(t).Expect(extension.Key{Type: "taskserv", Name: "kubernetes", Version: "1.28.0"}.String()).To(Equal("taskserv:kubernetes:1.28.0"))
}

func TestParseKeyReadsWhatStringWrites(t *testing.T) {
	g := NewWithT(t)
	key := extension.Key{Type: "taskserv", Name: "kubernetes", Version: "1.28.0-rc.1"}
	got, ok := extension.ParseKey(key.String())
	g.Expect(ok).To(BeTrue())
	g.Expect(got).To(Equal(key))
	for _, text := range []string{"", "taskserv", "taskserv:kubernetes"} {
		_, ok := extension.ParseKey(text)
		g.Expect(ok).To(BeFalse(), "%q", text)
	}
}

func TestDigest(t *testing.T) {
	g := NewWithT(t)
	hex := strings.Repeat("0123456789abcdef", 4)
	g.Expect(extension.Digest("sha256:" + hex).Valid()).To(BeTrue())
	g.Expect(extension.Digest("sha256:" + hex).Hex()).To(Equal(hex))
	for _, d := range []extension.Digest{
		"", extension.Digest(hex), extension.Digest("sha512:" + hex), extension.Digest("sha256:" + strings.ToUpper(hex)),
		extension.Digest("sha256:" + hex + "0"), extension.Digest("sha256:" + hex + "\n"), extension.Digest("sha256:../" + hex[3:]),
	} {
		g.Expect(d.Valid()).To(BeFalse(), "%q", d)
	}
}

func TestPlanRootIsItsLastMember(t *testing.T) {
	g := NewWithT(t)
	root := extension.Metadata{Type: extension.Cluster, Name: "buildkit", Version: "1.0.0"}
	plan := extension.Plan{Members: []extension.Member{
		{Key: extension.Key{Type: extension.Taskserv, Name: "containerd", Version: "1.7.0"}},
		{Key: root.Key(), Metadata: root},
	}}
	g.Expect(plan.Root().Key.String()).To(Equal("cluster:buildkit:1.0.0"))
}

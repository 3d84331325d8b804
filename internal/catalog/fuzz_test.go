// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"provisioning.dev/extension-operator/internal/extension"
)

// FuzzParseManifest holds that a manifest is valid through and through or gives a
// Fault that is one bounded line.
func FuzzParseManifest(f *testing.F) {
	for _, seed := range []string{
		good, manifest("etcd", "3.5.0-rc.1"), "", "\xef\xbb\xbf" + good, "manifest = 2\nnews = 1\n", "manifest = 1979-05-27\n",
		strings.ReplaceAll(good, "\n", "\r\n"),
		strings.Replace(good, "author", strings.Repeat("long", 1000), 1),
		strings.Replace(good, "author", `"a\nb\u0000"`, 1),
		strings.Replace(good, "author", `name."a\nb"`, 1),
		strings.Replace(good, "containerd", strings.Repeat("long", 1000), 1),
		strings.Replace(good, "containerd", `etcd@\u0000`, 1),
		strings.Replace(good, "kubernetes", strings.Repeat("\u00e9", 32), 1),
		good + "[a.b.c]\n[[d]]\nx = {y = [1, {z = 2}]}\n",
		good + "a = [" + strings.Repeat("[", 2000) + strings.Repeat("]", 2000) + "]\n",
		good + `"a\nb" = 1` + "\n" + `"a\nb" = 2` + "\n",
		good + strings.Repeat("k", 5000) + " = 1\n" + strings.Repeat("k", 5000) + " = 1\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(data)
		if err != nil {
			checkFault(t, faultOf(t, err))
			return
		}
		checkMetadata(t, m)
	})
}

func checkFault(t *testing.T, fault *extension.Fault) {
	t.Helper()
	if fault.Code != extension.InvalidMetadata && fault.Code != extension.LimitExceeded || fault.Class() != extension.Terminal {
		t.Fatalf("code %s, class %v", fault.Code, fault.Class())
	}
	m := fault.Message
	if m == "" || len(m) > maxMessageBytes || !utf8.ValidString(m) || strings.ContainsFunc(m, unicode.IsControl) {
		t.Fatalf("a message of %d bytes: %q", len(m), m)
	}
}

func checkMetadata(t *testing.T, m extension.Metadata) {
	t.Helper()
	switch {
	case !m.Type.Valid(), !extension.ValidName(m.Name), !extension.ValidVersion(m.Version), strings.TrimSpace(m.Description) == "",
		len(m.Description) > MaxDescriptionBytes, len(m.Author) > MaxAuthorBytes, len(m.Repository) > MaxRepositoryBytes,
		m.Repository != "" && !webAddress(m.Repository), len(m.Dependencies) > MaxDependencies:
		t.Fatalf("%+v is not valid", m)
	}
	seen := map[extension.Dependency]bool{{Type: m.Type, Name: m.Name}: true}
	for _, d := range m.Dependencies {
		who := extension.Dependency{Type: d.Type, Name: d.Name}
		_, err := extension.ParseConstraint(d.Constraint)
		if err != nil || seen[who] || !d.Type.Valid() || !extension.ValidName(d.Name) {
			t.Fatalf("dependency %+v of %+v is not valid: %v", d, m, err)
		}
		seen[who] = true
	}
}

// SPDX-License-Identifier: Apache-2.0

package installation_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/installation"
)

// shelves are catalogs with members and what hooks each has.
type shelves struct {
	members []extension.Member
	hooks   map[string][]string
	err     error
	// asked are the roots of plans whose hooks somebody wanted to know.
	asked []string
}

func (s *shelves) Recall(_ context.Context, key extension.Key, digest extension.Digest) (extension.Member, bool, error) {
	for _, m := range s.members {
		if m.Key == key && (digest == "" || digest == m.Digest) {
			return m, true, s.err
		}
	}
	return extension.Member{}, false, s.err
}

func (s *shelves) Hooks(_ context.Context, asker extension.Asker, plan extension.Plan) ([]string, error) {
	s.asked = append(s.asked, asker.Namespace+"/"+asker.Name+" "+plan.Root().Key.Name)
	return s.hooks[plan.Root().Key.Name], nil
}

func stored(name, hex string, dependencies ...string) extension.Member {
	m := extension.Member{Key: extension.Key{Type: extension.Taskserv, Name: name, Version: "1.0.0"}, Digest: digest(hex)}
	for _, d := range dependencies {
		m.Metadata.Dependencies = append(m.Metadata.Dependencies, extension.Dependency{Type: extension.Taskserv, Name: d, Constraint: "^1"})
	}
	return m
}

// loadedExtension has loaded app, which needs db and base, and db, which needs base.
func loadedExtension() (*api.Extension, *shelves) {
	ext := &api.Extension{Spec: api.ExtensionSpec{Type: api.TaskservType, Name: "app"}}
	ext.Namespace, ext.Name = "team-a", "web"
	ext.Status.Version, ext.Status.Digest = "1.0.0", string(digest("a"))
	ext.Status.Hooks = []string{"install"}
	ext.Status.LoadedDependencies = []string{"taskserv:base:1.0.0", "taskserv:db:1.0.0"}
	ext.Status.Dependencies = []api.DependencyStatus{
		{Type: "taskserv", Name: "base", Version: "1.0.0", Digest: string(digest("b"))},
		{Type: "taskserv", Name: "db", Version: "1.0.0", Digest: string(digest("d"))},
	}
	return ext, &shelves{
		members: []extension.Member{stored("app", "a", "db", "base"), stored("db", "d", "base"), stored("base", "b")},
		hooks:   map[string][]string{"db": {"configure", "install"}, "base": {"verify"}},
	}
}

func TestWhatIsOfferedIsWhatWasLoaded(t *testing.T) {
	g := NewWithT(t)
	ext, s := loadedExtension()
	slices.Reverse(ext.Status.LoadedDependencies)
	offered, err := installation.Offers{Catalogs: s, Loads: s}.Offered(t.Context(), ext)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(offered.Members).To(Equal([]extension.Member{s.members[2], s.members[1], s.members[0]}), "what is needed comes first, the root last")
	g.Expect(offered.Hooks).To(Equal([]string{"install"}))
	g.Expect(offered.Needs).To(Equal([]extension.Demand{{
		By: s.members[0].Key, Dependency: extension.Dependency{Type: extension.Taskserv, Name: "db", Constraint: "^1"},
	}}), "base has nothing to install")
	g.Expect(s.asked).To(ConsistOf("team-a/web base", "team-a/web db"))
}

func TestADependencyThatIsIgnoredIsNotWaitedFor(t *testing.T) {
	g := NewWithT(t)
	ext, s := loadedExtension()
	ext.Spec.DependencyPolicy = api.IgnoreDependencies
	ext.Status.LoadedDependencies = ext.Status.LoadedDependencies[1:]
	offered, err := installation.Offers{Catalogs: s, Loads: s}.Offered(t.Context(), ext)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(offered.Members).To(Equal([]extension.Member{s.members[1], s.members[0]}))
	g.Expect(offered.Needs).To(BeEmpty())
	g.Expect(s.asked).To(BeEmpty())
}

func TestWhatCannotBeOffered(t *testing.T) {
	away := extension.NewTransientFault(extension.CatalogUnavailable, errors.New("oh"), "the library is away")
	for says, spoil := range map[string]func(*api.Extension, *shelves){
		"taskserv:app:1.0.0, as it was loaded, is in no library and no copy of it is left": func(_ *api.Extension, s *shelves) {
			s.members[0].Digest = digest("f")
		},
		"taskserv:db:1.0.0, as it was loaded, is in no library": func(_ *api.Extension, s *shelves) { s.members[1].Digest = digest("f") },
		"taskserv:db:1.0.0 needs base@^1, which the Extension's status does not list: an Installation runs with at most 64": func(e *api.Extension, _ *shelves) {
			e.Status.LoadedDependencies = e.Status.LoadedDependencies[1:]
		},
		"depend on each other in a ring": func(_ *api.Extension, s *shelves) { s.members[2] = stored("base", "b", "db") },
		"the library is away":            func(_ *api.Extension, s *shelves) { s.err = away },
	} {
		g := NewWithT(t)
		ext, s := loadedExtension()
		spoil(ext, s)
		_, err := installation.Offers{Catalogs: s, Loads: s}.Offered(t.Context(), ext)
		g.Expect(err).To(MatchError(ContainSubstring(says)))
		g.Expect(extension.AsFault(err).Transient).To(Equal(s.err != nil), says)
	}
}

// A dependency that the status tells no digest of is the one of the catalog.
func TestADependencyBeyondTheListIsTakenFromTheCatalog(t *testing.T) {
	g := NewWithT(t)
	ext, s := loadedExtension()
	ext.Status.Dependencies = ext.Status.Dependencies[1:]
	offered, err := installation.Offers{Catalogs: s, Loads: s}.Offered(t.Context(), ext)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(offered.Members[0]).To(Equal(s.members[2]))
}

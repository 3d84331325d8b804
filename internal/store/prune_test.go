// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/store"
)

func TestPrune(t *testing.T) {
	g := expect(t)
	dir, root := library(t)
	write(t, dir, "taskservs/containerd/mod.nu", "c")
	s, cache := open(t)
	kept, old := put(t, s, root, "taskservs/etcd"), put(t, s, root, "taskservs/containerd")
	stage, err := staged(t, s, members(old))
	must(t, err)

	g.Expect(s.Prune(t.Context(), time.Hour)).To(Equal(0))
	past := time.Now().Add(-2 * time.Hour)
	must(t, os.Chtimes(contentDir(cache, old), past, past))
	put(t, s, root, "taskservs/containerd") // which counts as use
	g.Expect(s.Prune(t.Context(), time.Hour)).To(Equal(0))
	must(t, os.Chtimes(contentDir(cache, old), past, past))
	janitor, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		j := store.Janitor{Store: s, Interval: time.Millisecond, Age: time.Hour, Log: logr.Discard()}
		must(t, j.Start(janitor))
	})
	g.Eventually(contentDir(cache, old)).ShouldNot(BeADirectory())
	stop()
	running.Wait()

	g.Expect(s.Has(kept)).To(BeTrue())
	g.Expect(filesOf(t, stage.Dir())).To(HaveLen(1), "a stage outlives the copy it was linked from")
}

// TestUseKeepsACopy ages a copy that is put once and used in each way.
func TestUseKeepsACopy(t *testing.T) {
	for name, use := range map[string]func(t *testing.T, s *store.Store, d extension.Digest){
		"Has": func(t *testing.T, s *store.Store, d extension.Digest) { expect(t).Expect(s.Has(d)).To(BeTrue()) },
		"ReadFile": func(t *testing.T, s *store.Store, d extension.Digest) {
			_, err := s.ReadFile(d, "mod.nu")
			must(t, err)
		},
		"Stage": func(t *testing.T, s *store.Store, d extension.Digest) {
			_, err := staged(t, s, members(d))
			must(t, err)
		},
	} {
		for _, process := range []string{"the process that put it", "the next process"} {
			t.Run(name+" by "+process, func(t *testing.T) {
				g := expect(t)
				_, root := library(t)
				s, cache := open(t)
				d := put(t, s, root, "taskservs/etcd")
				if process == "the next process" {
					s = reopen(t, s, cache)
				}
				age := func(by time.Duration) time.Time {
					past := time.Now().Add(-by).Truncate(time.Second)
					must(t, os.Chtimes(contentDir(cache, d), past, past))
					return past
				}
				age(48 * time.Hour)
				use(t, s, d)
				g.Expect(s.Prune(t.Context(), 24*time.Hour)).To(Equal(0))
				past := age(30 * time.Minute)
				use(t, s, d)
				info, err := os.Stat(contentDir(cache, d))
				must(t, err)
				g.Expect(info.ModTime()).To(Equal(past), "what was used lately is not marked again")
				age(48 * time.Hour)
				g.Expect(s.Prune(t.Context(), 24*time.Hour)).To(Equal(1))
			})
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

// watched is a configuration file as a ConfigMap has it, the settings that it gave, and
// what is said of it.
type watched struct {
	*GomegaWithT
	folder  string
	version int

	mu      sync.Mutex
	lines   []string
	differs []bool
}

func watch(t *testing.T, interval time.Duration) *watched {
	t.Helper()
	w := &watched{GomegaWithT: NewWithT(t), folder: t.TempDir()}
	w.swap("[manager]\nworkers = 4\n")
	w.Expect(os.Symlink("..data/config.toml", w.path())).To(Succeed())
	effective, err := config.Load(from(t, w.path(), []string{"EXTOP_MANAGER_LOG_LEVEL=debug"}, "--cache-size=5"))
	w.Expect(err).NotTo(HaveOccurred())
	log := funcr.New(func(_, args string) { w.note(func() { w.lines = append(w.lines, args) }) }, funcr.Options{})
	watcher := config.NewWatcher(effective, log, func(differs bool) { w.note(func() { w.differs = append(w.differs, differs) }) })
	watcher.Hasten(interval, 20*time.Millisecond)
	w.Expect(watcher.NeedLeaderElection()).To(BeFalse())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Expect(watcher.Start(ctx)).To(Succeed()) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return w
}

func (w *watched) path() string { return filepath.Join(w.folder, "config.toml") }

// swap has the file be another as kubelet does.
func (w *watched) swap(text string) {
	w.version++
	version := "..version" + string(rune('a'+w.version))
	w.Expect(os.Mkdir(filepath.Join(w.folder, version), 0o700)).To(Succeed())
	w.Expect(os.WriteFile(filepath.Join(w.folder, version, "config.toml"), []byte(text), 0o600)).To(Succeed())
	aside := filepath.Join(w.folder, "..data_tmp")
	w.Expect(os.Symlink(version, aside)).To(Succeed())
	w.Expect(os.Rename(aside, filepath.Join(w.folder, "..data"))).To(Succeed())
}

func (w *watched) note(what func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	what()
}

// says waits for the newest line, and for how often there was something new.
func (w *watched) says(n int, text string, differs bool) {
	w.Eventually(func() []string {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.lines
	}, "10s", "5ms").Should(HaveLen(n))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Expect(w.lines[n-1]).To(ContainSubstring(text))
	w.Expect(w.lines[n-1]).To(ContainSubstring(w.path()))
	w.Expect(w.differs).To(HaveLen(n))
	w.Expect(w.differs[n-1]).To(Equal(differs))
}

// calm checks that nothing new is said.
func (w *watched) calm(n int) {
	w.Consistently(func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.lines)
	}, "200ms", "10ms").Should(Equal(n))
}

func TestAChangeOfTheFileIsSaid(t *testing.T) {
	w := watch(t, time.Hour)
	w.calm(0)
	w.swap("[manager]\nworkers = 9\n[orchestrator.extensions]\nauto_load = false\n")
	w.says(1, `orchestrator.extensions.auto_load: true → false, manager.workers: 4 → 9`, true)
	w.swap("[manager]\nworkers = 9\n# the same\n[orchestrator.extensions]\nauto_load = false\n")
	w.calm(1)
	w.swap("[manager]\nworkerz = 9\n")
	w.says(2, `config.toml:2: unknown key manager.workerz; did you mean manager.workers?`, true)
	w.Expect(os.Remove(w.path())).To(Succeed())
	w.says(3, "there is no such file", true)
	w.Expect(os.WriteFile(w.path(), []byte("# written in place\n[manager]\nworkers = 4\n"), 0o600)).To(Succeed())
	w.says(4, "in force again", false)
	w.Expect(os.WriteFile(w.path(), []byte("[manager]\nlog_level = \"error\"\n[orchestrator.extensions]\ncache_size = 9\n"), 0o600)).To(Succeed())
	w.calm(4) // the environment and the flag count more
}

// Events may be missing: of a folder that was replaced there are none.
func TestAChangeWithoutEventsIsFoundByTheNextLook(t *testing.T) {
	w := watch(t, 50*time.Millisecond)
	w.Expect(os.Rename(w.folder, w.folder+"-away")).To(Succeed())
	w.says(1, "there is no such file", true)
	w.Expect(os.Mkdir(w.folder, 0o700)).To(Succeed())
	w.Expect(os.WriteFile(w.path(), []byte("[manager]\nworkers = 5\n"), 0o600)).To(Succeed())
	w.says(2, "workers: 4 → 5", true)
}

func TestAChangeBeforeTheWatchIsSaidToo(t *testing.T) {
	g := NewWithT(t)
	path := written(t, "")
	effective, err := config.Load(config.Sources{File: path})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.WriteFile(path, []byte("[manager]\nworkers = 5\n"), 0o600)).To(Succeed())
	said := make(chan bool, 1)
	log := funcr.New(func(string, string) {}, funcr.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- config.NewWatcher(effective, log, func(differs bool) { said <- differs }).Start(ctx) }()
	g.Eventually(said, "10s").Should(Receive(BeTrue()))
	cancel()
	g.Eventually(ended, "10s").Should(Receive(BeNil()))
}

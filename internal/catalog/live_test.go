// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/extension"
)

func TestAChangeIsToldToThoseWhoAsked(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.add("other", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.g.Expect(f.module("other", "1.0.0")).To(Equal(module))

	f.write("taskservs/etcd/1.0.0/mod.nu", module+"# new\n")
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module + "# new\n"))
	f.add("etcd", "1.1.0")
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"1.1.0", "1.0.0"}))
	f.add("fresh", "1.0.0")
	f.told("builtin taskserv/fresh")
	must(t, os.RemoveAll(f.path("taskservs/other")))
	f.told("builtin taskserv/other")
	f.g.Eventually(func() bool {
		_, found, err := f.find("other")
		must(t, err)
		return found
	}, "5s", "10ms").Should(BeFalse(), "the folder may come to rest a look later than what was in it")
}

func TestWhatDoesNotChangeTheContentIsNotTold(t *testing.T) {
	f := newFixture(t)
	dir := f.add("etcd", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	must(t, os.Chtimes(filepath.Join(dir, "mod.nu"), time.Now(), time.Now()))
	f.write("taskservs/etcd/1.0.0/mod.nu", module) // saved again as it was
	f.write("taskservs/etcd/1.0.0/.mod.nu.swp", "an editor's")
	f.write("taskservs/etcd/README.md", "no version's")
	f.write("README.md", "nobody's")
	f.calm()
	before, after := filepath.Join(dir, "mod.nu"), filepath.Join(dir, "..old")
	must(t, os.Rename(before, after))
	must(t, os.Rename(after, before))
	f.calm()
}

// TestLostEvents has no file events at all.
func TestLostEvents(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.interval = 2 * quiet
	f.watches.make = func() (*fsnotify.Watcher, error) { return nil, errors.New("no instances left") }
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.write("taskservs/etcd/1.0.0/mod.nu", module+"# new\n")
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module + "# new\n"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.g.Expect(f.syncs).To(BeNumerically(">", 1))
}

// TestAfterAnOverflow reports lost events: the library is scanned at once, and
// watched again.
func TestAfterAnOverflow(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	var watchers []*fsnotify.Watcher
	f.watches.make = func() (*fsnotify.Watcher, error) {
		w, err := fsnotify.NewWatcher()
		watchers = append(watchers, w)
		return w, err
	}
	f.start()
	before := f.Synced()
	watchers[0].Errors <- fsnotify.ErrEventOverflow
	f.g.Eventually(f.Synced, "5s", "5ms").Should(BeTemporally(">", before))
	f.add("etcd", "1.1.0")
	f.told("builtin taskserv/etcd")
}

// TestASlowWriter writes a version's files in small steps, as a slow cp does;
// others are not delayed, and no half of it is ever handed out.
func TestASlowWriter(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.add("other", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.g.Expect(f.module("other", "1.0.0")).To(Equal(module))
	whole := strings.Repeat("# a line of a module that is written slowly\n", 200)
	done := make(chan error, 1)
	go func() {
		file, err := os.Create(f.path("taskservs/etcd/1.0.0/mod.nu"))
		for at := 0; at < len(whole) && err == nil; at += 440 {
			_, err = file.WriteString(whole[at : at+440])
			time.Sleep(quiet / 6)
		}
		done <- errors.Join(err, file.Close())
	}()
	f.write("taskservs/other/1.0.0/mod.nu", module+"# new\n")
	began := time.Now()
	f.told("builtin taskserv/other")
	f.g.Expect(time.Since(began)).To(BeNumerically("<", 6*quiet), "a neighbour does not wait for it")
	for {
		f.g.Expect(f.module("etcd", "1.0.0")).To(BeElementOf(module, whole))
		if f.module("etcd", "1.0.0") == whole {
			break
		}
	}
	must(t, <-done)
	f.told("builtin taskserv/etcd")
}

// TestWhatNeverComesToRest keeps changing: it is not offered, and the first scan
// does not wait for it.
func TestWhatNeverComesToRest(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.add("etcd", "1.1.0")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(quiet / 10):
				_ = os.WriteFile(f.path("taskservs/etcd/1.1.0/log"), fmt.Append(nil, n), 0o644)
			}
		}
	}()
	f.start()
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"1.0.0"}))
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	entries, err := f.Discover(t.Context())
	must(t, err)
	f.g.Expect(entries).To(HaveLen(2))
	f.g.Expect(entries).To(ContainElement(HaveField("Fault", HaveField("Message", ContainSubstring("1.1.0 is being written")))))
	f.calm()
	close(stop)
	<-stopped
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.versions("etcd")).To(Equal([]string{"1.1.0", "1.0.0"}))
}

// TestAFolderSwapped replaces a version by rename, and removes it for a moment.
func TestAFolderSwapped(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.write("taskservs/etcd/.new/mod.nu", module+"# new\n")
	f.write("taskservs/etcd/.new/manifest.toml", manifest("etcd", "1.0.0"))
	must(t, os.Rename(f.path("taskservs/etcd/1.0.0"), f.path("taskservs/etcd/.old")))
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module), "what went away a moment ago may come back")
	must(t, os.Rename(f.path("taskservs/etcd/.new"), f.path("taskservs/etcd/1.0.0")))
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module + "# new\n"))

	must(t, os.RemoveAll(f.path("taskservs/etcd/1.0.0")))
	f.told("builtin taskserv/etcd")
	offers, found, err := f.find("etcd")
	must(t, err)
	f.g.Expect(found).To(BeTrue())
	f.g.Expect(offers).To(BeEmpty())
}

// TestRsync writes as rsync does: a hidden file, renamed when it is whole.
func TestRsync(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	whole := module + strings.Repeat("# synced\n", 100)
	for n := range 10 {
		f.write("taskservs/etcd/1.0.0/.mod.nu.Xy12Zw", whole[:len(whole)*(n+1)/10])
		f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
		time.Sleep(quiet / 5)
	}
	must(t, os.Rename(f.path("taskservs/etcd/1.0.0/.mod.nu.Xy12Zw"), f.path("taskservs/etcd/1.0.0/mod.nu")))
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(whole))
}

// run runs a command in a folder.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
}

// TestGitCheckout switches a library of 100 extensions to and fro under one that
// is read all the time: each answer is of one commit or of the other.
func TestGitCheckout(t *testing.T) {
	f := newFixture(t)
	git := func(args ...string) {
		run(t, f.dir, "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...)
	}
	name := func(i int) string { return fmt.Sprintf("x%02d", i) }
	commit := func(text string) {
		for i := range 100 {
			f.add(name(i), "1.0.0")
			f.write("taskservs/"+name(i)+"/1.0.0/mod.nu", text)
			f.write("taskservs/"+name(i)+"/1.0.0/lib/part.nu", text)
		}
		git("add", ".")
		git("commit", "-q", "-m", text)
	}
	git("init", "-q", "-b", "one")
	commit("# one\n")
	git("checkout", "-q", "-b", "two")
	commit("# two\n")
	f.start()
	for i := range 100 {
		f.g.Expect(f.module(name(i), "1.0.0")).To(Equal("# two\n"))
	}
	for _, branch := range []string{"one", "two"} {
		git("checkout", "-q", branch)
		f.g.Eventually(func() (newer int) {
			for i := range 100 {
				m, err := f.fetch(name(i), "1.0.0")
				must(t, err)
				mod, err := f.store.ReadFile(m.Digest, ModuleName)
				must(t, err)
				part, err := f.store.ReadFile(m.Digest, "lib/part.nu")
				must(t, err)
				f.g.Expect(string(mod)).To(Equal(string(part)))
				if string(mod) == "# "+branch+"\n" {
					newer++
				}
			}
			return newer
		}, "20s", "10ms").Should(Equal(100))
	}
}

// TestCp copies a library over another one with the real cp.
func TestCp(t *testing.T) {
	f := newFixture(t)
	source := t.TempDir()
	for i := range 30 {
		f.add(fmt.Sprintf("x%02d", i), "1.0.0")
	}
	run(t, source, "cp", "-r", f.path("taskservs"), source)
	for i := range 30 {
		must(t, os.WriteFile(filepath.Join(source, fmt.Sprintf("taskservs/x%02d/1.0.0/mod.nu", i)), []byte("# copied\n"), 0o644))
	}
	f.start()
	for i := range 30 {
		f.g.Expect(f.module(fmt.Sprintf("x%02d", i), "1.0.0")).To(Equal(module))
	}
	run(t, source, "cp", "-r", filepath.Join(source, "taskservs"), f.dir)
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("builtin taskserv/x%02d", i))
	}
	f.told(want...)
	f.g.Expect(f.module("x07", "1.0.0")).To(Equal("# copied\n"))
}

func TestTheRootVanishesAndComesBack(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	away := f.dir + ".away"

	// A swap: gone for less than the quiet time.
	must(t, os.Rename(f.dir, away))
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	must(t, os.Rename(away, f.dir))
	f.calm()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))

	// Gone for good, until it is back: also who asked for a name that is not there is told.
	const all = "builtin /"
	must(t, os.Rename(f.dir, away))
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.told(all)
	for _, name := range []string{"etcd", "missing"} {
		_, _, err := f.find(name)
		f.g.Expect(faultOf(t, err).Code).To(Equal(extension.CatalogUnavailable))
	}
	_, err := f.fetch("etcd", "1.0.0")
	f.g.Expect(faultOf(t, err).Message).To(ContainSubstring("library builtin cannot be read"))
	f.calm()
	must(t, os.Rename(away, f.dir))
	f.told(all)
	_, found, err := f.find("missing")
	must(t, err)
	f.g.Expect(found).To(BeFalse())
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.write("taskservs/etcd/1.0.0/mod.nu", module+"# new\n")
	f.told("builtin taskserv/etcd")
}

// TestAnotherRoot swaps the library for one that differs, by rename.
func TestAnotherRoot(t *testing.T) {
	f := newFixture(t)
	f.add("etcd", "1.0.0")
	f.add("other", "1.0.0")
	f.start()
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
	f.g.Expect(f.module("other", "1.0.0")).To(Equal(module))
	run(t, ".", "cp", "-r", f.dir, f.dir+".new")
	must(t, os.WriteFile(f.dir+".new/taskservs/etcd/1.0.0/mod.nu", []byte("# swapped\n"), 0o644))
	must(t, os.Rename(f.dir, f.dir+".old"))
	must(t, os.Rename(f.dir+".new", f.dir))
	f.told("builtin taskserv/etcd")
	f.g.Expect(f.module("etcd", "1.0.0")).To(Equal("# swapped\n"))
	f.write("taskservs/other/1.0.0/mod.nu", "# watched\n")
	f.told("builtin taskserv/other")
}

// dataSwap makes a folder of name → content as a ConfigMap or Secret volume
// does: the files in a folder of their own, reached through ..data.
func dataSwap(t *testing.T, dir, generation string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, ".."+generation, name)
		must(t, os.MkdirAll(filepath.Dir(file), 0o755))
		must(t, os.WriteFile(file, []byte(content), 0o644))
		first := strings.Split(name, "/")[0]
		if err := os.Symlink(filepath.Join("..data", first), filepath.Join(dir, first)); err != nil && !errors.Is(err, os.ErrExist) {
			t.Fatal(err)
		}
	}
	old, _ := os.Readlink(filepath.Join(dir, "..data"))
	must(t, os.Symlink(".."+generation, filepath.Join(dir, "..data_tmp")))
	must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	if old != "" {
		must(t, os.RemoveAll(filepath.Join(dir, old)))
	}
}

// TestDataSwaps mounts ConfigMaps at every height of a library.
func TestDataSwaps(t *testing.T) {
	for height, prefix := range map[string]string{
		"above the root": "extensions/taskservs/etcd/1.0.0/", "the root": "taskservs/etcd/1.0.0/", "a type": "etcd/1.0.0/", "a name": "1.0.0/", "a version": "",
	} {
		t.Run(height, func(t *testing.T) {
			f := newFixture(t)
			dir := map[string]string{
				"above the root": filepath.Dir(f.dir), "the root": f.dir, "a type": f.path("taskservs"),
				"a name": f.path("taskservs/etcd"), "a version": f.path("taskservs/etcd/1.0.0"),
			}[height]
			if height == "above the root" {
				must(t, os.RemoveAll(f.dir))
			}
			if height == "the root" {
				must(t, os.RemoveAll(f.path("taskservs")))
			}
			swap := func(generation, text string) {
				dataSwap(t, dir, generation, map[string]string{
					prefix + "manifest.toml": manifest("etcd", "1.0.0"), prefix + "mod.nu": text, prefix + "lib.nu": text,
				})
			}
			must(t, os.MkdirAll(dir, 0o755))
			swap("1", "# one\n")
			f.start()
			f.g.Expect(f.module("etcd", "1.0.0")).To(Equal("# one\n"))
			swap("2", "# two\n")
			f.g.Expect(f.module("etcd", "1.0.0")).To(BeElementOf("# one\n", "# two\n"))
			f.told("builtin taskserv/etcd")
			f.g.Expect(f.module("etcd", "1.0.0")).To(Equal("# two\n"))
		})
	}
}

// TestStartLeavesNothing counts descriptors; TestMain counts goroutines.
func TestStartLeavesNothing(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(entries)
	}
	before := count()
	t.Run("run", func(t *testing.T) {
		f := newFixture(t)
		f.add("etcd", "1.0.0")
		f.start()
		f.g.Expect(f.module("etcd", "1.0.0")).To(Equal(module))
		f.g.Expect(f.NeedLeaderElection()).To(BeFalse())
	})
	NewWithT(t).Expect(count()).To(BeNumerically("<=", before+1), "the poller's own descriptor may be new")
}

func TestAFreshLibrarySettlesSoon(t *testing.T) {
	f := newFixture(t)
	for i := range 50 {
		f.add(fmt.Sprintf("x%02d", i), "1.0.0")
	}
	f.quiet = 500 * time.Millisecond
	began := time.Now()
	f.start()
	f.g.Expect(time.Since(began)).To(BeNumerically("<", 1500*time.Millisecond))
	f.g.Expect(f.versions("x49")).To(Equal([]string{"1.0.0"}))
}

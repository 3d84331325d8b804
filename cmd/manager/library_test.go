// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// flaps watches the Extensions of a world until stop, which returns every
// verdict on Ready other than True that one of them ever had.
func (w *world) flaps() (stop func() []string) {
	GinkgoHelper()
	watching, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: scheme()})
	Expect(err).NotTo(HaveOccurred())
	watcher, err := watching.Watch(context.Background(), &api.ExtensionList{}, client.InNamespace(w.namespace))
	Expect(err).NotTo(HaveOccurred())
	var seen []string
	var reading sync.WaitGroup
	reading.Go(func() {
		for event := range watcher.ResultChan() {
			ext, ok := event.Object.(*api.Extension)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			c := meta.FindStatusCondition(ext.Status.Conditions, api.ReadyCondition)
			if c == nil || c.Status != "True" {
				seen = append(seen, fmt.Sprintf("%s: %+v", ext.Name, c))
			}
		}
	})
	return func() []string {
		watcher.Stop()
		reading.Wait()
		return seen
	}
}

var _ = Describe("a library under people's hands", func() {
	const n = 100
	// ready makes n Extensions Ready that follow etcd's newest version.
	follow := func(w *world) {
		for i := range n {
			w.apply(api.TaskservType, fmt.Sprint("etcd-", i), "^3.5", func(ext *api.Extension) { ext.Spec.Name = "etcd" })
		}
		for i := range n {
			w.becomes(fmt.Sprint("etcd-", i), ready)
		}
	}
	all := func(w *world, version string) {
		GinkgoHelper()
		for i := range n {
			Eventually(func() string { return w.get(fmt.Sprint("etcd-", i)).Status.Version }).Should(Equal(version))
		}
	}

	It("does not make 100 Ready Extensions flap while versions are written, copied and checked out", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		follow(w)
		stop := w.flaps()

		By("a slow writer")
		slow := w.folder(api.TaskservType, "etcd", "3.5.10")
		Expect(os.MkdirAll(slow, 0o755)).To(Succeed())
		for _, f := range []struct{ name, text string }{
			{"README.md", "# etcd\n"}, {"manifest.toml", manifest(api.TaskservType, "etcd", "3.5.10")}, {"mod.nu", goodModule},
		} {
			file, err := os.Create(filepath.Join(slow, f.name))
			Expect(err).NotTo(HaveOccurred())
			for _, b := range []byte(f.text) {
				_, err := file.Write([]byte{b})
				Expect(err).NotTo(HaveOccurred())
				time.Sleep(5 * time.Millisecond)
			}
			Expect(file.Close()).To(Succeed())
		}
		all(w, "3.5.10")

		By("cp")
		source := filepath.Join(w.t.TempDir(), "3.5.11")
		Expect(os.CopyFS(source, os.DirFS(slow))).To(Succeed())
		Expect(os.WriteFile(filepath.Join(source, "manifest.toml"), []byte(manifest(api.TaskservType, "etcd", "3.5.11")), 0o644)).To(Succeed())
		out, err := exec.Command("cp", "-r", source, filepath.Dir(slow)).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		all(w, "3.5.11")

		By("git checkout")
		git := func(args ...string) {
			GinkgoHelper()
			identity := []string{"-C", w.catalogDir, "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"}
			out, err := exec.Command("git", append(identity, args...)...).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), string(out))
		}
		git("init", "--quiet")
		git("add", ".")
		git("commit", "--quiet", "-m", "one")
		w.publish(api.TaskservType, "etcd", "3.5.12", nil)
		git("add", ".")
		git("commit", "--quiet", "-m", "two")
		all(w, "3.5.12")
		Expect(os.WriteFile(filepath.Join(w.folder(api.TaskservType, "etcd", "3.5.12"), "mod.nu"), []byte("export def {"), 0o644)).To(Succeed())
		git("checkout", "--quiet", "--force", ".")
		time.Sleep(1500 * time.Millisecond)

		Expect(stop()).To(BeEmpty())
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(4))
	})

	It("rides over a swap of the whole library, and says so when it stays away", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		w.writes.Store(0)
		aside := w.catalogDir + "-aside"
		Expect(os.Rename(w.catalogDir, aside)).To(Succeed())
		time.Sleep(100 * time.Millisecond)
		Expect(os.Rename(aside, w.catalogDir)).To(Succeed())
		Consistently(w.writes.Load, 2*time.Second).Should(BeZero())

		Expect(os.Rename(w.catalogDir, aside)).To(Succeed())
		s := w.becomes("etcd", "False CatalogUnavailable Reconciling").Status
		Expect(s.Version).To(Equal("3.5.9"))
		Expect(w.message("etcd")).To(ContainSubstring("extensions"))
		Expect(os.Rename(aside, w.catalogDir)).To(Succeed())
		w.becomes("etcd", ready)
		Expect(w.loader.Stats().Runs).To(BeEquivalentTo(1))
	})

	It("follows a ConfigMap's ..data", func() {
		w := newWorld()
		target := w.folder(api.TaskservType, "etcd", "3.5.9")
		mount := func(name, module string) {
			GinkgoHelper()
			data := filepath.Join(target, "..2026_"+name)
			Expect(os.MkdirAll(data, 0o755)).To(Succeed())
			Expect(os.WriteFile(filepath.Join(data, "manifest.toml"), []byte(manifest(api.TaskservType, "etcd", "3.5.9")), 0o644)).To(Succeed())
			Expect(os.WriteFile(filepath.Join(data, "mod.nu"), []byte(module), 0o644)).To(Succeed())
			Expect(os.Symlink(filepath.Base(data), filepath.Join(target, "..data_tmp"))).To(Succeed())
			Expect(os.Rename(filepath.Join(target, "..data_tmp"), filepath.Join(target, "..data"))).To(Succeed())
		}
		mount("one", goodModule)
		for _, file := range []string{"manifest.toml", "mod.nu"} {
			Expect(os.Symlink(filepath.Join("..data", file), filepath.Join(target, file))).To(Succeed())
		}
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		before := w.becomes("etcd", ready).Status.Digest
		mount("two", goodModule+"# changed\n")
		Expect(os.RemoveAll(filepath.Join(target, "..2026_one"))).To(Succeed())
		Eventually(func() string { return w.get("etcd").Status.Digest }).ShouldNot(Equal(before))
		w.becomes("etcd", ready)
	})

	It("copies again what somebody has deleted from the store", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.becomes("etcd", ready)
		for _, folder := range []string{"sha256", "tmp", "stage"} {
			Expect(os.RemoveAll(filepath.Join(w.settings.CacheDir, folder))).To(Succeed())
		}
		w.reload("etcd", "after the loss")
		Eventually(func() string { return w.get("etcd").Status.LastHandledReloadAt }).Should(Equal("after the loss"))
		w.becomes("etcd", ready)
	})

	It("lets the first library that has a name own it", func() {
		w := newWorld()
		second := newWorld()
		w.settings.Libraries = []string{w.catalogDir, "second=" + second.catalogDir}
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		second.publish(api.TaskservType, "etcd", "9.9.9", nil)
		second.publish(api.TaskservType, "only", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "")
		w.apply(api.TaskservType, "only", "")
		w.apply(api.TaskservType, "named", "", func(ext *api.Extension) {
			ext.Spec.Name, ext.Spec.CatalogRef = "etcd", &api.CatalogReference{Name: "second"}
		})
		Expect(w.becomes("etcd", ready).Status.Version).To(Equal("3.5.9"))
		Expect(w.becomes("only", ready).Status.Catalog).To(Equal("second"))
		Expect(w.becomes("named", ready).Status.Version).To(Equal("9.9.9"))
	})
})

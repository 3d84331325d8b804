// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// bad is one way to get an extension wrong, and what its author is told.
type bad struct {
	name    string
	files   map[string]string
	spoil   func(folder string)
	verdict string
	// message is a part of Ready's; %s in it is the folder as people know it.
	message string
}

func module(text string) map[string]string { return map[string]string{"mod.nu": text} }

func withManifest(text string) map[string]string { return map[string]string{"manifest.toml": text} }

// manifestOf changes the right manifest of a name at 1.1.0.
func manifestOf(name, before, after string) map[string]string {
	return withManifest(strings.Replace(manifest(api.TaskservType, name, "1.1.0"), before, after, 1))
}

const (
	badLoad     = "False LoadFailed Stalled"
	badMetadata = "False InvalidMetadata Stalled"
	overLimit   = "False LimitExceeded Stalled"
)

var badInput = []bad{
	{name: "syntax", files: module(goodModule + "export def verify [ctx: record {\n"), verdict: badLoad, message: "%s/mod.nu:2:"},
	{name: "signature", files: module("export def install []: nothing -> record<message: string> { {message: ok} }\n"), verdict: badLoad, message: "install"},
	{name: "exit", files: module(goodModule + "exit 0\n"), verdict: badLoad, message: "%s/mod.nu:2:"},
	{name: "output", files: module(goodModule + "print hello\n"), verdict: badLoad, message: "%s/mod.nu:2:"},
	{name: "empty", files: withManifest(""), verdict: badMetadata, message: "%s/manifest.toml"},
	{name: "wrongtype", files: manifestOf("wrongtype", `"taskserv"`, `"cluster"`), verdict: badMetadata, message: "cluster"},
	{name: "tomltype", files: manifestOf("tomltype", `version = "1.1.0"`, `version = 1.1`), verdict: badMetadata, message: "version"},
	{name: "unknownkey", files: manifestOf("unknownkey", "manifest = 1", "manifest = 1\nlicence = \"MIT\""), verdict: badMetadata, message: "licence"},
	{name: "newer", files: manifestOf("newer", "manifest = 1", "manifest = 2"), verdict: badMetadata, message: "newer operator"},
	{name: "semver", files: manifestOf("semver", `version = "1.1.0"`, `version = "v1.1"`), verdict: badMetadata, message: "v1.1"},
	{name: "build", files: manifestOf("build", `version = "1.1.0"`, `version = "1.1.0+abc"`), verdict: badMetadata, message: "1.1.0+abc"},
	{name: "othername", files: manifestOf("othername", `"othername"`, `"someothername"`), verdict: badMetadata, message: "someothername"},
	{name: "otherversion", files: manifestOf("otherversion", `version = "1.1.0"`, `version = "1.2.0"`), verdict: badMetadata, message: "1.2.0"},
	{name: "notutf8", files: withManifest("manifest = 1\nname = \"\xff\xfe\"\n"), verdict: badMetadata, message: "UTF-8"},
	{name: "huge", files: withManifest("# " + strings.Repeat("x", 10<<20)), verdict: overLimit, message: "manifest.toml"},
	{name: "manyfiles", spoil: func(folder string) {
		for i := range 5000 {
			Expect(os.WriteFile(filepath.Join(folder, "file-"+strings.Repeat("x", i%7)+time.Duration(i).String()), nil, 0o644)).To(Succeed())
		}
	}, verdict: overLimit, message: "files"},
	{name: "linkout", spoil: func(folder string) {
		Expect(os.Symlink("/etc/passwd", filepath.Join(folder, "secrets.nu"))).To(Succeed())
	}, verdict: badMetadata, message: "secrets.nu"},
	{name: "dotdot", spoil: func(folder string) {
		Expect(os.Symlink(strings.Repeat("../", 8)+"etc", filepath.Join(folder, "up"))).To(Succeed())
	}, verdict: badMetadata, message: "up"},
	{name: "fifo", spoil: func(folder string) {
		Expect(syscall.Mkfifo(filepath.Join(folder, "pipe.nu"), 0o644)).To(Succeed())
	}, verdict: badMetadata, message: "pipe.nu"},
	{name: "cpu", files: module(endlessModule), verdict: overLimit, message: "CPU"},
	{name: "leak", files: module("use /etc/passwd\n" + goodModule), verdict: badLoad, message: ""},
}

var _ = Describe("bad input", func() {
	It("gets a clear verdict, keeps the last good load, and heals", func() {
		w := newWorld()
		w.publish(api.TaskservType, "good", "1.0.0", nil)
		for _, b := range badInput {
			w.publish(api.TaskservType, b.name, "1.0.0", nil)
		}
		w.start()
		w.apply(api.TaskservType, "good", "")
		for _, b := range badInput {
			w.apply(api.TaskservType, b.name, "^1.0")
		}
		for _, b := range badInput {
			w.becomes(b.name, ready)
		}

		for _, b := range badInput {
			w.publish(api.TaskservType, b.name, "1.1.0", b.files)
			if b.spoil != nil {
				b.spoil(w.folder(api.TaskservType, b.name, "1.1.0"))
			}
		}
		for _, b := range badInput {
			By(b.name)
			Eventually(func() string { return w.verdict(b.name) }, time.Minute).Should(Equal(b.verdict), func() string { return w.message(b.name) })
			place := "extensions/taskservs/" + b.name + "/1.1.0"
			Expect(w.message(b.name)).To(ContainSubstring(strings.ReplaceAll(b.message, "%s", place)))
			Expect(w.message(b.name)).NotTo(ContainSubstring("root:x:0"))
			s := w.get(b.name).Status
			Expect(s.Version).To(Equal("1.0.0"))
			Expect(w.verdict("good")).To(Equal(ready))
		}

		for _, b := range badInput {
			w.publish(api.TaskservType, b.name, "1.1.0", nil)
		}
		for _, b := range badInput {
			By(b.name)
			Expect(w.becomes(b.name, ready).Status.Version).To(Equal("1.1.0"))
		}
	})

	It("says what there is where something is not found", func() {
		w := newWorld()
		for _, v := range []string{"1.27.9", "1.28.0", "1.29.4"} {
			w.publish(api.TaskservType, "kubernetes", v, nil)
		}
		w.publish(api.TaskservType, "incomplete", "1.0.0", nil)
		Expect(os.Remove(filepath.Join(w.folder(api.TaskservType, "incomplete", "1.0.0"), "manifest.toml"))).To(Succeed())
		w.publish(api.TaskservType, "both", "1.0.0", nil)
		Expect(os.WriteFile(filepath.Join(w.folder(api.TaskservType, "both", ""), "manifest.toml"), nil, 0o644)).To(Succeed())
		w.start()
		w.apply(api.TaskservType, "nothing", "")
		w.apply(api.TaskservType, "kubernetes", "1.99.0")
		w.apply(api.TaskservType, "incomplete", "1.0.0")
		w.apply(api.TaskservType, "both", "")
		w.apply(api.TaskservType, "elsewhere", "", func(ext *api.Extension) {
			ext.Spec.CatalogRef = &api.CatalogReference{Name: "other"}
		})

		w.becomes("nothing", "False ExtensionNotFound Stalled")
		Expect(w.message("nothing")).To(Equal("taskserv nothing is in no catalog (looked in: extensions); check spec.type and spec.name, or add it to a catalog"))
		ext := w.becomes("kubernetes", "False VersionNotFound Stalled")
		Expect(w.message("kubernetes")).To(Equal("version 1.99.0 of taskserv kubernetes not found; available: 1.29.4, 1.28.0, 1.27.9"))
		Expect(ext.Status.AvailableVersions).To(Equal([]string{"1.29.4", "1.28.0", "1.27.9"}))
		w.becomes("incomplete", badMetadata)
		Expect(w.message("incomplete")).To(ContainSubstring("manifest.toml"))
		w.becomes("both", badMetadata)
		Expect(w.message("both")).To(ContainSubstring("manifest.toml"))
		w.becomes("elsewhere", "False ExtensionNotFound Stalled")
		Expect(w.message("elsewhere")).To(ContainSubstring("catalogs: extensions"))

		w.publish(api.TaskservType, "nothing", "1.0.0", nil)
		w.becomes("nothing", ready)
		w.change("kubernetes", func(ext *api.Extension) { ext.Spec.Version = "1.28" })
		Expect(w.becomes("kubernetes", ready).Status.AvailableVersions).To(BeEmpty())
	})

	It("never takes an older version by itself", func() {
		w := newWorld()
		w.publish(api.TaskservType, "etcd", "3.5.9", nil)
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		w.start()
		w.apply(api.TaskservType, "etcd", "^3.5")
		w.becomes("etcd", ready)
		remove := func() {
			Expect(os.RemoveAll(w.folder(api.TaskservType, "etcd", "3.6.0"))).To(Succeed())
			s := w.becomes("etcd", "False VersionNotFound Stalled").Status
			Expect(s.Version).To(Equal("3.6.0"))
			Expect(w.message("etcd")).To(ContainSubstring("available: 3.5.9"))
		}
		remove()
		w.publish(api.TaskservType, "etcd", "3.6.0", nil)
		w.becomes("etcd", ready)
		remove()
		w.reload("etcd", "lower it")
		Eventually(func() string { return w.get("etcd").Status.Version }).Should(Equal("3.5.9"))
		w.becomes("etcd", ready)
	})
})

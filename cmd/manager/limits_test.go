// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/config"
	"provisioning.dev/extension-operator/internal/sandbox"
	"provisioning.dev/extension-operator/internal/store"
)

// The settings have numbers of their own, because they import neither room.
func TestTheDefaultsOfTheLimitsAreThoseOfTheirRooms(t *testing.T) {
	g := NewWithT(t)
	g.Expect(processLimits(config.Default())).To(Equal(sandbox.DefaultLimits()))
	g.Expect(folderLimits(config.Default())).To(Equal(store.DefaultLimits()))
	g.Expect(config.Default().ManifestMaxSize).To(Equal(catalog.MaxManifestBytes))
}

func TestASizeOfManifestsThatTheParserRefusesIsRefused(t *testing.T) {
	g := NewWithT(t)
	s := config.Default()
	s.ManifestMaxSize = catalog.MaxManifestBytes + 1
	g.Expect(s.Validate()).To(MatchError(ContainSubstring("--manifest-max-size")))
}

// overLimits are extensions that reach one limit each of smallLimits, and what is said then.
var overLimits = []struct {
	name    string
	files   map[string]string
	message string
}{
	{"cpu", module(strings.Repeat("const X = (1..200000 | math sum)\n", 2000)), "the limit of CPU time (1 s)"},
	{"memory", module("const X = (1..100000000 | math sum)\n"), "the limit of memory (96 MiB)"},
	{"files", map[string]string{"a": "", "b": "", "c": "", "d": "", "e": ""}, "the limit of 6 files and folders"},
	{"depth", map[string]string{"a/b/c/d": ""}, "the limit of 2 levels of folders"},
	{"file", map[string]string{"a": strings.Repeat("x", 100_001)}, "the limit of 100000 bytes for one file"},
	{"size", map[string]string{"a": strings.Repeat("x", 90_000), "b": strings.Repeat("x", 90_000)}, "the limit of 150000 bytes for one extension"},
	{"manifest", withManifest(strings.Repeat("#", 301)), "the limit of 300 bytes for a manifest"},
}

func smallLimits(s *config.Settings) {
	s.LoadCPU, s.LoadMemory = time.Second, 96
	s.ExtensionMaxFiles, s.ExtensionMaxDepth = 6, 2
	s.ExtensionMaxFileSize, s.ExtensionMaxSize, s.ManifestMaxSize = 100_000, 150_000, 300
}

var _ = Describe("the limits", func() {
	It("are what the flags say, and are named when they are reached", func() {
		w := newWorld()
		smallLimits(&w.settings)
		Expect(w.settings.Validate()).To(Succeed())
		for _, one := range overLimits {
			w.publish(api.TaskservType, one.name, "1.0.0", one.files)
		}
		// More versions than one version may have files are no mistake.
		for _, version := range []string{"1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0"} {
			w.publish(api.TaskservType, "good", version, nil)
		}
		w.start()
		w.apply(api.TaskservType, "good", "")
		for _, one := range overLimits {
			w.apply(api.TaskservType, one.name, "1.0.0")
		}
		for _, one := range overLimits {
			By(one.name)
			Eventually(func() string { return w.verdict(one.name) }, time.Minute).Should(Equal(overLimit), func() string { return w.message(one.name) })
			Expect(w.message(one.name)).To(ContainSubstring(one.message))
		}
		Expect(w.becomes("good", ready).Status.Version).To(Equal("1.6.0"))
	})

	It("of the output ends a load whose answer is longer", func() {
		w := newWorld()
		w.settings.LoadOutput = 20 // less than the settings can be, and than any answer
		w.publish(api.TaskservType, "good", "1.0.0", nil)
		w.start()
		w.apply(api.TaskservType, "good", "")
		w.becomes("good", "False LoadFailed Stalled")
		Expect(w.message("good")).To(ContainSubstring("the limit of standard output (20 bytes)"))
		Expect(w.message("good")).To(ContainSubstring("--load-output"))
	})
})

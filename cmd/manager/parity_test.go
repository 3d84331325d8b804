// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/internal/catalog"
	"provisioning.dev/extension-operator/internal/store"
)

var _ = Describe("the CLI and the operator", func() {
	It("find the same extensions, and the same ones broken", func() {
		w := newWorld()
		w.publish(api.TaskservType, "good", "1.1.0", nil)
		for _, b := range badInput {
			w.publish(api.TaskservType, b.name, "1.1.0", b.files)
		}
		copies, err := store.Open(w.settings.CacheDir)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { Expect(copies.Close()).To(Succeed()) })
		library, err := catalog.NewLibrary(catalog.Options{
			Name: "extensions", Dir: w.catalogDir, Store: copies, Logger: logr.Discard(),
		})
		Expect(err).NotTo(HaveOccurred())
		entries, err := library.Discover(context.Background())
		Expect(err).NotTo(HaveOccurred())
		good, broken := []string{}, []string{}
		for _, entry := range entries {
			if entry.Fault != nil {
				broken = append(broken, entry.Path)
			} else {
				good = append(good, entry.Path)
			}
		}
		Expect(broken).NotTo(BeEmpty())

		found, problems := w.discover()
		Expect(found).To(ConsistOf(good))
		Expect(problems).To(ConsistOf(broken))
	})
})

// discover asks the CLI for the paths of a world's extensions and of the broken ones.
func (w *world) discover() (found, problems []string) {
	GinkgoHelper()
	cli, err := filepath.Abs(filepath.Join(w.settings.ProvisioningPath, "provisioning"))
	Expect(err).NotTo(HaveOccurred())
	cmd := exec.Command(nu, "--no-config-file", "--no-std-lib", cli,
		"module", "discover", "--library", w.catalogDir, "--output", "json")
	out, err := cmd.Output()
	Expect(err).NotTo(HaveOccurred())
	var answer struct {
		Extensions, Problems []struct{ Path string }
	}
	Expect(json.Unmarshal(out, &answer)).To(Succeed())
	for _, e := range answer.Extensions {
		found = append(found, e.Path)
	}
	for _, p := range answer.Problems {
		problems = append(problems, p.Path)
	}
	return found, problems
}

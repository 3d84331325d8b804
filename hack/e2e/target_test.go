// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// What is wrong with what is set is told before anything is begun.
func TestTheImagesThatAreGiven(t *testing.T) {
	for name, c := range map[string]struct{ now, before, said string }{
		"none":             {"", "", ""},
		"tags":             {"registry.example:5000/operator:v2", "operator:v1", ""},
		"digests":          {"operator@sha256:" + digest, "operator:v1@sha256:" + digest, ""},
		"one":              {"operator:v2", "", "set both E2E_IMAGE and E2E_OLD_IMAGE"},
		"no tag":           {"operator", "operator:v1", `E2E_IMAGE is "operator": name the image with its tag or digest, as in operator:v0.1.0`},
		"a port is no tag": {"operator:v2", "registry.example:5000/operator", "E2E_OLD_IMAGE is"},
		"no name":          {"Operator:v2", "operator:v1", "which is no name of an image"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			t.Setenv("E2E_IMAGE", c.now)
			t.Setenv("E2E_OLD_IMAGE", c.before)
			chosen, err := (&run{root: "/src", out: "/out"}).chosen()
			if c.said != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.said)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(chosen.given).To(Equal(c.now != ""))
			if chosen.given {
				g.Expect(chosen.now.image).To(Equal(c.now))
				g.Expect(chosen.before.image).To(Equal(c.before))
			}
		})
	}
}

const digest = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestAClusterThatIsGivenNeedsAWayForTheImage(t *testing.T) {
	g := NewWithT(t)
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	t.Setenv("KUBECONFIG", "/somewhere")
	t.Setenv("E2E_LOAD", "")
	r := &run{}
	_, err := r.chooseTarget(true)
	g.Expect(err).To(MatchError(ContainSubstring("a kubectl on the PATH is needed")))

	g.Expect(os.WriteFile(filepath.Join(bin, "kubectl"), []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
	_, err = r.chooseTarget(false)
	g.Expect(err).To(MatchError(ContainSubstring("Set E2E_LOAD")))
	_, err = r.chooseTarget(true)
	g.Expect(err).NotTo(HaveOccurred())

	t.Setenv("E2E_LOAD", "kind load image-archive")
	target, err := r.chooseTarget(false)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(target.(*given).loader).To(Equal([]string{"kind", "load", "image-archive"}))
}

func TestAClusterOfOthersIsSpared(t *testing.T) {
	g := NewWithT(t)
	o := &own{run: &run{}, program: "/nothing", folder: t.TempDir()}
	g.Expect(o.spareOthers()).To(Succeed(), "there is none")
	g.Expect(os.WriteFile(filepath.Join(o.folder, "cluster.json"), nil, 0o600)).To(Succeed())
	g.Expect(o.spareOthers()).To(MatchError(ContainSubstring("that the suite has not started")))
	g.Expect(o.end()).To(Succeed(), "what was not begun is not ended")
	g.Expect(os.WriteFile(o.marker(), nil, 0o600)).To(Succeed())
	g.Expect(o.spareOthers()).To(Succeed())
}

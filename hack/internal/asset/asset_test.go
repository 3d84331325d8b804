// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/hack/tree"
)

func TestFolderIsMadeOnceByConcurrentRuns(t *testing.T) {
	g := NewWithT(t)
	cache := t.TempDir()
	var fills atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			p := &Provider{Cache: cache, Log: io.Discard}
			_, errs[i] = p.folder("thing", func(dir string) error {
				fills.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600)
			})
		})
	}
	all.Wait()
	g.Expect(errs).To(HaveEach(BeNil()))
	g.Expect(fills.Load()).To(BeEquivalentTo(1))
	g.Expect(filepath.Join(cache, "thing", "file")).To(BeARegularFile())
}

func TestFailedFolderLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	p := &Provider{Cache: t.TempDir(), Log: io.Discard}
	broken := errors.New("broken")
	_, err := p.folder("thing", func(string) error { return broken })
	g.Expect(err).To(MatchError(broken))
	g.Expect(filepath.Join(p.Cache, "thing")).NotTo(BeADirectory())
	g.Expect(filepath.Join(p.Cache, "thing.tmp")).NotTo(BeADirectory())
}

func TestArchiveOfAnotherHashIsRefused(t *testing.T) {
	g := NewWithT(t)
	archive := writeArchive(g, t.TempDir())
	err := checkIntegrity(archive, nushellPackages["linux/amd64"].integrity)
	g.Expect(err).To(MatchError(ContainSubstring("not used")))
}

func TestUnpackFile(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	archive := writeArchive(g, dir)
	target := filepath.Join(dir, "nu")
	g.Expect(unpackFile(archive, "package/bin/nu", target)).To(Succeed())
	g.Expect(os.ReadFile(target)).To(BeEquivalentTo("a program"))
	info, err := os.Stat(target)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode() & 0o111).NotTo(BeZero())
	g.Expect(unpackFile(archive, "absent", target)).To(MatchError(io.EOF))
}

func TestUsersOwnProgramsAreChecked(t *testing.T) {
	g := NewWithT(t)
	p := &Provider{Cache: t.TempDir(), Log: io.Discard}
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := p.controlPlane(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("has no kube-apiserver: unset it")))

	other := filepath.Join(t.TempDir(), "nu")
	g.Expect(os.WriteFile(other, []byte("#!/bin/sh\necho 0.1.0\n"), 0o700)).To(Succeed())
	t.Setenv("NUSHELL_PATH", other)
	_, err = p.nushell(t.Context())
	g.Expect(err).To(MatchError(ContainSubstring("is version 0.1.0; tests are written for " + nushellVersion)))
}

// The image must have the Nushell that the tests ran.
func TestDockerfilePinsTheSameNushell(t *testing.T) {
	g := NewWithT(t)
	root, err := tree.Root()
	g.Expect(err).NotTo(HaveOccurred())
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(dockerfile)).To(ContainSubstring("npm pack --silent " + nushellPackages["linux/amd64"].Spec() + " "))
}

func TestControlPlanePinsOneVersion(t *testing.T) {
	g := NewWithT(t)
	root, err := tree.Root()
	g.Expect(err).NotTo(HaveOccurred())
	module, err := os.ReadFile(filepath.Join(root, "hack", "controlplane", "go.mod"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(module)).To(ContainSubstring("k8s.io/kubernetes v" + kubernetesVersion + "\n"))
}

// writeArchive writes an archive as npm packs them.
func writeArchive(g Gomega, dir string) string {
	var content bytes.Buffer
	zipped := gzip.NewWriter(&content)
	writer := tar.NewWriter(zipped)
	for name, text := range map[string]string{"package/README.md": "words", "package/bin/nu": "a program"} {
		g.Expect(writer.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))})).To(Succeed())
		_, err := writer.Write([]byte(text))
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(writer.Close()).To(Succeed())
	g.Expect(zipped.Close()).To(Succeed())
	path := filepath.Join(dir, "archive.tgz")
	g.Expect(os.WriteFile(path, content.Bytes(), 0o600)).To(Succeed())
	return path
}

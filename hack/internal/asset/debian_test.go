// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// fakeApt downloads one package, once its lists were fetched. The place of the archives is its second argument.
const fakeApt = `#!/bin/sh
echo "$@" >> "$APT_CALLS"
if [ "$1" = update ]; then touch "$APT_CALLS.updated"; exit; fi
[ -e "$APT_CALLS.updated" ] || { echo "E: Unable to locate package"; exit 100; }
test -d "${2#*=}/partial" && echo content > "${2#*=}/thing.deb"
`

// fakeDpkg unpacks: --extract ARCHIVE FOLDER.
const fakeDpkg = `#!/bin/sh
mkdir -p "$3/usr/bin" && cp "$2" "$3/usr/bin/containerd"
`

func TestDebianPackagesAreUnpackedNotInstalled(t *testing.T) {
	g := NewWithT(t)
	bin, calls := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for name, script := range map[string]string{"apt-get": fakeApt, "dpkg-deb": fakeDpkg} {
		g.Expect(os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700)).To(Succeed())
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("APT_CALLS", calls)
	var log bytes.Buffer
	p := &Provider{Cache: t.TempDir(), Log: &log}
	for range 2 {
		debian, err := p.debian(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(os.ReadFile(debian.Program("containerd"))).To(BeEquivalentTo("content\n"))
	}
	g.Expect(log.String()).To(ContainSubstring("apt-get update"))
	content, err := os.ReadFile(calls)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Count(content, []byte("--download-only"))).To(Equal(2), "one without lists, one with, and none for what is there")
	g.Expect(filepath.Glob(filepath.Join(p.Cache, "apt-*"))).To(BeEmpty())
}

func TestWithoutAptThereIsAWayToo(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", t.TempDir())
	_, err := (&Provider{Cache: t.TempDir()}).debian(t.Context())
	g.Expect(err).To(MatchError(Or(ContainSubstring("KUBECONFIG"), ContainSubstring("no packages are known"))))
}

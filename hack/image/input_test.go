// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestBadInputIsTold(t *testing.T) {
	static := buildStandIn(t, "arm64", "0.115.1")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a platform that is none":      {[]string{"-platform=linux/386"}, `unknown platform "linux/386": it is one of linux/amd64, linux/arm64`},
		"a name that is none":          {[]string{"-image=Extension Operator"}, `"Extension Operator" is no name of an image`},
		"a name by digest":             {[]string{"-image=operator@sha256:" + strings.Repeat("0a", 32)}, "known only once it is built: give a tag"},
		"a time that is none":          {[]string{"-epoch=yesterday"}, `SOURCE_DATE_EPOCH is "yesterday": it must be a number of seconds since 1970`},
		"an argument":                  {[]string{"linux/arm64"}, `unknown argument "linux/arm64": there are flags only`},
		"no commit":                    {[]string{"-source=" + t.TempDir()}, "give --revision and SOURCE_DATE_EPOCH"},
		"a folder that is there":       {[]string{"-rootfs=" + t.TempDir()}, "exists: name a folder that does not"},
		"no nu for arm64":              {[]string{"-platform=linux/arm64"}, "no Nushell package is pinned for linux/arm64: give a static nu 0.115.1 for it with NUSHELL=FILE"},
		"no file":                      {[]string{"-platform=linux/arm64", "-nushell=absent"}, "open absent: no such file"},
		"a nu of another version":      {[]string{"-platform=linux/arm64", "-nushell=" + buildStandIn(t, "arm64", "0.99.0")}, "is not Nushell 0.115.1"},
		"a nu for another machine":     {[]string{"-platform=linux/arm64", "-nushell=" + buildStandIn(t, "amd64", "0.115.1")}, "is for EM_X86_64, not for linux/arm64"},
		"a nu that is a script":        {[]string{"-platform=linux/arm64", "-nushell=" + writeFile(t, "#!/bin/sh\necho 0.115.1\n")}, "is no program for Linux"},
		"a nu where another is pinned": {[]string{"-nushell=" + static}, "which is to be npm's @nushell/linux-x64@0.115.1: nu has the hash sha512-"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			args := append([]string{"-output=" + filepath.Join(t.TempDir(), "x.tar")}, c.args...)
			g.Expect(run(t.Context(), args, io.Discard)).To(MatchError(ContainSubstring(c.want)))
		})
	}
	NewWithT(t).Expect(errors.Is(run(t.Context(), []string{"-help"}, io.Discard), flag.ErrHelp)).To(BeTrue())
}

func TestANuThatNeedsALibraryIsRefused(t *testing.T) {
	g := NewWithT(t)
	dynamic := writeStandIn(t, "0.115.1")
	cmd := exec.Command("go", "build", "-buildmode=pie", "-o", dynamic+".out", dynamic)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	g.Expect((&build{platform: "linux/amd64"}).checkStatic(dynamic + ".out")).To(MatchError(ContainSubstring("is not static: the image has no C library for it")))
}

func TestAGivenNuIsTakenWhereNoneIsPinned(t *testing.T) {
	g := NewWithT(t)
	given := buildStandIn(t, "arm64", "0.115.1")
	g.Expect((&build{platform: "linux/arm64", nu: given}).nushell()).To(Equal(given))
}

func TestEmptyCacheWithoutANetworkIsTold(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOMODCACHE", t.TempDir())
	b := &build{ctx: t.Context(), source: root, platform: "linux/amd64", scratch: t.TempDir(), built: map[string]string{}}
	_, err := b.program(program{path: "/usr/local/bin/manager", source: "./cmd/manager"})
	g.Expect(err).To(MatchError(And(ContainSubstring("with an empty module cache it needs the Go module proxy"), ContainSubstring("GOPROXY=off"))))

	t.Setenv("EXTENSION_OPERATOR_CACHE", t.TempDir())
	t.Setenv("npm_config_cache", t.TempDir())
	t.Setenv("npm_config_offline", "true")
	err = run(t.Context(), nil, io.Discard)
	g.Expect(err).To(MatchError(ContainSubstring("layer nushell: npm pack @nushell/linux-x64@0.115.1, for which npm, which comes with Node.js, and its registry are needed")))
}

// buildStandIn is a program that has a version among its constants, as nu has.
func buildStandIn(t *testing.T, arch, version string) string {
	g := NewWithT(t)
	source := writeStandIn(t, version)
	nu := filepath.Join(filepath.Dir(source), "nu")
	cmd := exec.Command("go", "build", "-o", nu, source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	output, err := cmd.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(output))
	return nu
}

func writeStandIn(t *testing.T, version string) string {
	source := filepath.Join(t.TempDir(), "main.go")
	NewWithT(t).Expect(os.WriteFile(source, []byte("package main\n\nfunc main() { println(\"version "+version+"\") }\n"), 0o600)).To(Succeed())
	return source
}

func writeFile(t *testing.T, content string) string {
	name := filepath.Join(t.TempDir(), "nu")
	NewWithT(t).Expect(os.WriteFile(name, []byte(content), 0o600)).To(Succeed())
	return name
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"provisioning.dev/extension-operator/hack/internal/asset"
)

// platforms are those that extension-sandbox has its system calls' numbers of.
var platforms = map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}

// build is what one image is made of, and where it is made.
type build struct {
	ctx      context.Context
	source   string // the root of the source tree
	scratch  string // a folder for what is built on the way
	platform string
	version  string
	revision string
	created  time.Time
	nu       string // of the user; without it, the pinned one
	provider *asset.Provider

	built map[string]string // the programs, by their path in the image
	found string            // where nu is
	bill  *bill
}

func (b *build) inSource(name string) string {
	return filepath.Join(b.source, filepath.FromSlash(name))
}

func (b *build) arch() string { return path.Base(b.platform) }

// program builds a program once. Nothing of this machine is in it, neither paths nor the state of git, so that who builds it
// elsewhere from the same files by the same Go gets the same bytes.
func (b *build) program(p program) (string, error) {
	if built, done := b.built[p.path]; done {
		return built, nil
	}
	output := filepath.Join(b.scratch, path.Base(p.path))
	_, err := b.runGo("build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+b.version, "-o", output, p.source)
	if err != nil {
		return "", err
	}
	if err := b.checkStatic(output); err != nil {
		return "", err
	}
	b.built[p.path] = output
	return output, nil
}

// runGo runs go in the source tree, for the image's platform.
func (b *build) runGo(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(b.ctx, "go", args...)
	cmd.Dir = b.source
	// What a person may have set for other builds does not reach the image.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.arch(), "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s (with an empty module cache it needs the Go module proxy): %w\n%s", args[0], err, problems.String())
	}
	return out, nil
}

// nushell finds nu once.
func (b *build) nushell() (string, error) {
	if b.found != "" {
		return b.found, nil
	}
	found, err := b.findNushell()
	if err != nil {
		return "", err
	}
	if err := b.checkStatic(found); err != nil {
		return "", err
	}
	b.found = found
	return found, nil
}

func (b *build) findNushell() (string, error) {
	pkg, err := asset.PackageOfNushell(b.platform)
	switch {
	case err != nil && b.nu == "":
		return "", fmt.Errorf("%w: give a static nu %s for it with NUSHELL=FILE (of the musl build among Nushell's releases)", err, asset.NushellVersion())
	case err != nil:
		return b.nu, b.checkVersion(b.nu)
	case b.nu == "":
		return b.provider.PinnedNushell(b.ctx, b.platform)
	default:
		unpacked := filepath.Join(b.scratch, "nu")
		if err := pkg.Unpack(b.nu, unpacked); err != nil {
			return "", fmt.Errorf("%s, which is to be npm's %s: %w", b.nu, pkg.Spec(), err)
		}
		return unpacked, nil
	}
}

// checkVersion looks for the version among a program's constants, as it may be for another machine than this one.
func (b *build) checkVersion(nu string) error {
	content, err := os.ReadFile(nu)
	if err != nil {
		return err
	}
	if !strings.Contains(string(content), asset.NushellVersion()) {
		return fmt.Errorf("%s is not Nushell %s: its version is nowhere in it", nu, asset.NushellVersion())
	}
	return nil
}

// checkStatic tells whether a program runs on the image's platform with no other file beside it.
func (b *build) checkStatic(program string) error {
	file, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("%s is no program for Linux: %w", program, err)
	}
	defer func() { _ = file.Close() }()
	if file.Machine != platforms[b.platform] {
		return fmt.Errorf("%s is for %s, not for %s", program, file.Machine, b.platform)
	}
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s is not static: the image has no C library for it", program)
	}
	return nil
}

// release gives the scratch folder back.
func (b *build) release(err error) error { return errors.Join(err, os.RemoveAll(b.scratch)) }

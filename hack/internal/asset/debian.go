// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// debianPackages are unpacked, not installed: nothing of the system changes and no service starts. apt adds the libraries
// that the system lacks, and verifies each package.
var debianPackages = []string{
	"containerd",                  // with ctr and the shim
	"containernetworking-plugins", // bridge, host-local and loopback
	"libseccomp-dev",              // runc is linked with it
	"nftables",                    // kube-proxy calls nft
	"pkg-config",                  // finds libseccomp
}

// multiarch are Debian's names for the architectures, in the paths of libraries.
var multiarch = map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}

// Debian is where packages of Debian were unpacked.
type Debian struct {
	// Root is a folder with a usr folder.
	Root string
}

// Program is the path of a program of the packages, such as containerd.
func (d Debian) Program(name string) string { return filepath.Join(d.Root, "usr", "bin", name) }

// Plugins is the folder of the CNI plugins.
func (d Debian) Plugins() string { return filepath.Join(d.Root, "usr", "lib", "cni") }

// Environ is what the environment of a process needs to find the packages' programs and libraries.
func (d Debian) Environ() []string {
	path := []string{filepath.Join(d.Root, "usr", "sbin"), filepath.Join(d.Root, "usr", "bin"), os.Getenv("PATH")}
	return []string{"PATH=" + strings.Join(path, ":"), "LD_LIBRARY_PATH=" + d.libraries()}
}

func (d Debian) libraries() string {
	return filepath.Join(d.Root, "usr", "lib", multiarch[runtime.GOARCH])
}

// debian returns the unpacked packages, after downloading them with apt.
func (p *Provider) debian(ctx context.Context) (Debian, error) {
	if multiarch[runtime.GOARCH] == "" {
		return Debian{}, fmt.Errorf("no packages are known for %s", runtime.GOARCH)
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return Debian{}, errors.New("there is no apt-get: a cluster of one node is made of Debian's packages; " +
			"elsewhere use kind or any other cluster, by KUBECONFIG")
	}
	key := sha256.Sum256([]byte(strings.Join(debianPackages, " ")))
	root, err := p.folder(fmt.Sprintf("debian-%s-%x", runtime.GOARCH, key[:6]), func(dir string) error {
		p.logf("downloading Debian's packages %s (about 37 MB); they are unpacked, not installed", strings.Join(debianPackages, ", "))
		return p.unpackDebian(ctx, dir)
	})
	return Debian{Root: root}, err
}

func (p *Provider) unpackDebian(ctx context.Context, dir string) error {
	archives, err := os.MkdirTemp(p.Cache, "apt-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(archives) }()
	if err := p.downloadDebian(ctx, archives); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range packages {
		if err := quietly(ctx, "dpkg-deb", "--extract", archive, dir); err != nil {
			return err
		}
	}
	return nil
}

// downloadDebian downloads into a folder of its own. apt's lists of packages are fetched only if a download without that fails:
// they may be absent or name packages that are gone.
func (p *Provider) downloadDebian(ctx context.Context, archives string) error {
	// partial is apt's, and must be there.
	if err := os.Mkdir(filepath.Join(archives, "partial"), 0o755); err != nil {
		return err
	}
	download := append([]string{
		"--option", "Dir::Cache::archives=" + archives, "--download-only", "--reinstall", "--yes", "--no-install-recommends", "install",
	}, debianPackages...)
	first := quietly(ctx, "apt-get", download...)
	if first == nil || ctx.Err() != nil {
		return first
	}
	p.logf("apt-get cannot download them; fetching its lists of packages (apt-get update) to try again")
	if err := quietly(ctx, "apt-get", "update"); err != nil {
		return errors.Join(first, err)
	}
	return quietly(ctx, "apt-get", download...)
}

// quietly runs a program whose output is of interest only when it fails.
func quietly(ctx context.Context, program string, args ...string) error {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, output.String())
	}
	return nil
}

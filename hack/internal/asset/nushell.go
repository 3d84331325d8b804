// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	nushellVersion = "0.115.1"
	// maxNushell bounds what is unpacked, in bytes; nu itself has 70 MB.
	maxNushell = 256 << 20
)

// NushellPackage is an npm package that carries the official nu.
type NushellPackage struct {
	name      string
	integrity string // its hash, as npm writes it
}

// nushellPackages are those whose hash was seen and pinned; only these are fetched. On other platforms nu comes from
// NUSHELL_PATH or PATH. npm's package for linux/arm64 cannot be among them: its nu needs glibc, and the sandbox a static one.
var nushellPackages = map[string]NushellPackage{
	"linux/amd64": {
		name:      "@nushell/linux-x64",
		integrity: "sha512-w6eMwPZJ/JqIEq2BgUif71fzBuNFxA1xvrIshC+bQYq44x2PgOE+x1IX+URNUBQSkCLAY9ze2Egec00RMyDtMA==",
	},
}

// nushell returns the path of nu: NUSHELL_PATH, else the pinned npm package, else the nu on PATH if its version is right.
func (p *Provider) nushell(ctx context.Context) (string, error) {
	if path := os.Getenv("NUSHELL_PATH"); path != "" {
		return checkedNushell(ctx, path, "NUSHELL_PATH")
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if _, pinned := nushellPackages[platform]; !pinned {
		path, err := exec.LookPath("nu")
		if err != nil {
			return "", fmt.Errorf("no Nushell package is pinned for %s: install Nushell %s (with Homebrew or cargo, for example), "+
				"or set NUSHELL_PATH", platform, nushellVersion)
		}
		return checkedNushell(ctx, path, "PATH")
	}
	path, err := p.PinnedNushell(ctx, platform)
	if err != nil {
		return "", fmt.Errorf("%w\n(or set NUSHELL_PATH to a nu %s)", err, nushellVersion)
	}
	return path, nil
}

// PinnedNushell returns the path of the nu of a platform's pinned npm package, whatever the environment names.
func (p *Provider) PinnedNushell(ctx context.Context, platform string) (string, error) {
	pkg, err := PackageOfNushell(platform)
	if err != nil {
		return "", err
	}
	name := strings.ReplaceAll("nushell-"+nushellVersion+"-"+platform, "/", "-")
	dir, err := p.folder(name, func(dir string) error {
		p.logf("fetching Nushell %s from npm (about 30 MB)", nushellVersion)
		return pkg.fetch(ctx, dir)
	})
	return filepath.Join(dir, "nu"), err
}

// PackageOfNushell returns the package that is pinned for a platform, such as linux/amd64.
func PackageOfNushell(platform string) (NushellPackage, error) {
	pkg, pinned := nushellPackages[platform]
	if !pinned {
		return NushellPackage{}, fmt.Errorf("no Nushell package is pinned for %s", platform)
	}
	return pkg, nil
}

// Spec is what npm calls the package and its version.
func (n NushellPackage) Spec() string { return n.name + "@" + nushellVersion }

// NushellVersion is the version of the pinned packages.
func NushellVersion() string { return nushellVersion }

// Unpack writes nu, executable, from the package's archive to target, if the archive has the pinned hash.
func (n NushellPackage) Unpack(archive, target string) error {
	if err := checkIntegrity(archive, n.integrity); err != nil {
		return err
	}
	return unpackFile(archive, "package/bin/nu", target)
}

// checkedNushell returns the absolute path of a nu that the user brings, if it has the pinned version.
func checkedNushell(ctx context.Context, path, origin string) (string, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("the nu of %s (%s) does not run: %w", origin, path, err)
	}
	if version := strings.TrimSpace(string(out)); version != nushellVersion {
		return "", fmt.Errorf("the nu of %s (%s) is version %s; tests are written for %s: install that one or set NUSHELL_PATH to it",
			origin, path, version, nushellVersion)
	}
	return filepath.Abs(path)
}

func (n NushellPackage) fetch(ctx context.Context, dir string) error {
	spec := n.Spec()
	cmd := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", dir, spec)
	cmd.Dir = dir // away from the source tree, so that no .npmrc of it is read
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s, for which npm, which comes with Node.js, and its registry are needed: %w\n%s", spec, err, out)
	}
	archives, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(archives) != 1 {
		return fmt.Errorf("npm pack %s left %d archives, not one", spec, len(archives))
	}
	if err := n.Unpack(archives[0], filepath.Join(dir, "nu")); err != nil {
		return err
	}
	return os.Remove(archives[0])
}

func checkIntegrity(archive, want string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	hash := sha512.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(hash.Sum(nil)); got != want {
		return fmt.Errorf("%s has the hash %s, pinned is %s: not used", filepath.Base(archive), got, want)
	}
	return nil
}

// unpackFile writes the member of a tar.gz archive to target, executable.
func unpackFile(archive, member, target string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if err != nil {
			return fmt.Errorf("find %s in %s: %w", member, filepath.Base(archive), err)
		}
		if header.Name == member {
			return writeExecutable(target, io.LimitReader(reader, maxNushell))
		}
	}
}

func writeExecutable(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

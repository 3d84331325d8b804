// SPDX-License-Identifier: Apache-2.0

// Command image builds the container image from the list of its contents, without Docker: an archive that ctr, podman, skopeo
// and docker load take. For the Dockerfile it writes the same files into folders instead, one for each layer.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/distribution/reference"

	"provisioning.dev/extension-operator/hack/internal/asset"
	"provisioning.dev/extension-operator/hack/tree"
)

// options are what the command line says.
type options struct {
	source, output, rootfs, name       string
	platform, version, revision, epoch string
	nu                                 string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	name, err := parseName(o.name)
	if err != nil {
		return err
	}
	b, err := newBuild(ctx, o)
	if err != nil {
		return err
	}
	return b.release(b.write(o, name, out))
}

// write writes what the command line asks for: folders, an archive, or both.
func (b *build) write(o options, name reference.NamedTagged, out io.Writer) error {
	if o.rootfs != "" {
		if err := b.writeFolders(o.rootfs); err != nil || o.output == "" {
			return err
		}
	}
	if o.output == "" {
		o.output = filepath.Join(b.source, "dist", "extension-operator-"+b.arch()+".tar")
	}
	image, err := b.image()
	if err != nil {
		return err
	}
	if err := writeArchive(o.output, image, name); err != nil {
		return err
	}
	return summarize(out, o.output, name.String(), image)
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&o.source, "source", "", "root of the source tree; without it the one of the working folder")
	flags.StringVar(&o.output, "output", "", "the archive to write; without it and -rootfs dist/extension-operator-ARCH.tar")
	flags.StringVar(&o.rootfs, "rootfs", "", "write the files into this folder, a folder for each layer; an archive only with -output")
	flags.StringVar(&o.name, "image", "extension-operator:dev", "what the image is called in the archive")
	flags.StringVar(&o.platform, "platform", "linux/amd64", "what the image is for: linux/amd64 or linux/arm64")
	flags.StringVar(&o.version, "version", "dev", "the version of the operator")
	flags.StringVar(&o.revision, "revision", "", "the commit; without it the one that git tells")
	flags.StringVar(&o.epoch, "epoch", os.Getenv("SOURCE_DATE_EPOCH"), "when the image was made, in seconds since 1970; without it the commit's time")
	flags.StringVar(&o.nu, "nushell", "", "the archive of the pinned npm package, or, where none is pinned, a static nu")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unknown argument %q: there are flags only", flags.Arg(0))
	}
	return o, nil
}

func newBuild(ctx context.Context, o options) (*build, error) {
	if _, known := platforms[o.platform]; !known {
		return nil, fmt.Errorf("unknown platform %q: it is one of %s", o.platform, strings.Join(slices.Sorted(maps.Keys(platforms)), ", "))
	}
	b := &build{ctx: ctx, source: o.source, platform: o.platform, version: o.version, revision: o.revision, nu: o.nu, built: map[string]string{}}
	var err error
	if b.source == "" {
		if b.source, err = tree.Root(); err != nil {
			return nil, err
		}
	}
	if b.revision == "" {
		if b.revision, err = b.git("rev-parse", "HEAD"); err != nil {
			return nil, err
		}
	}
	if o.epoch == "" {
		if o.epoch, err = b.git("log", "-1", "--format=%ct"); err != nil {
			return nil, err
		}
	}
	seconds, err := strconv.ParseInt(o.epoch, 10, 64)
	if err != nil || seconds < 0 {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH is %q: it must be a number of seconds since 1970", o.epoch)
	}
	b.created = time.Unix(seconds, 0).UTC()
	cache, err := tree.Cache()
	if err != nil {
		return nil, err
	}
	b.provider = &asset.Provider{Source: b.source, Cache: cache, Log: os.Stderr}
	b.scratch, err = os.MkdirTemp("", "extension-operator-image-")
	return b, err
}

// git asks git about the source tree.
func (b *build) git(args ...string) (string, error) {
	cmd := exec.CommandContext(b.ctx, "git", args...)
	cmd.Dir = b.source
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git does not know the commit of %s (%w): give --revision and SOURCE_DATE_EPOCH", b.source, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeFolders writes the files of each layer into a folder of its name.
func (b *build) writeFolders(below string) error {
	if tree.Exists(below) {
		return errors.New(below + " exists: name a folder that does not")
	}
	for _, l := range contents {
		files, err := l.tree(b)
		if err != nil {
			return fmt.Errorf("layer %s: %w", l.name, err)
		}
		if err := os.MkdirAll(filepath.Join(below, l.name), 0o755); err != nil {
			return err
		}
		if err := unpack(files, filepath.Join(below, l.name)); err != nil {
			return err
		}
	}
	return nil
}

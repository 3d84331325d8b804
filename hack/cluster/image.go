// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"provisioning.dev/extension-operator/hack/tree"
)

// podImage has hack/cluster/pod alone.
const podImage = "extension-operator.local/cluster-pod:dev"

// loadPodImage builds the cluster's own image and loads it, unless it was loaded before.
func (c *cluster) loadPodImage(ctx context.Context) error {
	if loaded, err := c.ctr(ctx, "images", "list", "--quiet", "name=="+podImage); err != nil || strings.TrimSpace(loaded) != "" {
		return err
	}
	root, err := tree.Root()
	if err != nil {
		return err
	}
	program := filepath.Join(c.dir, "tmp", "pod")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "./hack/cluster/pod")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the cluster's image: %w\n%s", err, out)
	}
	archive := program + ".tar"
	if err := writeImage(archive, podImage, program); err != nil {
		return fmt.Errorf("build the cluster's image: %w", err)
	}
	return c.load(ctx, archive)
}

// writeImage writes an image of one static program, which is its entry point, as an archive to load.
func writeImage(archive, reference, program string) error {
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	content, err := layerOf(program)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return err
	}
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = runtime.GOOS, runtime.GOARCH
	file.Config = v1.Config{Entrypoint: []string{"/" + filepath.Base(program)}, User: "65532:65532"}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return err
	}
	return tarball.WriteToFile(archive, tag, image)
}

func layerOf(program string) ([]byte, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	header := tar.Header{Name: filepath.Base(program), Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}
	if err := writer.WriteHeader(&header); err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	return layer.Bytes(), writer.Close()
}

// load imports archives of images, as docker save and make image-tar write them, where the kubelet finds them.
func (c *cluster) load(ctx context.Context, archives ...string) error {
	for _, archive := range archives {
		if _, err := os.Stat(archive); err != nil {
			return err
		}
		if _, err := c.ctr(ctx, "images", "import", archive); err != nil {
			return fmt.Errorf("load %s: %w", archive, err)
		}
	}
	return nil
}

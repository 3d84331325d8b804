// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/distribution/reference"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// blob is a file of the archive that its hash names.
type blob struct {
	digest v1.Hash
	size   int64
	open   func() (io.ReadCloser, error)
}

func (b blob) path() string { return "blobs/" + b.digest.Algorithm + "/" + b.digest.Hex }

// parseName reads the name of an image as container tools do: extension-operator is short for the default registry's.
func parseName(image string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return nil, fmt.Errorf("%q is no name of an image, such as registry.example.com/extension-operator:v1: %w", image, err)
	}
	if _, digested := named.(reference.Digested); digested {
		return nil, fmt.Errorf("%q names an image by its digest, which is known only once it is built: give a tag", image)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%q has no tag", image)
	}
	return tagged, nil
}

// writeArchive writes an image as an archive that is both an OCI layout, which containerd, podman and skopeo read and which
// keeps the digest, and what docker load takes: the two share their blobs.
func writeArchive(output string, image v1.Image, name reference.NamedTagged) error {
	blobs, err := blobsOf(image)
	if err != nil {
		return err
	}
	index, err := indexOf(image, name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(output), filepath.Base(output)+".*")
	if err != nil {
		return err
	}
	err = writeBlobs(temp, blobs, map[string]any{
		"oci-layout":    map[string]string{"imageLayoutVersion": "1.0.0"},
		"index.json":    index,
		"manifest.json": forDocker(blobs, name),
	})
	if err = errors.Join(err, temp.Chmod(fileMode), temp.Close()); err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return os.Rename(temp.Name(), output)
}

// blobsOf are the configuration of an image, its layers, and at last its manifest.
func blobsOf(image v1.Image) ([]blob, error) {
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	settings, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	blobs := []blob{inMemory(manifest.Config.Digest, settings)}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for i, l := range layers {
		blobs = append(blobs, blob{digest: manifest.Layers[i].Digest, size: manifest.Layers[i].Size, open: l.Compressed})
	}
	digest, err := image.Digest()
	if err != nil {
		return nil, err
	}
	raw, err := image.RawManifest()
	return append(blobs, inMemory(digest, raw)), err
}

func inMemory(digest v1.Hash, content []byte) blob {
	return blob{digest: digest, size: int64(len(content)), open: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(content)), nil
	}}
}

func indexOf(image v1.Image, name reference.NamedTagged) (v1.IndexManifest, error) {
	descriptor, err := partial.Descriptor(image)
	if err != nil {
		return v1.IndexManifest{}, err
	}
	settings, err := image.ConfigFile()
	if err != nil {
		return v1.IndexManifest{}, err
	}
	descriptor.Platform = settings.Platform()
	descriptor.Annotations = map[string]string{
		"io.containerd.image.name":          name.String(),
		"org.opencontainers.image.ref.name": name.Tag(),
	}
	return v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{*descriptor}}, nil
}

// forDocker is the manifest.json that docker load looks for.
func forDocker(blobs []blob, name reference.NamedTagged) any {
	layers := make([]string, len(blobs)-2)
	for i, b := range blobs[1 : len(blobs)-1] {
		layers[i] = b.path()
	}
	return []map[string]any{{"Config": blobs[0].path(), "RepoTags": []string{reference.FamiliarString(name)}, "Layers": layers}}
}

func writeBlobs(out io.Writer, blobs []blob, documents map[string]any) error {
	writer := tar.NewWriter(out)
	for _, name := range []string{"oci-layout", "index.json", "manifest.json"} {
		content, err := json.Marshal(documents[name])
		if err != nil {
			return err
		}
		if err := addBlob(writer, name, inMemory(v1.Hash{}, content)); err != nil {
			return err
		}
	}
	for _, b := range blobs {
		if err := addBlob(writer, b.path(), b); err != nil {
			return err
		}
	}
	return writer.Close()
}

func addBlob(writer *tar.Writer, name string, b blob) error {
	content, err := b.open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	err = writer.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: fileMode, Size: b.size, ModTime: fileTime, Format: tar.FormatPAX})
	if err != nil {
		return err
	}
	_, err = io.Copy(writer, content)
	return err
}

// summarize says what was written.
func summarize(out io.Writer, output, name string, image v1.Image) error {
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	var size int64
	for i, l := range manifest.Layers {
		size += l.Size
		if _, err := fmt.Fprintf(out, "layer %-9s %6.1f MB  %s\n", contents[i].name, megabytes(l.Size), l.Digest); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "image %s\ndigest %s\nsize %.1f MB compressed\nwrote %s\n", name, digest, megabytes(size), output)
	return err
}

func megabytes(size int64) float64 { return float64(size) / 1e6 }

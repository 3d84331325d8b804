// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// labels are the image's, by the names that the OCI image specification gives them.
func (b *build) labels() map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":       "extension-operator",
		prefix + "description": "A Kubernetes operator for extensions: versioned packages of Nushell code, loaded in a sandbox",
		prefix + "licenses":    "Apache-2.0",
		prefix + "source":      "https://provisioning.dev/extension-operator",
		prefix + "version":     b.version,
		prefix + "revision":    b.revision,
		prefix + "created":     b.created.Format(time.RFC3339),
	}
}

// image puts the layers of the list together.
func (b *build) image() (v1.Image, error) {
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, l := range contents {
		files, err := l.tree(b)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.name, err)
		}
		packed, err := pack(files, b.scratch)
		if err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.name, err)
		}
		image, err = mutate.Append(image, mutate.Addendum{
			Layer: packed, MediaType: types.OCILayer,
			History: v1.History{Created: v1.Time{Time: b.created}, CreatedBy: "make image-tar", Comment: l.name},
		})
		if err != nil {
			return nil, err
		}
	}
	settings, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	settings = settings.DeepCopy()
	settings.OS, settings.Architecture, settings.Created = "linux", b.arch(), v1.Time{Time: b.created}
	settings.Config = v1.Config{User: user, Entrypoint: []string{entrypoint}, Env: environment, WorkingDir: "/", Labels: b.labels()}
	return mutate.ConfigFile(image, settings)
}

// environment is that of whoever names none: kubectl exec finds the programs by their names.
var environment = []string{"PATH=/usr/local/bin"}

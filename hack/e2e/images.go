// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The images that are built, where none are given.
const (
	newImage = "extension-operator:e2e"
	oldImage = "extension-operator:e2e-before"
)

// changedFile of the library is another one in the image of the commit before.
const changedFile = "extensions/taskservs/etcd/mod.nu"

// release is what is installed: an image and the manifests that belong to it.
type release struct{ image, manifest string }

// releases are the one of this commit and the one before it.
type releases struct{ now, before release }

func (r releases) environ() []string {
	return []string{
		"E2E_IMAGE=" + r.now.image, "E2E_MANIFEST=" + r.now.manifest,
		"E2E_OLD_IMAGE=" + r.before.image, "E2E_OLD_MANIFEST=" + r.before.manifest,
	}
}

// images builds and loads both releases, or takes the images that are given, and writes the manifests of both.
func (r *run) images() (releases, error) {
	images := releases{
		now:    release{image: os.Getenv("E2E_IMAGE"), manifest: filepath.Join(r.out, "install.yaml")},
		before: release{image: os.Getenv("E2E_OLD_IMAGE"), manifest: filepath.Join(r.out, "install-before.yaml")},
	}
	if (images.now.image == "") != (images.before.image == "") {
		return images, errors.New("set both E2E_IMAGE and E2E_OLD_IMAGE, or neither")
	}
	before, err := r.before()
	if err != nil {
		return images, err
	}
	if images.now.image == "" {
		images.now.image, images.before.image = newImage, oldImage
		if err := r.buildAndLoad(before); err != nil {
			return images, err
		}
	}
	return images, errors.Join(r.writeManifest(r.root, images.now), r.writeManifest(before, images.before), os.RemoveAll(before))
}

// buildAndLoad builds the images of the source tree and of the one before.
func (r *run) buildAndLoad(before string) error {
	revision, err := r.git("rev-parse", "HEAD~1")
	if err != nil {
		return err
	}
	archives := []string{filepath.Join(r.out, "image.tar"), filepath.Join(r.out, "image-before.tar")}
	if err := r.command(r.root, "go", "run", "./hack/image", "-image="+newImage, "-version=e2e", "-output="+archives[0]); err != nil {
		return err
	}
	if err := r.command(before, "go", "run", "./hack/image", "-image="+oldImage, "-version=e2e-before", "-output="+archives[1],
		"-revision="+revision, "-epoch=0"); err != nil {
		return err
	}
	say("loading the images into the cluster")
	return r.target.load(archives...)
}

// before makes a tree of the commit before this one, with the library and the loading program of now, so that an upgrade has
// nothing to load but what is due to one changed file.
func (r *run) before() (string, error) {
	dir := filepath.Join(r.out, "before")
	archive := dir + ".tar"
	if _, err := r.git("archive", "--output="+archive, "HEAD~1"); err != nil {
		return "", fmt.Errorf("the upgrade needs the commit before this one (a shallow clone has none): %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := r.command(dir, "tar", "-xf", archive); err != nil {
		return "", err
	}
	for _, folder := range []string{"extensions", "nushell"} {
		target := filepath.Join(dir, folder)
		if err := errors.Join(os.RemoveAll(target), os.CopyFS(target, os.DirFS(filepath.Join(r.root, folder)))); err != nil {
			return "", err
		}
	}
	file, err := os.OpenFile(filepath.Join(dir, changedFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString("# of the release before\n")
	return dir, errors.Join(err, file.Close(), os.Remove(archive))
}

// writeManifest writes what make install-yaml makes of a tree's config/default.
func (r *run) writeManifest(source string, what release) error {
	cmd := exec.CommandContext(r.ctx, "go", "tool", "-modfile=hack/tools/kustomize.mod", "kustomize", "build", "config/default")
	cmd.Dir, cmd.Stderr = source, os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kustomize build config/default in %s: %w", source, err)
	}
	return os.WriteFile(what.manifest, []byte(strings.ReplaceAll(string(text), "extension-operator:dev", what.image)), 0o644)
}

func (r *run) git(args ...string) (string, error) {
	cmd := exec.CommandContext(r.ctx, "git", args...)
	cmd.Dir, cmd.Stderr = r.root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %v: %w", args, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/distribution/reference"
)

// The images that are built, where none are given.
const (
	newImage = "extension-operator:e2e"
	oldImage = "extension-operator:e2e-before"
)

// samples of a source tree.
const samples = "config/samples"

// changedFile of the library is another one in the image of the commit before.
const changedFile = "extensions/taskservs/etcd/mod.nu"

// release is what is installed: an image, the manifests that belong to it, and the folder of its samples.
type release struct{ image, manifest, samples string }

// releases are the one of this commit and the one before it.
type releases struct {
	now, before release
	// given: somebody has made the images, and the nodes can pull them.
	given bool
}

func (r releases) environ() []string {
	return []string{
		"E2E_IMAGE=" + r.now.image, "E2E_MANIFEST=" + r.now.manifest,
		"E2E_OLD_MANIFEST=" + r.before.manifest, "E2E_OLD_SAMPLES=" + r.before.samples,
	}
}

// chosen are the releases by the images that are given or, where none are, by those that are to be built.
func (r *run) chosen() (releases, error) {
	chosen := releases{
		now:    release{image: os.Getenv("E2E_IMAGE"), manifest: filepath.Join(r.out, "install.yaml"), samples: filepath.Join(r.root, samples)},
		before: release{image: os.Getenv("E2E_OLD_IMAGE"), manifest: filepath.Join(r.out, "install-before.yaml"), samples: filepath.Join(r.out, "samples-before")},
	}
	if (chosen.now.image == "") != (chosen.before.image == "") {
		return chosen, errors.New("set both E2E_IMAGE and E2E_OLD_IMAGE, or neither")
	}
	if chosen.given = chosen.now.image != ""; !chosen.given {
		chosen.now.image, chosen.before.image = newImage, oldImage
	}
	return chosen, errors.Join(checkImage("E2E_IMAGE", chosen.now.image), checkImage("E2E_OLD_IMAGE", chosen.before.image))
}

// checkImage says what is wrong with the name of an image.
func checkImage(variable, image string) error {
	name, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return fmt.Errorf("%s is %q, which is no name of an image: %w", variable, image, err)
	}
	if reference.IsNameOnly(name) {
		return fmt.Errorf("%s is %q: name the image with its tag or digest, as in %s:v0.1.0", variable, image, image)
	}
	return nil
}

// make builds and loads both images, unless they are given, and writes the manifests of both releases.
func (r *run) make(both releases) error {
	say("making the release of this commit and the one of the commit before")
	before, err := r.before()
	if err != nil {
		return err
	}
	if !both.given {
		if err := r.buildAndLoad(before); err != nil {
			return err
		}
	}
	return errors.Join(r.writeManifest(r.root, both.now), r.writeManifest(before, both.before),
		os.CopyFS(both.before.samples, os.DirFS(filepath.Join(before, samples))), os.RemoveAll(before))
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

// before makes a tree of the commit before this one, with another file in the library, so that an upgrade has something to load
// whatever the commit is about.
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
	file, err := os.OpenFile(filepath.Join(dir, changedFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString("# of the release before\n")
	return dir, errors.Join(err, file.Close(), os.Remove(archive))
}

// writeManifest writes what make install-yaml makes of a tree's config/default.
func (r *run) writeManifest(source string, what release) error {
	cmd := r.program(source, "go", "tool", "-modfile=hack/tools/kustomize.mod", "kustomize", "build", "config/default")
	text, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("kustomize build config/default in %s: %w", source, err)
	}
	return os.WriteFile(what.manifest, []byte(strings.ReplaceAll(string(text), "extension-operator:dev", what.image)), 0o644)
}

func (r *run) git(args ...string) (string, error) {
	out, err := r.program(r.root, "git", args...).Output()
	if err != nil {
		return "", fmt.Errorf("git %v: %w", args, err)
	}
	return strings.TrimSpace(string(out)), nil
}

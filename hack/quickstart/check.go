// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	api "provisioning.dev/extension-operator/api/v1alpha1"
)

// reloadTimeout is how long a change of the library may take to be seen in a status: far longer than it does.
const reloadTimeout = time.Minute

// check does what the guide proposes to try, and says what is not as promised.
func check(ctx context.Context, s *stack) error {
	steps := []struct {
		what string
		do   func(context.Context, *stack) error
	}{
		{"each sample has what a load leaves in its status", checkSamples},
		{"an edited extension is loaded again", checkHotReload},
		{"a requested reload is handled", checkReload},
		{"a version that does not exist is told with those that do", checkMissingVersion},
	}
	for _, step := range steps {
		if err := step.do(ctx, s); err != nil {
			return fmt.Errorf("not so: %s: %w", step.what, err)
		}
		say("checked: %s", step.what)
	}
	return nil
}

func checkSamples(ctx context.Context, s *stack) error {
	extensions, err := s.kubectl.extensions(ctx)
	if err != nil {
		return err
	}
	types := map[api.ExtensionType]bool{}
	for _, e := range extensions {
		types[e.Spec.Type] = true
		switch {
		case !meta.IsStatusConditionTrue(e.Status.Conditions, api.ReadyCondition):
			return fmt.Errorf("%s is not Ready", e.Name)
		case !strings.HasPrefix(e.Status.Digest, "sha256:"):
			return fmt.Errorf("%s has the digest %q", e.Name, e.Status.Digest)
		case e.Status.LoadedAt.IsZero():
			return fmt.Errorf("%s has no loadedAt", e.Name)
		case e.Status.Version == "" || e.Status.Key == "":
			return fmt.Errorf("%s has the version %q and the key %q", e.Name, e.Status.Version, e.Status.Key)
		}
	}
	if len(types) != 3 {
		return fmt.Errorf("the samples are of %d of the three types", len(types))
	}
	return nil
}

func checkHotReload(ctx context.Context, s *stack) error {
	before, err := s.kubectl.extension(ctx, "containerd")
	if err != nil {
		return err
	}
	file, err := os.OpenFile(s.editedFile(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString("# edited\n")
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, reloadTimeout)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		after, err := s.kubectl.extension(ctx, "containerd")
		if err != nil {
			return fmt.Errorf("still the digest %s: %w", before.Status.Digest, err)
		}
		ready := meta.IsStatusConditionTrue(after.Status.Conditions, api.ReadyCondition)
		if ready && after.Status.Digest != before.Status.Digest {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

func checkReload(ctx context.Context, s *stack) error {
	const token = "again-1"
	before, err := s.kubectl.extension(ctx, "kubernetes")
	if err != nil {
		return err
	}
	if _, err := s.kubectl.run(ctx, "annotate", "extension", "kubernetes", api.ReloadAnnotation+"="+token); err != nil {
		return err
	}
	handled := "--for=jsonpath={.status.lastHandledReloadAt}=" + token
	if _, err := s.kubectl.run(ctx, "wait", "extension", "kubernetes", handled, readyTimeout); err != nil {
		return err
	}
	after, err := s.kubectl.extension(ctx, "kubernetes")
	if err != nil {
		return err
	}
	if !meta.IsStatusConditionTrue(after.Status.Conditions, api.ReadyCondition) || after.Status.Digest != before.Status.Digest {
		return fmt.Errorf("digest %s before and %s after", before.Status.Digest, after.Status.Digest)
	}
	return nil
}

func checkMissingVersion(ctx context.Context, s *stack) error {
	if _, err := s.kubectl.pipe(ctx, missingVersion, "apply", "-f", "-"); err != nil {
		return err
	}
	const name = "kubernetes-future"
	stalled := "--for=condition=" + api.StalledCondition
	if _, err := s.kubectl.run(ctx, "wait", "extension", name, stalled, readyTimeout); err != nil {
		return err
	}
	e, err := s.kubectl.extension(ctx, name)
	if err != nil {
		return err
	}
	ready := meta.FindStatusCondition(e.Status.Conditions, api.ReadyCondition)
	if ready == nil || ready.Reason != api.VersionNotFoundReason || len(e.Status.AvailableVersions) == 0 {
		return fmt.Errorf("its status is %+v", e.Status)
	}
	for _, version := range e.Status.AvailableVersions {
		if !strings.Contains(ready.Message, version) {
			return fmt.Errorf("its message does not name %s: %s", version, ready.Message)
		}
	}
	say("it says: %s", ready.Message)
	return nil
}

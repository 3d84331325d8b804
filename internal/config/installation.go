// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"

	"provisioning.dev/extension-operator/internal/extension"
)

// The controllers of a manager.
const (
	ExtensionController    = "extension"
	InstallationController = "installation"
)

// Runs tells whether a manager with these settings runs a controller.
func (s *Settings) Runs(controller string) bool { return slices.Contains(s.Controllers, controller) }

func controllers(name string, names []string) error {
	known := []string{ExtensionController, InstallationController}
	for i, one := range names {
		if !slices.Contains(known, one) {
			return fmt.Errorf("%s has %q; it can have %s and %s", name, one, known[0], known[1])
		}
		if slices.Contains(names[:i], one) {
			return fmt.Errorf("%s has %s twice", name, one)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s is empty; at least one of %s and %s must run", name, known[0], known[1])
	}
	return nil
}

func (t *table) installation(s *Settings) {
	t.in("installation", "Installations")
	t.text("runner_image", "runner-image", &s.RunnerImage, "extension-operator:dev",
		"image that runs hooks: this operator's own, as a node pulls it; a plan that waits for its approval is made again with another", image)
	t.text("runner_sandbox", "runner-sandbox", &s.RunnerSandbox, "require",
		"sandbox of the hook configure on the node that runs it: require, or best-effort on nodes older than Linux 6.12", oneOf("require", "best-effort"))
	t.number("workers", "installation-workers", &s.InstallationWorkers, 4, "how many Installations are reconciled at once", atLeast(1))
	t.number("max_running", "max-installations", &s.MaxInstallations, 20, "how many Installations run a Job at once", atLeast(1))
	t.number("max_running_per_namespace", "max-installations-per-namespace", &s.MaxInstallationsPerNamespace, 5,
		"how many of them one namespace has at most", atLeast(1))
}

func image(name, reference string) error {
	if !extension.ValidImage(reference) {
		return fmt.Errorf("%s is %q; it must be a reference to an image such as registry.example/extension-operator:v1", name, reference)
	}
	return nil
}

// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestControllersRunTogetherOrApart(t *testing.T) {
	for flag, want := range map[string][]bool{
		"":                                     {true, true},
		"--controllers=extension":              {true, false},
		"--controllers=installation":           {false, true},
		"--controllers=installation,extension": {true, true},
	} {
		g := NewWithT(t)
		var args []string
		if flag != "" {
			args = []string{flag}
		}
		effective, err := config.Load(from(t, "", nil, args...))
		g.Expect(err).NotTo(HaveOccurred())
		s := effective.Settings
		g.Expect([]bool{s.Runs(config.ExtensionController), s.Runs(config.InstallationController)}).To(Equal(want), flag)
	}
}

func TestWhatInstallationsCannotRunWith(t *testing.T) {
	for arg, says := range map[string]string{
		"--controllers=":                       "is empty; at least one of extension and installation must run",
		"--controllers=extension,jobs":         `has "jobs"; it can have extension and installation`,
		"--controllers=extension,extension":    "has extension twice",
		"--runner-image=":                      `is ""; it must be a reference to an image`,
		"--runner-image=a b":                   `is "a b"; it must be a reference to an image`,
		"--runner-image=--shell":               "it must be a reference to an image",
		"--runner-sandbox=off":                 `is "off"; it can be require, best-effort`,
		"--max-installations=0":                "at least 1 is needed",
		"--max-installations-per-namespace=-1": "at least 1 is needed",
		"--installation-workers=0":             "at least 1 is needed",
	} {
		_, err := config.Load(from(t, "", nil, arg))
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(says)), arg)
	}
}

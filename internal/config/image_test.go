// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"provisioning.dev/extension-operator/internal/config"
)

func TestDefaultsAreWhereTheImageHasThings(t *testing.T) {
	g := NewWithT(t)
	dockerfile, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	g.Expect(err).NotTo(HaveOccurred())
	s := config.Default()
	for _, line := range []string{
		"COPY --from=nushell /nushell/nu " + s.NushellPath + "\n",
		"/out/extension-sandbox " + filepath.Dir(s.SandboxPath) + "/\n",
		"COPY nushell " + s.ProvisioningPath + "\n",
		"COPY extensions " + s.Libraries[0] + "\n",
		"COPY internal/config/config.defaults.toml " + filepath.Dir(s.ProvisioningPath) + "/config.defaults.toml\n",
	} {
		g.Expect(string(dockerfile)).To(ContainSubstring(line))
	}
	deployment, err := os.ReadFile(filepath.Join("..", "..", "config", "manager", "deployment.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(deployment)).To(ContainSubstring("mountPath: " + s.DataDir + "\n"))
}

// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// samples are the folders of config/samples/installations, and what their Installations run the hooks of.
var samples = map[string][]string{
	"hello": {"taskservs/hello"}, "postgresql": postgresqlVersions, "buildkit": {"clusters/buildkit"},
}

func sample(name, file string) string {
	return filepath.Join("..", "config", "samples", "installations", name, file)
}

// The account of a sample is the one that lies beside the hooks, and was tried with them.
func TestAccountsOfSamplesAreCopies(t *testing.T) {
	g := NewWithT(t)
	for name, dirs := range samples {
		account, err := os.ReadFile(sample(name, name+"_account.yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		for _, dir := range dirs {
			g.Expect(os.ReadFile(filepath.Join(dir, "rbac.yaml"))).To(BeEquivalentTo(account), dir)
		}
	}
}

// The values of a sample are good ones, and make something to install.
func TestValuesOfSamples(t *testing.T) {
	g := NewWithT(t)
	for name, dirs := range samples {
		text, err := os.ReadFile(sample(name, name+".yaml"))
		g.Expect(err).NotTo(HaveOccurred())
		var installation struct {
			Spec struct{ Values values }
		}
		g.Expect(yaml.Unmarshal(text, &installation)).To(Succeed())
		for _, dir := range dirs {
			g.Expect(len(configured(t, dir, installation.Spec.Values.with(nil)).Objects)).To(BeNumerically(">", 1), dir)
		}
	}
}

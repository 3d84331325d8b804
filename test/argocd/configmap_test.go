// SPDX-License-Identifier: Apache-2.0

package argocd

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

var update = flag.Bool("update", false, "write config/argocd/argocd-cm.yaml anew")

func TestTheConfigMapIsMadeOfTheScripts(t *testing.T) {
	g := NewWithT(t)
	dir, err := folder()
	g.Expect(err).NotTo(HaveOccurred())
	text, err := Make(dir)
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(dir, "argocd-cm.yaml")
	if *update {
		g.Expect(os.WriteFile(path, text, 0o600)).To(Succeed())
	}
	old, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(old, text)).To(BeTrue(), "%s is not what the scripts say: run make reference", path)
}

func TestKeysOfOthersAreRefused(t *testing.T) {
	g := NewWithT(t)
	_, err := Read(corev1.ConfigMap{Data: map[string]string{"resource.customizations.heath.a_B": "return {}"}})
	g.Expect(err).To(MatchError(ContainSubstring("no key for health or actions")))
	_, err = Read(corev1.ConfigMap{Data: map[string]string{actionsPrefix + "a_B": "discovery: x"}})
	g.Expect(err).To(MatchError(ContainSubstring(`unknown field "discovery"`)))
}

// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"
)

// root of the source tree.
const root = "../.."

// ownCluster tells whether the cluster is the one of hack/cluster, whose parts can be restarted and whose audit log can be read.
func ownCluster() bool { return os.Getenv("E2E_CLUSTER") != "" }

// try runs kubectl as a person would, from the root of the source tree, and returns all that it prints.
func try(args ...string) (string, error) {
	return tryWith("", args...)
}

// tryWith gives it a standard input.
func tryWith(input string, args ...string) (string, error) {
	cmd := exec.Command(os.Getenv("E2E_KUBECTL"), args...)
	cmd.Dir, cmd.Stdin = root, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// kubectl must succeed.
func kubectl(args ...string) string {
	GinkgoHelper()
	out, err := try(args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

// clusterTool runs bin/cluster.
func clusterTool(args ...string) {
	GinkgoHelper()
	cmd := exec.Command(need("E2E_CLUSTER"), args...)
	cmd.Stdout, cmd.Stderr = GinkgoWriter, GinkgoWriter
	Expect(cmd.Run()).To(Succeed(), "bin/cluster %s", strings.Join(args, " "))
}

// write writes a file of this run's folder.
func write(name, text string) {
	GinkgoHelper()
	path := filepath.Join(need("E2E_OUT"), name)
	Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
	Expect(os.WriteFile(path, []byte(text), 0o644)).To(Succeed())
}

func resourceOf(quantity string) resource.Quantity { return resource.MustParse(quantity) }

// SPDX-License-Identifier: Apache-2.0

package env_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	api "provisioning.dev/extension-operator/api/v1alpha1"
	"provisioning.dev/extension-operator/test/env"
)

// holderVariable makes this test binary a process that starts a cluster and waits to be killed.
const holderVariable = "ENV_TEST_HOLD_A_CLUSTER"

func TestMain(m *testing.M) {
	if os.Getenv(holderVariable) != "" {
		holdCluster()
	}
	os.Exit(m.Run())
}

func holdCluster() {
	cluster, err := env.Start()
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Stdout.WriteString(cluster.Dir + "\n")
	select {}
}

func TestClusterServesTheCRDs(t *testing.T) {
	g := NewWithT(t)
	cluster, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	defer func() {
		g.Expect(cluster.Stop()).To(Succeed())
		g.Expect(cluster.Dir).NotTo(BeADirectory())
	}()

	scheme := runtime.NewScheme()
	g.Expect(api.AddToScheme(scheme)).To(Succeed())
	g.Expect(apiextensions.AddToScheme(scheme)).To(Succeed())
	admin, err := client.New(cluster.Config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(admin.List(t.Context(), &apiextensions.CustomResourceDefinitionList{})).To(Succeed())
	g.Expect(admin.List(t.Context(), &api.ExtensionList{})).To(Succeed())

	// A user without a role may do nothing; the credentials survive the way through a file.
	user, err := cluster.AddUser("nobody-special", "some-group")
	g.Expect(err).NotTo(HaveOccurred())
	path := filepath.Join(t.TempDir(), "kubeconfig")
	g.Expect(env.WriteKubeconfig(path, user)).To(Succeed())
	config, err := clientcmd.BuildConfigFromFlags("", path)
	g.Expect(err).NotTo(HaveOccurred())
	stranger, err := client.New(config, client.Options{Scheme: scheme})
	g.Expect(err).NotTo(HaveOccurred())
	err = stranger.Create(t.Context(), &api.Extension{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "x"}})
	g.Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%v", err)
	g.Expect(err).To(MatchError(ContainSubstring("nobody-special")))
}

// TestKilledRunLeavesNothing kills a process that has a cluster as nothing else can, and looks for what it left.
func TestKilledRunLeavesNothing(t *testing.T) {
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	holder := exec.CommandContext(ctx, os.Args[0])
	holder.Env = append(os.Environ(), holderVariable+"=1")
	out, err := holder.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(holder.Start()).To(Succeed())
	answer := make([]byte, 4096)
	n, err := out.Read(answer)
	g.Expect(err).NotTo(HaveOccurred())
	dir := strings.TrimSpace(string(answer[:n]))
	g.Expect(dir).To(BeADirectory())
	g.Expect(processesIn(g, dir)).To(ContainElements(ContainSubstring("etcd"), ContainSubstring("kube-apiserver")))

	g.Expect(holder.Process.Kill()).To(Succeed())
	_ = holder.Wait() // says that it was killed
	g.Eventually(func(g Gomega) { g.Expect(processesIn(g, dir)).To(BeEmpty()) }, 20*time.Second).Should(Succeed())

	// Its files are removed by the next run.
	next, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(dir).NotTo(BeADirectory())
	g.Expect(next.Stop()).To(Succeed())
}

// processesIn returns the command lines of running processes that name the folder.
func processesIn(g Gomega, dir string) []string {
	out, err := exec.Command("ps", "-A", "-ww", "-o", "args=").Output()
	g.Expect(err).NotTo(HaveOccurred())
	var found []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) {
			found = append(found, line)
		}
	}
	return found
}

func TestMissingProgramsAreErrors(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("KUBEBUILDER_ASSETS", "")
	_, err := env.Start()
	g.Expect(err).To(MatchError(ContainSubstring("KUBEBUILDER_ASSETS is not set: run make test")))

	t.Setenv("NUSHELL_PATH", "")
	_, err = env.Nushell()
	g.Expect(err).To(MatchError(ContainSubstring("NUSHELL_PATH is not set: run make test")))
	t.Setenv("NUSHELL_PATH", t.TempDir())
	_, err = env.Nushell()
	g.Expect(err).To(MatchError(ContainSubstring("is not an executable file")))
}

func TestSandboxHelperIsBuilt(t *testing.T) {
	g := NewWithT(t)
	path, err := env.SandboxHelper()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.IsAbs(path)).To(BeTrue())
	g.Expect(path).To(BeARegularFile())
	g.Expect(filepath.Base(path)).To(Equal("extension-sandbox"))
}

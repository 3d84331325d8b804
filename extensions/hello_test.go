// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestHello(t *testing.T) {
	g := NewWithT(t)
	got := configured(t, "taskservs/hello", full["taskservs/hello"])
	g.Expect(got.Files).To(Equal(map[string]string{"greeting.txt": "Good morning.\n"}))
	g.Expect(object[corev1.ConfigMap](t, got, "ConfigMap").Data).To(Equal(got.Files))
	deployment := object[appsv1.Deployment](t, got, "Deployment")
	g.Expect(deployment.Spec.Replicas).To(HaveValue(BeEquivalentTo(3)))
	g.Expect(deployment.Spec.ProgressDeadlineSeconds).To(HaveValue(BeEquivalentTo(30)))
	g.Expect(deployment.Spec.Template.Annotations["hello/greeting"]).To(HaveLen(64))

	other := configured(t, "taskservs/hello", values{"greeting": "Good evening."})
	g.Expect(object[appsv1.Deployment](t, other, "Deployment").Spec.Template.Annotations).NotTo(Equal(deployment.Spec.Template.Annotations))
}

// What the pods run says the greeting, and goes on running.
func TestHellosPods(t *testing.T) {
	g := NewWithT(t)
	container := object[appsv1.Deployment](t, configured(t, "taskservs/hello", values{}), "Deployment").Spec.Template.Spec.Containers[0]
	folder := t.TempDir()
	g.Expect(os.WriteFile(filepath.Join(folder, "greeting.txt"), []byte("Hello!\n"), 0o600)).To(Succeed())
	mounted := container.VolumeMounts[0].MountPath
	g.Expect(container.Command[len(container.Command)-1]).To(ContainSubstring(mounted + "/greeting.txt"))
	args := slices.Clone(container.Command[1:])
	args[len(args)-1] = strings.ReplaceAll(args[len(args)-1], mounted, folder)

	cmd := exec.CommandContext(t.Context(), os.Getenv("NUSHELL_PATH"), args...)
	cmd.Env = []string{"HOME=/"}
	out, err := cmd.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	said, err := bufio.NewReader(out).ReadString('\n')
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(said).To(Equal("Hello!\n"))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	g.Consistently(ended, "1s").ShouldNot(Receive())
	g.Expect(cmd.Process.Kill()).To(Succeed())
	g.Eventually(ended).Should(Receive())
}

// A greeting is only ever data.
func TestHelloSaysAnyLine(t *testing.T) {
	g := NewWithT(t)
	for _, text := range append(hostile, "`nu -c 'exit 1'`", "$(id) ${HOME}", strings.Repeat("é", 200)) {
		if text == "" || strings.ContainsAny(text, "\n\r\x00") {
			continue
		}
		got := configured(t, "taskservs/hello", values{"greeting": text})
		g.Expect(object[corev1.ConfigMap](t, got, "ConfigMap").Data["greeting.txt"]).To(Equal(text + "\n"))
	}
	expectRefused(t, "taskservs/hello", values{}, []refusal{
		{values{"greeting": ""}, `greeting is ""`},
		{values{"greeting": "a\nb"}, "greeting is"},
		{values{"greeting": strings.Repeat("a", 201)}, "greeting is"},
		{values{"replicas": -1}, "replicas is -1"},
		{values{"patience_s": 0}, "patience_s is 0"},
	})
}

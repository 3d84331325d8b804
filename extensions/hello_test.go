// SPDX-License-Identifier: Apache-2.0

package extensions_test

import (
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

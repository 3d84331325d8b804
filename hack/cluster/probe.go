// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const probeName = "cluster-probe"

// probePod asks the API server for its health from inside a pod that a restricted namespace would take.
func probePod() *corev1.Pod {
	yes, no, user := true, false, int64(65532)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: probeName, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyOnFailure, // kube-proxy may be a moment late
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: &yes, RunAsUser: &user,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Containers: []corev1.Container{{
				Name: "probe", Image: podImage, ImagePullPolicy: corev1.PullNever, Args: []string{"probe"},
				SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				},
			}},
		},
	}
}

// probe runs the pod to its end, returns what it printed, and removes it.
func probe(ctx context.Context, admin kubernetes.Interface) (output string, err error) {
	pods := admin.CoreV1().Pods(metav1.NamespaceDefault)
	now := int64(0)
	remove := func() error {
		err := pods.Delete(ctx, probeName, metav1.DeleteOptions{GracePeriodSeconds: &now})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	}
	if err := remove(); err != nil { // an interrupted run's
		return "", err
	}
	err = eventually(ctx, readyTimeout, func(ctx context.Context) error {
		_, err := pods.Create(ctx, probePod(), metav1.CreateOptions{}) // refused until the ServiceAccount is there
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the probe's pod: %w", err)
	}
	defer func() { err = errors.Join(err, remove()) }()
	err = eventually(ctx, readyTimeout, func(ctx context.Context) error {
		pod, err := pods.Get(ctx, probeName, metav1.GetOptions{})
		if err == nil && pod.Status.Phase != corev1.PodSucceeded {
			err = fmt.Errorf("the probe's pod is %s: %s", pod.Status.Phase, containerState(pod))
		}
		return err
	})
	if err != nil {
		return "", err
	}
	log, err := pods.GetLogs(probeName, &corev1.PodLogOptions{}).DoRaw(ctx)
	return strings.TrimSpace(string(log)), err
}

// containerState says what the pod's container does, as well as the kubelet knows.
func containerState(pod *corev1.Pod) string {
	for _, status := range pod.Status.ContainerStatuses {
		switch {
		case status.State.Waiting != nil:
			return strings.TrimSpace(status.State.Waiting.Reason + " " + status.State.Waiting.Message)
		case status.State.Terminated != nil:
			return fmt.Sprintf("it ended with status %d", status.State.Terminated.ExitCode)
		}
	}
	return "no container has run yet"
}

// SPDX-License-Identifier: Apache-2.0

package env

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Controllers that a test needs beside the API server, as kube-controller-manager calls them.
const (
	JobController       = "job-controller"
	GarbageCollector    = "garbage-collector-controller"
	TTLController       = "ttl-after-finished-controller"
	PodGarbageCollector = "pod-garbage-collector-controller"
)

// RunControllers runs a kube-controller-manager with these controllers and no others until the returned function is called.
// There is still no kubelet and no scheduler: what a pod does is the test's. What it logs is in a file of Dir.
func (c *Cluster) RunControllers(controllers ...string) (stop func() error, err error) {
	kubeconfig := filepath.Join(c.Dir, "controllers.kubeconfig")
	if err := WriteKubeconfig(kubeconfig, c.Config); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(c.Dir, "controllers.log"))
	if err != nil {
		return nil, err
	}
	cmd, err := Command(filepath.Join(filepath.Dir(c.Kubectl), "kube-controller-manager"),
		"--kubeconfig="+kubeconfig, "--controllers="+strings.Join(controllers, ","), "--leader-elect=false",
		"--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=500")
	if err != nil {
		return nil, errors.Join(err, out.Close())
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start kube-controller-manager: %w", err), out.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- errors.Join(cmd.Wait(), out.Close()) }()
	return func() error {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return fmt.Errorf("kube-controller-manager ended by itself, see %s: %w", out.Name(), err)
		}
		select {
		case err := <-ended:
			var exit *exec.ExitError // it says that it was interrupted
			if err != nil && !errors.As(err, &exit) {
				return err
			}
			return nil
		case <-time.After(stopTimeout):
			return errors.Join(errors.New("kube-controller-manager does not stop"), cmd.Process.Kill())
		}
	}, nil
}

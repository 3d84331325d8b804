// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	apiServerPort = 6443
	// endTimeout is how long a part may take to end before it is killed.
	endTimeout = 30 * time.Second
	// checkTimeout bounds one look at whether a part serves.
	checkTimeout = 5 * time.Second
	// tailLines is how much of a log is shown with a failure.
	tailLines = 20
)

// daemon is one part of the cluster.
type daemon struct {
	name, path string
	args       []string
	// ready returns nil once it serves.
	ready func(context.Context, *cluster) error
}

// daemons are the parts in the order of their start.
func (c *cluster) daemons() []daemon {
	return []daemon{
		c.etcd(), c.containerd(), c.apiServer(),
		c.controllerManager(), c.scheduler(), c.kubelet(), c.kubeProxy(), c.coreDNS(), // kube-proxy waits for the node to be there
	}
}

func (c *cluster) etcd() daemon {
	// Its clients are in the cluster's network namespace.
	const client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
	health := fmt.Sprintf("http://%s:2381", c.network.Node())
	return daemon{
		name: "etcd", path: filepath.Join(c.node.ControlPlane, "etcd"),
		args: []string{
			"--data-dir=" + filepath.Join(c.dir, "etcd"), "--unsafe-no-fsync", // nobody misses its data after a crash of the machine
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
			"--listen-metrics-urls=" + health,
		},
		ready: answers(health + "/health"),
	}
}

func (c *cluster) containerd() daemon {
	return daemon{
		name: "containerd", path: c.node.Debian.Program("containerd"),
		args: []string{"--config=" + filepath.Join(c.Configs(), "containerd.toml")},
		ready: func(ctx context.Context, c *cluster) error {
			_, err := c.ctr(ctx, "version")
			return err
		},
	}
}

func (c *cluster) apiServer() daemon {
	pki := func(name string) string { return filepath.Join(c.PKI(), name) }
	return daemon{
		name: "kube-apiserver", path: filepath.Join(c.node.ControlPlane, "kube-apiserver"),
		args: []string{
			"--etcd-servers=http://127.0.0.1:2379",
			"--advertise-address=" + c.network.Node().String(), fmt.Sprintf("--secure-port=%d", apiServerPort),
			"--service-cluster-ip-range=" + c.network.Services().String(),
			"--cert-dir=" + c.PKI(), "--tls-cert-file=" + pki("kube-apiserver.crt"), "--tls-private-key-file=" + pki("kube-apiserver.key"),
			"--client-ca-file=" + pki("ca.crt"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-key-file=" + pki("tokens.pub"), "--service-account-signing-key-file=" + pki("tokens.key"),
			"--kubelet-certificate-authority=" + pki("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
			"--kubelet-client-certificate=" + pki(kubeletClient+".crt"), "--kubelet-client-key=" + pki(kubeletClient+".key"),
			"--audit-policy-file=" + filepath.Join(c.Configs(), "audit.yaml"), "--audit-log-path=" + c.auditLog(),
			"--audit-log-maxsize=1024",                     // MB: in one file, to be read as a whole
			"--shutdown-watch-termination-grace-period=2s", // else it waits a minute for watches that nobody ends
		},
		ready: apiServerReady,
	}
}

func (c *cluster) controllerManager() daemon {
	pki := func(name string) string { return filepath.Join(c.PKI(), name) }
	return daemon{
		name: "kube-controller-manager", path: filepath.Join(c.node.ControlPlane, "kube-controller-manager"),
		args: append(c.controller("kube-controller-manager"),
			"--use-service-account-credentials", "--root-ca-file="+pki("ca.crt"), "--service-account-private-key-file="+pki("tokens.key"),
			"--cluster-signing-cert-file="+pki("ca.crt"), "--cluster-signing-key-file="+pki("ca.key"),
			"--flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
			"--kube-api-qps=200", "--kube-api-burst=400"), // its start makes some forty ServiceAccounts and their tokens
		ready: listens(net.JoinHostPort(c.network.Node().String(), "10257")),
	}
}

func (c *cluster) scheduler() daemon {
	return daemon{
		name: "kube-scheduler", path: filepath.Join(c.node.Programs, "kube-scheduler"),
		args:  c.controller("kube-scheduler"),
		ready: listens(net.JoinHostPort(c.network.Node().String(), "10259")),
	}
}

func (c *cluster) coreDNS() daemon {
	return daemon{
		name: "coredns", path: filepath.Join(c.node.Programs, "coredns"),
		args:  []string{"-conf", filepath.Join(c.Configs(), "Corefile")},
		ready: answers(fmt.Sprintf("http://%s:10280/health", c.network.Node())),
	}
}

// controller are the arguments that the controller manager and the scheduler share.
func (c *cluster) controller(name string) []string {
	config := filepath.Join(c.PKI(), name+".kubeconfig")
	return []string{
		"--kubeconfig=" + config, "--authentication-kubeconfig=" + config, "--authorization-kubeconfig=" + config,
		"--bind-address=" + c.network.Node().String(), "--cert-dir=" + filepath.Join(c.dir, "tmp", name), "--leader-elect=false",
	}
}

func (c *cluster) kubeProxy() daemon {
	return daemon{
		name: "kube-proxy", path: filepath.Join(c.node.Programs, "kube-proxy"),
		args:  []string{"--config=" + filepath.Join(c.Configs(), "kube-proxy.yaml")},
		ready: answers(fmt.Sprintf("http://%s:10256/livez", c.network.Node())),
	}
}

func (c *cluster) kubelet() daemon {
	return daemon{
		name: "kubelet", path: filepath.Join(c.node.Programs, "kubelet"),
		args: []string{
			"--config=" + filepath.Join(c.Configs(), "kubelet.yaml"), "--kubeconfig=" + filepath.Join(c.PKI(), "kubelet.kubeconfig"),
			"--hostname-override=" + nodeName, "--node-ip=" + c.network.Node().String(),
		},
		ready: kubeletReady,
	}
}

// environ is what the parts find programs, libraries and a folder for temporary files by.
func (c *cluster) environ() []string {
	return append(c.node.Debian.Environ(), "HOME=/root", "TMPDIR="+filepath.Join(c.dir, "tmp"))
}

// start starts a part unless it runs, waits until it serves, and tells whether it had to be started.
func (c *cluster) start(ctx context.Context, d daemon) (started bool, err error) {
	running, err := recorded(c.pidFile(d.name))
	if errors.Is(err, errNoProcess) {
		started = true
		running, err = c.spawn(Command{Path: d.path, Args: d.args, Env: c.environ(), Log: c.log(d.name)})
		if errors.Is(err, errNoProcess) {
			return false, c.failed(d.name, errors.New("it ended at once"))
		}
	}
	if err != nil {
		return false, err
	}
	if err := running.record(c.pidFile(d.name)); err != nil {
		return false, err
	}
	err = eventually(ctx, readyTimeout, func(ctx context.Context) error {
		if !running.alive() {
			return nil // looked at below
		}
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		return d.ready(ctx, c)
	})
	if !running.alive() {
		err = errors.New("it ended")
	}
	if err != nil {
		return false, c.failed(d.name, err)
	}
	return started, nil
}

// stop ends a part if it runs.
func (c *cluster) stop(ctx context.Context, name string) error {
	running, err := recorded(c.pidFile(name))
	if errors.Is(err, errNoProcess) {
		return nil
	}
	if err != nil {
		return err
	}
	return running.end(ctx, endTimeout)
}

// failed tells of a part that does not serve, with the end of its log.
func (c *cluster) failed(part string, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted while %s was starting", part)
	}
	tail, readErr := os.ReadFile(c.log(part))
	if readErr != nil {
		return fmt.Errorf("%s does not serve: %w", part, errors.Join(err, readErr))
	}
	lines := strings.Split(strings.TrimSpace(string(tail)), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	return fmt.Errorf("%s does not serve: %w\nthe end of %s:\n%s", part, err, c.log(part), strings.Join(lines, "\n"))
}

// ctr runs containerd's client on the namespace that the kubelet uses.
func (c *cluster) ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.node.Debian.Program("ctr"), append([]string{"--address", c.Containerd(), "--namespace", "k8s.io"}, args...)...)
	cmd.Env = append(os.Environ(), c.environ()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// answers returns a check that GET of a URL is answered by 200.
func answers(url string) func(context.Context, *cluster) error {
	return func(ctx context.Context, _ *cluster) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := direct.Do(request)
		if err != nil {
			return err
		}
		if err := response.Body.Close(); err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	}
}

// direct goes past any proxy: all it asks is on this machine.
var direct = http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// listens returns a check that TLS is spoken at an address. The certificate is one that the part signed itself.
func listens(address string) func(context.Context, *cluster) error {
	return func(ctx context.Context, _ *cluster) error {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

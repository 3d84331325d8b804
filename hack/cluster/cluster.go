// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"provisioning.dev/extension-operator/hack/internal/asset"
	"provisioning.dev/extension-operator/hack/tree"
)

// nodeName is the node's, and the host name that its processes see.
const nodeName = "eo-node"

// maxSocketPath is how long the kernel lets the path of a Unix socket be.
const maxSocketPath = 107

// hiddenFolders are covered by the cluster's own, inside its mount namespace.
var hiddenFolders = []string{"/run", "/var/run", "/var/lib", "/var/log", "/proc", "/sys"}

// cluster is what there is of the cluster on this machine: all of it is in one folder, one process and its descendants,
// one network link and one cgroup in each hierarchy.
type cluster struct {
	// dir is the folder of everything that the cluster writes.
	dir     string
	network network
	node    asset.Node
}

// The methods with a capital letter are for the templates of configuration too.

// NodeName is the name of the one node.
func (c *cluster) NodeName() string { return nodeName }

// Network is who has which address.
func (c *cluster) Network() network { return c.network }

// Image is the cluster's own image, which is also every pod's pause image.
func (c *cluster) Image() string { return podImage }

// PKI is the folder of certificates, keys and kubeconfigs.
func (c *cluster) PKI() string { return filepath.Join(c.dir, "pki") }

// Configs is the folder of configuration files.
func (c *cluster) Configs() string { return filepath.Join(c.dir, "config") }

// Containerd is the socket of containerd.
func (c *cluster) Containerd() string { return filepath.Join(c.dir, "containerd.sock") }

// Runc is the program that starts containers.
func (c *cluster) Runc() string { return filepath.Join(c.node.Programs, "runc") }

// Plugins is the folder of the CNI plugins.
func (c *cluster) Plugins() string { return c.node.Debian.Plugins() }

func (c *cluster) adminKubeconfig() string { return filepath.Join(c.PKI(), "admin.kubeconfig") }
func (c *cluster) auditLog() string        { return filepath.Join(c.dir, "log", "audit.log") }
func (c *cluster) log(part string) string  { return filepath.Join(c.dir, "log", part+".log") }
func (c *cluster) pidFile(part string) string {
	return filepath.Join(c.dir, "pids", part+".json")
}
func (c *cluster) initSocket() string   { return filepath.Join(c.dir, "init.sock") }
func (c *cluster) settingsFile() string { return filepath.Join(c.dir, "cluster.json") }
func (c *cluster) readyFile() string    { return filepath.Join(c.dir, "ready") }

// settings are what was chosen when the cluster was made.
type settings struct {
	Subnet string `json:"subnet"`
}

// located returns the cluster of this user, made or not, and the lock that keeps a second run off until it is released.
func located() (c *cluster, unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, nil, errors.New("a cluster made here needs root; otherwise use kind or any other cluster, by KUBECONFIG")
	}
	cache, err := tree.Cache()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, nil, err
	}
	c = &cluster{dir: filepath.Join(cache, "cluster")}
	if err := checkFolder(c.dir); err != nil {
		return nil, nil, err
	}
	unlock, err = tree.Lock(filepath.Join(cache, "cluster.lock"))
	return c, unlock, err
}

// checkFolder says why the cluster cannot be in this folder.
func checkFolder(dir string) error {
	const advice = "set " + tree.CacheVariable + " to another cache folder"
	for _, hidden := range hiddenFolders {
		if strings.HasPrefix(dir, hidden+"/") {
			return fmt.Errorf("the cluster's folder %s cannot be below %s: %s", dir, hidden, advice)
		}
	}
	// The longest name is that of containerd's second socket.
	if longest := filepath.Join(dir, "containerd.sock.ttrpc"); len(longest) > maxSocketPath {
		return fmt.Errorf("the path %s is too long for a socket, by %d characters: %s", longest, len(longest)-maxSocketPath, advice)
	}
	return nil
}

// read returns whether the cluster was made, with what was chosen then.
func (c *cluster) read() (made bool, err error) {
	content, err := os.ReadFile(c.settingsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var s settings
	if err := json.Unmarshal(content, &s); err != nil {
		return false, fmt.Errorf("read %s: %w", c.settingsFile(), err)
	}
	c.network, err = newNetwork(s.Subnet)
	return err == nil, err
}

func (c *cluster) write() error {
	content, err := json.Marshal(settings{Subnet: c.network.String()})
	if err != nil {
		return err
	}
	return os.WriteFile(c.settingsFile(), content, 0o600)
}

func apiServerURL(n network) string { return fmt.Sprintf("https://%s:%d", n.Node(), apiServerPort) }

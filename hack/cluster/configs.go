// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed config
var configFiles embed.FS

// configs are the files of ./config, and where each goes below the folder of configuration.
var configs = map[string]string{
	"containerd.toml": "containerd.toml",
	"bridge.conflist": "cni/10-bridge.conflist",
	"kubelet.yaml":    "kubelet.yaml",
	"kube-proxy.yaml": "kube-proxy.yaml",
	"audit.yaml":      "audit.yaml",
	"resolv.conf":     "resolv.conf",
	"Corefile":        "Corefile",
}

// render returns a file of ./config for this cluster.
func (c *cluster) render(name string) ([]byte, error) {
	text, err := template.New(name).Option("missingkey=error").ParseFS(configFiles, "config/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := text.Execute(&out, c); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return out.Bytes(), nil
}

func (c *cluster) writeConfigs() error {
	for name, target := range configs {
		content, err := c.render(name)
		if err != nil {
			return err
		}
		path := filepath.Join(c.Configs(), target)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

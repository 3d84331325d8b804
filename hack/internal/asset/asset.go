// SPDX-License-Identifier: Apache-2.0

// Package asset provides the programs that tests and the quickstart need but a machine with Go, git and npm does not have:
// Nushell and a Kubernetes control plane. Each is pinned, verified and kept in a cache folder outside the source tree,
// so that only the first run on a machine takes long.
package asset

import (
	"context"
	"fmt"
	"io"

	"provisioning.dev/extension-operator/hack/tree"
)

// Paths are where the provided programs lie. All are absolute.
type Paths struct {
	// ControlPlane is a folder with kube-apiserver, etcd and kubectl: what KUBEBUILDER_ASSETS names.
	ControlPlane string `json:"KUBEBUILDER_ASSETS"`
	// Nushell is the nu executable: what NUSHELL_PATH names.
	Nushell string `json:"NUSHELL_PATH"`
}

// Provider finds or makes the programs.
type Provider struct {
	// Source is the root of the source tree; it holds hack/controlplane and hack/tools.
	Source string
	// Cache is the folder where programs are kept; tree.Cache gives the default.
	Cache string
	// Log takes one line for each step that takes time and for each choice a person may want to know of.
	Log io.Writer
}

// NewProvider returns a Provider for the source tree of the working folder, with the default cache folder.
func NewProvider(log io.Writer) (*Provider, error) {
	source, err := tree.Root()
	if err != nil {
		return nil, err
	}
	cache, err := tree.Cache()
	if err != nil {
		return nil, err
	}
	return &Provider{Source: source, Cache: cache, Log: log}, nil
}

// Provide returns where everything is, after fetching or building what is missing. Two runs at once are safe: the second
// waits for the first.
func (p *Provider) Provide(ctx context.Context) (Paths, error) {
	nu, err := p.nushell(ctx)
	if err != nil {
		return Paths{}, err
	}
	plane, err := p.controlPlane(ctx)
	if err != nil {
		return Paths{}, err
	}
	return Paths{ControlPlane: plane, Nushell: nu}, nil
}

func (p *Provider) logf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.Log, "assets: "+format+"\n", args...)
}

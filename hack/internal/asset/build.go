// SPDX-License-Identifier: Apache-2.0

package asset

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"provisioning.dev/extension-operator/hack/tree"
)

// progressInterval is how often a long build says how far it is.
const progressInterval = 15 * time.Second

// buildControlPlane builds every program that dir lacks. The Go module proxy's checksums in hack/controlplane/go.sum verify the source.
func (p *Provider) buildControlPlane(ctx context.Context, dir string) error {
	p.logf("building what lacks of Kubernetes %s on %d cores: about 4 minutes on two cores the first time, then never again",
		kubernetesVersion, runtime.NumCPU())
	for i, program := range controlPlanePrograms {
		if tree.Exists(filepath.Join(dir, program.name)) {
			continue
		}
		started := time.Now()
		title := fmt.Sprintf("%s (%d of %d)", program.name, i+1, len(controlPlanePrograms))
		if err := p.build(ctx, title, program.pkg, filepath.Join(dir, program.name)); err != nil {
			return fmt.Errorf("build %s: %w", program.name, err)
		}
		p.logf("built %s in %s", title, time.Since(started).Round(time.Second))
	}
	return nil
}

func (p *Provider) build(ctx context.Context, title, pkg, output string) error {
	major, minor, _ := strings.Cut(kubernetesVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	const version = "k8s.io/component-base/version."
	ldflags := []string{
		"-s", "-w",
		"-X", version + "gitVersion=v" + kubernetesVersion,
		"-X", version + "gitMajor=" + major,
		"-X", version + "gitMinor=" + minor,
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", strings.Join(ldflags, " "), "-o", output, pkg)
	cmd.Dir = filepath.Join(p.Source, "hack", "controlplane")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	tail := p.follow(title, stderr)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, tail)
	}
	return nil
}

// follow reads a verbose build's output to its end and says every progressInterval how far it is. It returns the last lines.
func (p *Provider) follow(title string, output io.Reader) string {
	var compiled atomic.Int64
	started, done := time.Now(), make(chan struct{})
	defer close(done)
	go func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				p.logf("building %s: %s, %d packages compiled", title, time.Since(started).Round(time.Second), compiled.Load())
			}
		}
	}()
	const kept = 20
	var tail [][]byte
	for lines := bufio.NewScanner(output); lines.Scan(); compiled.Add(1) {
		tail = append(tail, bytes.Clone(lines.Bytes()))
		tail = tail[max(0, len(tail)-kept):]
	}
	return string(bytes.Join(tail, []byte("\n")))
}

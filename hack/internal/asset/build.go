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
	"strings"
	"sync/atomic"
	"time"

	"provisioning.dev/extension-operator/hack/tree"
)

// progressInterval is how often a long build says how far it is.
const progressInterval = 15 * time.Second

// goBuild is one program to build from a module below hack.
type goBuild struct {
	// module is the folder below hack whose go.mod and go.sum pin the source.
	module, pkg string
	// flags are those beside the ones that every build has.
	flags []string
	// env is what the build's environment has beside this process's own.
	env []string
}

// kubernetesBuild is how a program of hack/controlplane is built: with the version it reports.
func kubernetesBuild(pkg string) goBuild {
	major, minor, _ := strings.Cut(kubernetesVersion, ".")
	minor, _, _ = strings.Cut(minor, ".")
	const version = "k8s.io/component-base/version."
	ldflags := []string{
		"-s", "-w",
		"-X", version + "gitVersion=v" + kubernetesVersion,
		"-X", version + "gitMajor=" + major,
		"-X", version + "gitMinor=" + minor,
	}
	return goBuild{module: "controlplane", pkg: pkg, flags: []string{"-ldflags", strings.Join(ldflags, " ")}, env: []string{"CGO_ENABLED=0"}}
}

// buildKubernetes builds every program that dir lacks. The Go module proxy's checksums in hack/controlplane/go.sum verify the source.
func (p *Provider) buildKubernetes(ctx context.Context, dir string, programs []program) error {
	for i, program := range programs {
		output := filepath.Join(dir, program.name)
		if tree.Exists(output) {
			continue
		}
		title := fmt.Sprintf("%s (%d of %d)", program.name, i+1, len(programs))
		if err := p.build(ctx, title, kubernetesBuild(program.pkg), output); err != nil {
			return err
		}
	}
	return nil
}

// build builds one program and says how long it took.
func (p *Provider) build(ctx context.Context, title string, what goBuild, output string) error {
	started := time.Now()
	args := append([]string{"build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", output}, what.flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, what.pkg)...)
	cmd.Dir = filepath.Join(p.Source, "hack", what.module)
	cmd.Env = append(append(os.Environ(), "GOWORK=off"), what.env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	tail := p.follow(title, stderr)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", title, err, tail)
	}
	p.logf("built %s in %s", title, time.Since(started).Round(time.Second))
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

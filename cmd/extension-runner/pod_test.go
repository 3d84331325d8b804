// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"provisioning.dev/extension-operator/internal/extension"
	"provisioning.dev/extension-operator/internal/payload"
	"provisioning.dev/extension-operator/internal/step"
	"provisioning.dev/extension-operator/internal/store"
	"provisioning.dev/extension-operator/test/env"
)

// The programs that the tests run: all of them real, and built from this tree.
var nuPath, runnerPath, helperPath string

func TestMain(m *testing.M) {
	var errs [3]error
	nuPath, errs[0] = env.Nushell()
	runnerPath, errs[1] = env.Build("./cmd/extension-runner")
	helperPath, errs[2] = env.SandboxHelper()
	if err := errors.Join(errs[:]...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := stopCluster(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// pod is what the containers of one Job have: the order of each step, and the folders of the volumes.
type pod struct {
	t     testing.TB
	order step.Order
	// environ is added to the environment of the containers.
	environ []string
	// runner is the program, user whom it runs as; nil: whoever runs the tests.
	runner string
	user   *syscall.Credential
}

// newPod is a pod for an extension of one module.
func newPod(t testing.TB, module string) *pod {
	t.Helper()
	return newPodOf(t, map[string]fs.FS{"taskserv:hello:1.0.0": fstest.MapFS{
		"manifest.toml": {Data: []byte("manifest = 1\n")}, "mod.nu": {Data: []byte(module)},
	}}, "taskserv:hello:1.0.0")
}

// newPodOf is a pod for a plan of these folders by their keys, in this order.
func newPodOf(t testing.TB, folders map[string]fs.FS, keys ...string) *pod {
	t.Helper()
	volumes := t.TempDir()
	if err := os.Chmod(volumes, 0o755); err != nil {
		t.Fatal(err)
	}
	p := &pod{t: t, order: step.Defaults(), runner: runnerPath}
	p.order.Namespace, p.order.Installation, p.order.UID = "default", "web", "6f1c8e0a-0000-4000-8000-000000000001"
	p.order.Image = "extension-operator:test"
	p.order.Payload, p.order.Values = filepath.Join(volumes, "payload"), filepath.Join(volumes, "values")
	p.order.Work, p.order.ServiceAccount = filepath.Join(volumes, "work"), filepath.Join(volumes, "service-account")
	p.order.TerminationLog = filepath.Join(volumes, "termination-log")
	p.order.Nushell, p.order.SandboxHelper = nuPath, helperPath
	p.order.Provisioning, _ = filepath.Abs("../../nushell")
	for _, folder := range []string{p.order.Payload, p.order.Values, p.order.Work} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	contents := map[extension.Digest]fs.FS{}
	for _, text := range keys {
		key, _ := extension.ParseKey(text)
		digest := canonical(t, folders[text])
		contents[digest] = folders[text]
		p.order.Members = append(p.order.Members, extension.Member{Key: key, Digest: digest})
	}
	parts, err := payload.Pack(t.Context(), p.order.Members, func(d extension.Digest) (fs.FS, error) { return contents[d], nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range parts {
		p.write(filepath.Join(p.order.Payload, payload.PartName(i)), string(part))
	}
	return p
}

func canonical(t testing.TB, folder fs.FS) extension.Digest {
	t.Helper()
	var packed bytes.Buffer
	if err := store.CanonicalTar(&packed, folder); err != nil {
		t.Fatal(err)
	}
	return sum(packed.Bytes())
}

func sum(data []byte) extension.Digest {
	digest := sha256.Sum256(data)
	return extension.Digest("sha256:" + hex.EncodeToString(digest[:]))
}

func (p *pod) write(file, text string) {
	p.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// values are the sources in their order, mounted as Kubernetes does: links into a folder that a link names.
func (p *pod) values(sources ...string) *pod {
	p.t.Helper()
	data := filepath.Join(p.order.Values, "..2026")
	if err := errors.Join(os.Mkdir(data, 0o755), os.Symlink("..2026", filepath.Join(p.order.Values, "..data"))); err != nil {
		p.t.Fatal(err)
	}
	for i, text := range sources {
		name := fmt.Sprintf("%03d-source.yaml", i)
		p.write(filepath.Join(data, name), text)
		if err := os.Symlink("..data/"+name, filepath.Join(p.order.Values, name)); err != nil {
			p.t.Fatal(err)
		}
	}
	return p
}

// ended is how a container ended.
type ended struct {
	step.Report

	exit    int
	message string // the termination message as it was written
	log     string
}

// everything is all that anybody can read of it.
func (e ended) everything() string { return e.message + "\n" + e.log }

// command is the container of a step.
func (p *pod) command(ctx context.Context, s step.Step) (*exec.Cmd, *bytes.Buffer) {
	p.order.Step = s
	cmd := exec.CommandContext(ctx, p.runner, p.order.Args()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.user}
	cmd.Env = append([]string{"PATH=/usr/bin:/bin", "PASSWORD=of-the-container"}, p.environ...)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	return cmd, &log
}

// run runs the container of a step to its end. It holds every step to what is true of all: a report that can be read and
// fits, and nothing left but the configuration.
func (p *pod) run(s step.Step) ended {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	_ = os.Truncate(p.order.TerminationLog, 0)
	cmd, log := p.command(ctx, s)
	_ = cmd.Run() // the exit code says how it ended
	return p.ended(cmd, log)
}

func (p *pod) ended(cmd *exec.Cmd, log *bytes.Buffer) ended {
	p.t.Helper()
	text, err := os.ReadFile(p.order.TerminationLog)
	if err != nil {
		p.t.Fatalf("%v; log: %s", err, log)
	}
	report, err := step.Decode(text, step.Step(cmd.Args[1]))
	if err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	e := ended{Report: report, exit: cmd.ProcessState.ExitCode(), message: string(text), log: log.String()}
	switch {
	case len(text) > step.MaxReport:
		p.t.Errorf("the termination message has %d bytes", len(text))
	case e.exit != report.Reason.ExitCode():
		p.t.Errorf("exit code %d does not go with reason %q", e.exit, report.Reason)
	}
	if left := p.left(); len(slices.DeleteFunc(left, func(name string) bool { return name == configFile })) > 0 {
		p.t.Errorf("left in the work folder: %v", left)
	}
	return e
}

// left is what is in the work folder.
func (p *pod) left() []string {
	entries, err := os.ReadDir(p.order.Work)
	if err != nil {
		return nil // there is none: that is the test
	}
	names := map[string]bool{}
	for _, entry := range entries {
		names[entry.Name()] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// config is what configure left for the steps that follow.
func (p *pod) config() string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.order.Work, configFile))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// configured is a pod whose configuration lies there already.
func (p *pod) configured() *pod {
	p.t.Helper()
	p.write(filepath.Join(p.order.Work, configFile), noConfig)
	return p
}

// hooks are modules of one hook with this body.
func configureHook(body string) string {
	return "export def configure [values: record]: nothing -> record<files: record, objects: list> {\n" + body + "\n}\n"
}

func hook(name, body string) string {
	return "export def " + name + " [ctx: record]: nothing -> record<message: string> {\n" + strings.TrimSpace(body) + "\n}\n"
}

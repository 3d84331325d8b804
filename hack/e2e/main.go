// SPDX-License-Identifier: Apache-2.0

// Command e2e runs the suite of test/e2e in a real cluster: the one of KUBECONFIG, or one that it starts by hack/cluster and
// removes again. It tells what it does on standard error. See docs/e2e.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"provisioning.dev/extension-operator/hack/tree"
)

// suiteLimit ends a suite that hangs.
const suiteLimit = "45m"

// run is one run of the suite.
type run struct {
	ctx context.Context
	// root is the source tree, out the folder of what the run writes.
	root, out string
	// labels is a filter of ginkgo; keep leaves the cluster there.
	labels string
	keep   bool
	target target
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
}

func start(ctx context.Context) error {
	root, err := tree.Root()
	if err != nil {
		return err
	}
	r := &run{ctx: ctx, root: root, out: filepath.Join(root, "dist", "e2e"), labels: os.Getenv("LABELS"), keep: os.Getenv("KEEP") != ""}
	if r.labels == "" {
		r.labels = "!scale"
	}
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	begun := time.Now()
	say("logs and figures of this run: %s", r.out)
	err = r.all()
	say("logs and figures of this run: %s (%s)", r.out, time.Since(begun).Round(time.Second))
	return err
}

// all has the cluster given back whatever became of the suite.
func (r *run) all() (err error) {
	if r.target, err = r.chooseTarget(); err != nil {
		return err
	}
	if err := r.target.begin(); err != nil {
		return errors.Join(err, r.target.end())
	}
	err = r.suite()
	return errors.Join(err, r.target.end())
}

func (r *run) suite() error {
	say("building the images of this commit and of the one before")
	images, err := r.images()
	if err != nil {
		return err
	}
	filter := r.labels
	if r.target.tool() == "" {
		say("this cluster is not ours: the specs that stop parts of a node or read the API server's audit log (label own) are left out")
		filter = "(" + filter + ") && !own"
	}
	program := filepath.Join(r.out, "e2e.test")
	if err := r.command(r.root, "go", "test", "-c", "-tags=e2e", "-o", program, "./test/e2e"); err != nil {
		return err
	}
	say("running the suite, labels %q", filter)
	cmd := exec.CommandContext(r.ctx, program, "-test.timeout="+suiteLimit, "-ginkgo.v", "-ginkgo.no-color", "-ginkgo.fail-on-empty", "-ginkgo.label-filter="+filter)
	cmd.Dir = filepath.Join(r.root, "test", "e2e")
	cmd.Env = append(os.Environ(), append(images.environ(), r.target.environ()...)...)
	cmd.Env = append(cmd.Env, "E2E_OUT="+r.out)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	// An interrupt reaches it once, by us, so that it cleans up what its spec has made.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the suite failed: %w", err)
	}
	return nil
}

// command runs a program in a folder, with its output on standard error.
func (r *run) command(dir, program string, args ...string) error {
	cmd := exec.CommandContext(r.ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", program, args, err)
	}
	return nil
}

// say prints one line on what happens now.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "==> "+format+"\n", args...)
}

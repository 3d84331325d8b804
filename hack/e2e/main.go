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

// What ends a run that hangs, well before the 90 minutes after which CI would.
const (
	// suiteLimit is for the specs: the one that runs then is ended, and what there is to see of it is kept. A suite that does
	// not heed that is killed after suiteGrace more.
	suiteLimit, suiteGrace = 25 * time.Minute, 5 * time.Minute
	// runLimit is for the whole, with images and cluster.
	runLimit = 45 * time.Minute
	// patience is how long whatever is interrupted may take to clean up.
	patience = 2 * time.Minute
)

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
	ctx, cancel := context.WithTimeoutCause(ctx, runLimit, fmt.Errorf("it took more than %s", runLimit))
	err := start(ctx)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("given up (%w): %w", context.Cause(ctx), err)
	}
	cancel()
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
func (r *run) all() error {
	releases, err := r.chosen()
	if err != nil {
		return err
	}
	if r.target, err = r.chooseTarget(releases.given); err != nil {
		return err
	}
	err = r.target.begin()
	if err == nil {
		err = r.suite(releases)
	}
	return errors.Join(err, r.target.end())
}

func (r *run) suite(both releases) error {
	if err := r.make(both); err != nil {
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
	cmd := r.program(filepath.Join(r.root, "test", "e2e"), program, "-test.timeout="+(suiteLimit+suiteGrace).String(), "-ginkgo.timeout="+suiteLimit.String(),
		"-ginkgo.v", "-ginkgo.no-color", "-ginkgo.fail-on-empty", "-ginkgo.label-filter="+filter)
	cmd.Env = append(os.Environ(), append(both.environ(), r.target.environ()...)...)
	cmd.Env = append(cmd.Env, "E2E_OUT="+r.out)
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the suite failed: %w", err)
	}
	return nil
}

// program is to be run in a folder. An interrupt reaches it and all that it has started once, by us, wherever it came from, so
// that they can clean up.
func (r *run) program(dir, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.ctx, path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = patience
	return cmd
}

// command runs a program in a folder, with its output on standard error.
func (r *run) command(dir, path string, args ...string) error {
	cmd := r.program(dir, path, args...)
	cmd.Stdout = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %v: %w", path, args, err)
	}
	return nil
}

// say prints one line on what happens now.
func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "==> "+format+"\n", args...)
}
